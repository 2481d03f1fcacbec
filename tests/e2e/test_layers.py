"""A publisher sends the layers that somebody needs, and a page says why it shows no picture."""

from dataclasses import dataclass
from typing import Any

import pytest

from sfu.contract.signals import Encodings, Quality, QualityReason, SlotQuality, encode
from tests.e2e.person import Person
from tests.e2e.prompter import Prompter, prompted
from tests.e2e.stage import Desk, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

BACK_S = 0.5
BUSY_MACHINE = 3.0
"""How much longer things may take where all browsers and both services share two cores with others."""

# The m-line of the camera, also while it is off.
CAMERA = """probe.connections.at(-1).getTransceivers()
    .find(({ direction, receiver }) => direction === "sendonly" && receiver.track.kind === "video")"""

# A counter of every layer of the camera, by RID.
COUNT = f"""async (counter) => {{
    const reports = [...(await {CAMERA}.sender.getStats()).values()];
    const layers = reports.filter(({{ type }}) => type === "outbound-rtp");
    return Object.fromEntries(layers.map((layer) => [layer.rid, layer[counter] ?? 0]));
}}"""

# How much of each layer is sent in some time, in octets.
SENT = f"""async (ms) => {{
    const before = await ({COUNT})("bytesSent");
    await new Promise((passed) => setTimeout(passed, ms));
    const after = await ({COUNT})("bytesSent");
    return Object.fromEntries(Object.keys(after).map((rid) => [rid, after[rid] - (before[rid] ?? 0)]));
}}"""

# Say something to the page, and return how long each layer then takes to send its next frame, in seconds.
BACK = f"""async (text, rids) => {{
    const before = await ({COUNT})("framesSent");
    const began = performance.now();
    prompter.hear({{ data: text }});
    const times = {{}};
    while (Object.keys(times).length < rids.length) {{
        const now = await ({COUNT})("framesSent");
        for (const rid of rids) {{
            if (now[rid] > (before[rid] ?? 0)) times[rid] ??= (performance.now() - began) / 1000;
        }}
        await new Promise((next) => setTimeout(next, 10));
    }}
    return times;
}}"""

NOTE = """() => {
    const note = document.querySelector("article.tile[data-self=false] [data-slot=paused]");
    return note.checkVisibility() ? note.textContent.trim() : "";
}"""


@dataclass
class Publisher:
    """Somebody whose camera is sent in two layers, and who speaks for the node to them."""

    person: Person
    node: Prompter
    mid: str

    async def is_told(self, *rids: str) -> None:
        """Let them hear that these layers are needed."""
        await self.node.say(Encodings(mid=self.mid, rids=rids))

    async def is_told_and_timed(self, *rids: str) -> dict[str, float]:
        """The same; return how long each of the layers takes to send a frame, in seconds."""
        text = encode(Encodings(mid=self.mid, rids=rids))
        times: dict[str, float] = await self.person.page.evaluate(BACK, text, rids)
        return times

    async def sends_just(self, *rids: str) -> None:
        """Wait until these layers grow and no others do."""

        def just(sent: dict[str, Any]) -> bool:
            return {rid for rid, octets in sent.items() if octets > 0} == set(rids)

        await self.person.page.until(SENT, 600, accept=just)


async def publisher(stage: Stage, desk: Desk) -> Publisher:
    person = await stage.member("Anna", desk)
    await person.open(await stage.meeting())
    node = await prompted(person)
    made = Publisher(person, node, await person.page.evaluate(f"() => {CAMERA}.mid"))
    await made.sends_just("q", "h")
    return made


async def test_layers_nobody_needs_are_not_sent_and_come_back_when_asked_for(
    stage: Stage, either: Desk
) -> None:
    anna = await publisher(stage, either)
    for needed in (("q",), ("h",), ()):
        await anna.is_told(*needed)
        await anna.sends_just(*needed)
        times = await anna.is_told_and_timed("q", "h")
        print(f"back from {needed}: {times}")
        assert max(times.values()) <= BACK_S * BUSY_MACHINE
        await anna.sends_just("q", "h")


async def test_what_is_needed_outlives_a_lost_network_and_a_camera_turned_off(
    stage: Stage, either: Desk
) -> None:
    anna = await publisher(stage, either)
    await anna.is_told("q")
    await anna.sends_just("q")
    await anna.person.page.evaluate("() => parley.call.networkChanged()")
    await anna.person.is_connected()
    await anna.sends_just("q")
    for _ in range(2):
        await anna.person.press("toggle-camera")
    await anna.sends_just("q")


async def test_a_picture_held_back_is_said_to_be(stage: Stage, red: Desk, fox: Desk) -> None:
    anna, finn = await stage.member("Anna", red), await stage.member("Finn", fox)
    meeting = await stage.meeting()
    await finn.join(meeting)
    await anna.open(meeting)
    node = await prompted(anna)
    (tile,) = await anna.sees(finn)
    track = await anna.page.evaluate(
        "(peer) => document.querySelector(`[data-peer='${peer}']`).dataset.track", tile.peer
    )

    async def is_given(reason: QualityReason) -> None:
        slot = SlotQuality(
            mid="0", track=track, wanted_height=360, given_height=0, frame_share=0, reason=reason
        )
        await node.say(Quality(slots=(slot,)))

    for reason, note in (
        (QualityReason.NO_BANDWIDTH, "Video paused: your network is slow"),
        (QualityReason.BANDWIDTH, ""),
    ):
        await is_given(reason)
        await anna.page.until(NOTE, accept=note.__eq__)
