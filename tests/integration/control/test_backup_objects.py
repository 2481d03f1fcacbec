"""Objects in backups, and backups in a bucket: between a folder and S3, in both directions."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy
from yarl import URL

from control.accounts.store import Account
from control.attachments.store import Attachment
from control.backup.bucket import BucketShelf
from control.backup.folder import FolderShelf
from control.backup.problems import Damaged
from control.backup.reading import verify
from control.backup.restoring import Restoring
from control.backup.taking import Taking, thin_out
from control.clock import utc_now
from control.database import Database, database_url
from control.keys import ensure_secrets
from control.meetings.store import Meeting
from control.objects.folder import Folder
from control.objects.grants import Grants
from control.objects.port import Objects
from control.objects.s3 import S3, Bucket
from control.recordings.store import Recording
from control.shards.shards import Shards
from tests.integration.control.backups import parley
from tests.integration.control.conftest import Start
from tests.integration.control.harness import rows
from tests.integration.control.test_chat import say
from tests.support.radosgw import RadosGateway

STORES = ("folder", "s3")
CONTENTS = [b"", b"a" * 1000, bytes(range(256)) * 40_000]
"""The last one is put into S3 in parts."""

MakeStore = Callable[[str], Awaitable[Objects]]


@pytest.fixture
async def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MakeStore]:
    """Makes an empty store of a kind."""
    async with AsyncExitStack() as closing:

        async def make(kind: str) -> Objects:
            made: Objects
            if kind == "folder":
                made = Folder(tmp_path / uuid4().hex, Grants(b"s", utc_now))
            else:
                server = request.getfixturevalue("gateway")
                url = URL(await server.make_bucket())
                bucket = Bucket(
                    endpoint=url.origin(),
                    name=url.name,
                    region="us-east-1",
                    key=server.key,
                    secret=server.secret,
                )
                made = S3(bucket, None)
            await made.prepare(10)
            closing.push_async_callback(made.close)
            return made

        yield make


@pytest.fixture
async def make_shards(tmp_path: Path) -> AsyncIterator[Callable[[], Shards]]:
    async with AsyncExitStack() as closing:

        def make() -> Shards:
            url = database_url(f"sqlite:///{tmp_path / uuid4().hex}.sqlite")
            shards = Shards([Database(url, readers=1, writers=1)])
            closing.push_async_callback(shards.close)
            return shards

        yield make


async def one(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), 100_000):
        yield content[at : at + 100_000]


async def filled(store: Objects) -> dict[str, bytes]:
    objects = {f"{uuid4().hex}/{uuid4().hex}": content for content in CONTENTS}
    for key, content in objects.items():
        await store.put(key, one(content), "image/png")
    return objects


async def add_files(shards: Shards, store: Objects, objects: dict[str, bytes]) -> None:
    """Have a row of the database name each object."""
    now = utc_now()
    host = Account(id=uuid4().hex, email="ann@example.org", name="Ann", password_hash="h", created_at=now)
    async with shards.first.write() as session:
        session.add(host)
        for number, key in enumerate(objects):
            known = await store.head(key)
            assert known is not None
            meeting, _, id_ = key.partition("/")
            session.add(
                Meeting(
                    id=meeting,
                    code=f"code-{number}",
                    title="T",
                    host_id=host.id,
                    host_name="Ann",
                    guests_allowed=True,
                    created_at=now,
                )
            )
            await session.flush()
            session.add(
                Attachment(
                    id=id_,
                    meeting_id=meeting,
                    author_id=host.id,
                    name="a.png",
                    content_type="image/png",
                    size=known.size,
                    created_at=now,
                    message=1,
                    place=0,
                    digest=known.digest,
                )
            )
            session.add(
                Recording(
                    id=id_,
                    meeting_id=meeting,
                    key=key,
                    title="T",
                    content_type="image/png",
                    size=known.size,
                    started_at=now,
                    ended_at=now,
                    created_at=now,
                    ready_at=now,
                    digest=known.digest,
                )
            )


async def contents(store: Objects) -> dict[str, tuple[bytes, str]]:
    found = {}
    async for key in store.list(""):
        known = await store.head(key)
        assert known is not None
        found[key] = (b"".join([chunk async for chunk in store.get(key)]), known.content_type)
    return found


def quiet(_: str) -> None:
    pass


@pytest.mark.parametrize(("source", "target"), [("folder", "s3"), ("s3", "folder"), ("s3", "s3")])
async def test_objects_come_back_in_whichever_store_there_is(
    make_store: MakeStore, make_shards: Callable[[], Shards], tmp_path: Path, source: str, target: str
) -> None:
    """And what each store calls a content goes with it: what has changed is not given out."""
    store, anew, shards, again = (
        await make_store(source),
        await make_store(target),
        make_shards(),
        make_shards(),
    )
    await shards.prepare(1)
    objects = await filled(store)
    await add_files(shards, store, objects)
    ensure_secrets(tmp_path)
    shelf = FolderShelf(tmp_path / "backups")
    async with shelf.draft(datetime(2031, 1, 1, tzinfo=UTC)) as archive:
        await Taking(shards, store, tmp_path, archive, quiet).take(utc_now(), with_secrets=False)
    (backup,) = await shelf.backups()
    assert (await verify(backup, quiet)).objects.rows == 3
    await Restoring(again, anew, tmp_path, backup, quiet).restore(with_secrets=False)
    assert await contents(anew) == {key: (content, "image/png") for key, content in objects.items()}
    async with again.first.read() as session:
        for key in objects:
            known = await anew.head(key)
            assert known is not None
            for kind in (Attachment, Recording):
                kept = await session.get(kind, key.partition("/")[2])
                assert kept is not None
                assert kept.digest == known.digest


async def test_a_damaged_object_is_told_and_nothing_is_restored(
    make_store: MakeStore, make_shards: Callable[[], Shards], tmp_path: Path
) -> None:
    store, anew, shards, again = (
        await make_store("folder"),
        await make_store("folder"),
        make_shards(),
        make_shards(),
    )
    await shards.prepare(1)
    objects = await filled(store)
    shelf = FolderShelf(tmp_path / "backups")
    async with shelf.draft(datetime(2031, 1, 1, tzinfo=UTC)) as archive:
        await Taking(shards, store, tmp_path, archive, quiet).take(utc_now(), with_secrets=False)
    (backup,) = await shelf.backups()
    key = next(key for key, content in objects.items() if content == CONTENTS[1])
    (Path(str(backup)) / "objects" / key).write_bytes(b"b" * 1000)
    for attempt in (
        verify(backup, quiet),
        Restoring(again, anew, tmp_path, backup, quiet).restore(with_secrets=False),
    ):
        with pytest.raises(Damaged, match=f"objects/{key}: does not have the SHA-256"):
            await attempt
    assert key not in await contents(anew)
    await again.prepare(1)  # so it is still a database that nobody has used


async def test_a_backup_in_a_bucket_is_one_in_a_folder(
    make_store: MakeStore, make_shards: Callable[[], Shards], tmp_path: Path
) -> None:
    """Here in the same bucket as the objects themselves."""
    store, shards, anew = await make_store("s3"), make_shards(), await make_store("folder")
    await shards.prepare(1)
    objects = await filled(store)
    shelf = BucketShelf(store, "https://s3.example.org/bucket")
    made = []
    for second in range(3):
        async with shelf.draft(datetime(2031, 1, 1, 0, 0, second, tzinfo=UTC)) as archive:
            taking = Taking(shards, store, tmp_path, archive, quiet)
            made.append(await taking.take(utc_now(), with_secrets=False))
    assert made[2].objects.rows == 3
    with pytest.raises(ZeroDivisionError):
        async with shelf.draft(datetime(2032, 1, 1, tzinfo=UTC)) as archive:
            await archive.put("x", one(b"x"))
            raise ZeroDivisionError
    await thin_out(shelf, made[2].system, 2)
    names = ["20310101T000002Z", "20310101T000001Z"]
    backups = await shelf.backups()
    assert [str(each) for each in backups] == [f"https://s3.example.org/bucket/{name}" for name in names]
    left = {key.split("/")[1] async for key in store.list("backups/")}
    assert left == set(names)
    assert await verify(backups[0], quiet) == made[2]
    await Restoring(make_shards(), anew, tmp_path, backups[0], quiet).restore(with_secrets=False)
    assert await contents(anew) == {key: (content, "image/png") for key, content in objects.items()}
    await store.delete("backups/20310101T000002Z/database-0/accounts.jsonl.gz")
    with pytest.raises(Damaged, match=r"database-0/accounts.jsonl.gz: is missing"):
        await verify(backups[0], quiet)


async def test_operators_keep_backups_in_a_bucket(
    start: Start, database: sqlalchemy.URL, gateway: RadosGateway, tmp_path: Path
) -> None:
    control = await start()
    ann = await control.person("Ann")
    code = (await control.meeting(ann))["code"]
    await say(ann, code, "kept")
    bucket = await gateway.make_bucket()
    keys = ("--s3-key", gateway.key, "--s3-secret", gateway.secret)
    data = tmp_path / "data"
    made = await parley("backup", "--to", bucket, *keys, databases=[database], data=data)
    assert (made.code, made.out.startswith(f"{bucket}/")) == (0, True), made.err
    backup = made.out.strip()
    assert (await parley("backup", "--verify", backup, *keys, data=data)).code == 0
    wrong = ("--s3-key", gateway.key, "--s3-secret", "wrong")
    refused = await parley("backup", "--verify", backup, *wrong, data=data)
    assert (refused.code, "refuses us" in refused.err) == (1, True), refused.err
    anew = database_url(f"sqlite:///{tmp_path / 'anew.sqlite'}")
    restored = await parley("restore", "--from", backup, *keys, databases=[anew], data=tmp_path / "anew")
    assert restored.code == 0, restored.err
    assert rows(anew, "SELECT text FROM messages WHERE kind = 'text'") == [("kept",)]
