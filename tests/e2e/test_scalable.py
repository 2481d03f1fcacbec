"""One stream with spatial layers in it: each receiver is sent those that its tile needs."""

import pytest

from tests.e2e.person import Person
from tests.e2e.stage import Desk, Stage
from tests.support.senders import WIDTH

pytestmark = pytest.mark.asyncio(loop_scope="session")

LARGE, SMALL = (1280, 800), (400, 300)

# Send the camera as one scalable stream, instead of what the page asks for.
SCALABLE = """([codec, mode]) => {
    const add = RTCPeerConnection.prototype.addTransceiver;
    RTCPeerConnection.prototype.addTransceiver = function (track, init) {
        const sends = init.direction === "sendonly" && (track.kind ?? track) === "video";
        return add.call(this, track, sends ? { ...init, sendEncodings: [{ scalabilityMode: mode }] } : init);
    };
    const prefer = RTCRtpTransceiver.prototype.setCodecPreferences;
    RTCRtpTransceiver.prototype.setCodecPreferences = function (codecs) {
        const wanted = [codec, "video/rtx"];
        const sends = this.direction === "sendonly" && codecs[0].mimeType.startsWith("video/");
        prefer.call(this, sends ? codecs.filter(({ mimeType }) => wanted.includes(mimeType)) : codecs);
    };
    RTCRtpSender.prototype.setParameters = async () => {};
}"""


async def test_each_receiver_gets_the_spatial_layer_that_fits(stage: Stage, red: Desk, either: Desk) -> None:
    """The other stays large all the while; the one between large and small loses no picture."""
    anna, ben = await stage.member("Anna", red), await stage.member("Ben", either)
    await show_as_tiles_grow(stage, anna, ben, "video/VP9")


async def test_of_av1_too(stage: Stage, red: Desk, blue: Desk) -> None:
    """Its layers are told apart by dependency descriptors, which Firefox does not take."""
    anna, ben = await stage.member("Anna", red), await stage.member("Ben", blue)
    await show_as_tiles_grow(stage, anna, ben, "video/AV1")


async def show_as_tiles_grow(stage: Stage, anna: Person, ben: Person, codec: str) -> None:
    meeting = await stage.meeting()
    await anna.open(meeting)
    await anna.page.evaluate(SCALABLE, [codec, "L3T3_KEY"])
    await anna.press("join")
    await anna.is_connected()
    await ben.page.resize(*LARGE)
    await ben.join(meeting)
    await ben.sees(anna)
    for size, whole in ((LARGE, True), (SMALL, False), (LARGE, True)):
        await ben.page.resize(*size)
        await sees_in_width(ben, anna, whole=whole)


async def sees_in_width(person: Person, other: Person, *, whole: bool) -> None:
    """Wait until the other's picture is live, and comes in its whole width or in less."""
    await person.finds(
        "in full" if whole else "in less",
        other,
        lambda tile: tile.sender == other.sender and (tile.width == WIDTH) is whole,
    )
