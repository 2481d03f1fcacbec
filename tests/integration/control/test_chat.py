import asyncio
import dataclasses
from uuid import uuid4

import pytest

from control.rates.port import Rate
from sfu.contract.operations import PeerEntered
from tests.integration.control.conftest import PLENTY, Start
from tests.integration.control.harness import Client, Control
from tests.integration.control.test_meetings import pages


async def say(client: Client, code: str, text: str, client_id: str | None = None):
    body = {"text": text, "client_id": client_id or uuid4().hex}
    return await client.post(f"/api/meetings/{code}/messages", body)


@pytest.fixture
async def ann(control: Control) -> Client:
    await control.report()
    return await control.person("Ann")


@pytest.fixture
async def code(control: Control, ann: Client) -> str:
    meeting: str = (await control.meeting(ann))["code"]
    return meeting


async def test_the_first_line_tells_that_the_meeting_was_made(ann: Client, code: str) -> None:
    (line,) = (await ann.get(f"/api/meetings/{code}/messages")).json["items"]
    assert line == {
        "id": line["id"],
        "meeting": code,
        "kind": "system",
        "text": "Meeting created by Ann",
        "author": None,
        "sent_at": "2031-05-04T12:00:00Z",
        "attachments": [],
    }


async def test_everybody_in_the_meeting_reads_and_writes(control: Control, ann: Client, code: str) -> None:
    bob = await control.person("Bob")
    await bob.post(f"/api/meetings/{code}/join")
    gus = await control.guest(code, "Gus")
    for client, author in (
        (ann, {"id": ann.user["id"], "name": "Ann"}),
        (bob, {"id": bob.user["id"], "name": "Bob"}),
        (gus, {"id": gus.user["peer"], "name": "Gus"}),
    ):
        control.clock.forward(1)
        posted = await say(client, code, "  hello\n\tthere \u2028 👩‍💻 ")
        assert (posted.status, posted.json["author"]) == (201, author)
        assert posted.json["text"] == "hello\n\tthere \u2028 👩‍💻"
        for reader in (ann, bob, gus):
            newest = (await reader.get(f"/api/meetings/{code}/messages?limit=1")).json["items"][0]
            assert newest == posted.json


async def test_history_is_paged_newest_first_and_misses_nothing(ann: Client, code: str) -> None:
    for number in range(11):
        await say(ann, code, f"m{number}")
    found = await pages(ann, f"/api/meetings/{code}/messages", 5)
    assert [len(page) for page in found] == [5, 5, 2]
    texts = [message["text"] for page in found for message in page]
    assert texts == [f"m{number}" for number in reversed(range(11))] + ["Meeting created by Ann"]
    assert len({message["id"] for page in found for message in page}) == 12


async def test_new_messages_do_not_disturb_the_pages(ann: Client, code: str) -> None:
    for number in range(4):
        await say(ann, code, f"m{number}")
    first = (await ann.get(f"/api/meetings/{code}/messages?limit=2")).json
    await say(ann, code, "late")
    second = (await ann.get(f"/api/meetings/{code}/messages?limit=2&cursor={first['next_cursor']}")).json
    assert [message["text"] for message in second["items"]] == ["m1", "m0"]


async def test_a_message_sent_again_is_posted_once(control: Control, ann: Client, code: str) -> None:
    first = await say(ann, code, "hello", "id-1")
    again = await say(ann, code, "hello, changed", "id-1")
    assert (again.status, again.json) == (201, first.json)
    gus = await control.guest(code)
    other = await say(gus, code, "hello", "id-1")  # another author's ids are their own
    assert other.json["id"] != first.json["id"]
    second = (await control.meeting(ann))["code"]
    assert (await say(ann, second, "hello", "id-1")).json["meeting"] == second
    assert len((await ann.get(f"/api/meetings/{code}/messages")).json["items"]) == 3


async def test_the_same_message_many_times_at_once_is_posted_once(ann: Client, code: str) -> None:
    replies = await asyncio.gather(*(say(ann, code, "hello", "id-1") for _ in range(8)))
    assert len({reply.text for reply in replies}) == 1
    assert len((await ann.get(f"/api/meetings/{code}/messages")).json["items"]) == 2


async def test_many_messages_at_once_are_all_kept(ann: Client, code: str) -> None:
    replies = await asyncio.gather(*(say(ann, code, f"m{number}") for number in range(20)))
    assert {reply.status for reply in replies} == {201}
    kept = (await ann.get(f"/api/meetings/{code}/messages")).json["items"]
    assert sorted(message["text"] for message in kept[:-1]) == sorted(f"m{number}" for number in range(20))


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"text": "", "client_id": "a"}, {"text"}),
        ({"text": " \x00\u202e ", "client_id": "a"}, {"text"}),
        ({"text": "x" * 4001, "client_id": "a"}, {"text"}),
        ({"text": "x", "client_id": ""}, {"client_id"}),
        ({"text": "x", "client_id": "a\x00"}, {"client_id"}),
        ({"text": "x", "client_id": "a" * 65}, {"client_id"}),
        ({"text": "x"}, {"client_id"}),
        ({"text": ["x"], "client_id": 1}, {"text", "client_id"}),
    ],
)
async def test_messages_that_make_no_sense_are_refused(
    ann: Client, code: str, body: dict, wrong: set
) -> None:
    reply = await ann.post(f"/api/meetings/{code}/messages", body)
    assert (reply.status, set(reply.json["error"]["fields"])) == (422, wrong)


async def test_the_longest_message_fits(ann: Client, code: str) -> None:
    assert (await say(ann, code, "\U0001f600" * 4000, "a")).json["text"] == "\U0001f600" * 4000


async def test_strangers_neither_read_nor_write(control: Control, ann: Client, code: str) -> None:
    elsewhere = await control.guest((await control.meeting(ann))["code"])
    bob = await control.person("Bob")
    for stranger, status, reason in (
        (control.client(), 401, "unauthenticated"),
        (bob, 403, "not_a_member"),
        (elsewhere, 403, "not_a_member"),
    ):
        for reply in (
            await stranger.get(f"/api/meetings/{code}/messages"),
            await stranger.get(f"/api/meetings/{code}/people"),
            await say(stranger, code, "hello"),
        ):
            assert (reply.status, reply.code) == (status, reason)


async def test_an_ended_meeting_can_be_read_but_not_written_to(ann: Client, code: str) -> None:
    first = await say(ann, code, "hello", "id-1")
    await ann.post(f"/api/meetings/{code}/end")
    assert (await say(ann, code, "late")).code == "meeting_ended"
    assert (await say(ann, code, "hello", "id-1")).json == first.json  # its answer was lost on the way
    assert len((await ann.get(f"/api/meetings/{code}/messages")).json["items"]) == 2


async def test_an_author_who_floods_is_slowed_down(start: Start) -> None:
    control = await start(rates=dataclasses.replace(PLENTY, chat_per_author=Rate(2, 4)))
    await control.report()
    ann = await control.person()
    code = (await control.meeting(ann))["code"]
    assert [(await say(ann, code, f"m{number}")).status for number in range(3)] == [201, 201, 429]
    assert (await say(await control.guest(code), code, "hello")).status == 201
    control.clock.forward(2)
    assert (await say(ann, code, "m2")).status == 201


async def test_people_are_paged_the_latest_first(control: Control, ann: Client, code: str) -> None:
    guests = [await control.guest(code, f"G{number}") for number in range(5)]
    for seq, guest in enumerate(guests, 1):
        control.clock.forward(seq % 2)
        at = control.clock().timestamp()
        event = PeerEntered(seq=seq, at=at, room=guest.user["room"], peer=guest.user["peer"], ticket="t")
        await control.report(event)
    found = await pages(guests[0], f"/api/meetings/{code}/people", 2)
    assert [len(page) for page in found] == [2, 2, 1]
    people = [person for page in found for person in page]
    assert {person["name"] for person in people} == {f"G{number}" for number in range(5)}
    moments = [person["joined_at"] for person in people]
    assert moments == sorted(moments, reverse=True)
    assert {person["user"] for person in people} == {None}
