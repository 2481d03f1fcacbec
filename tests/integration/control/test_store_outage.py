"""S3 that dies and comes back: clear errors meanwhile, nothing half accepted, nothing to be restarted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.control.conftest import Start, bucket_of
from tests.integration.control.stores import PNG
from tests.integration.control.test_attachments import download, post, uploaded
from tests.integration.control.test_chat import say
from tests.support.radosgw import RadosGateway, radosgw
from tests.support.waiting import until


@pytest.fixture
def mortal() -> Iterator[RadosGateway]:
    """A server that a test may kill."""
    with radosgw() as running:
        yield running


async def test_files_wait_and_everything_else_goes_on(
    start: Start, mortal: RadosGateway, tmp_path: Path
) -> None:
    place = await bucket_of(mortal, tmp_path)
    control = await start(**place.settings, sweep_s=0.2, retention_days=1)
    ann = await control.person()
    code = (await control.meeting(ann))["code"]
    posted, loose = await uploaded(ann, code), await uploaded(ann, code)
    await post(ann, code, posted)
    mortal.kill()
    for refused in (
        await post(ann, code, loose, client_id="later"),
        await ann.get(f"/api/meetings/{code}/attachments/{posted}"),
    ):
        assert (refused.status, refused.code) == (503, "overloaded")
        assert int(refused.headers["Retry-After"]) > 0
    assert (await say(ann, code, "without files")).status == 201
    said = [each["text"] for each in (await ann.get(f"/api/meetings/{code}/messages?limit=2")).json["items"]]
    assert said == ["without files", ""]
    assert (await ann.get("/readyz")).status == 200
    mortal.start()

    async def accepted() -> bool:
        return (await post(ann, code, loose, client_id="later")).status == 201

    await until("a message with a file is accepted", accepted)
    for attachment in (posted, loose):
        assert (await download(ann, code, attachment)).text.encode("latin-1") == PNG
    await ann.post(f"/api/meetings/{code}/end")
    mortal.kill()
    control.clock.forward(2 * 24 * 3600)
    mortal.start()
    await until("both are gone", place.keys, accept=lambda keys: not keys)
