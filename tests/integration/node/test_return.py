"""Connections are lost and taken up again."""

from aiortc.mediastreams import VideoStreamTrack

from sfu.contract import signals
from sfu.contract.signals import View, Want
from sfu.contract.ticket import Source
from tests.integration.node.conftest import House, eventually
from tests.integration.node.test_call import enter, receive_frames


async def test_media_flows_on_while_the_websocket_is_away_and_the_place_is_taken_up(house: House) -> None:
    anna, ben = await enter(house, "anna"), await enter(house, "ben")
    await ben.send(View(wants=(Want(track="anna.1", width=640, height=480),)))
    await receive_frames(ben, "video", 5)
    await ben.drop()
    await receive_frames(ben, "video", 15)
    first = await ben.expect(signals.Welcome)
    ben.messages.clear()
    again = await ben.join(resume=first.resume)
    assert (again.peer, again.resume) == ("ben", first.resume)
    labels = await ben.expect(signals.Slots, lambda slots: len(slots.slots) == 2)
    assert {label.track for label in labels.slots} == {"anna.0", "anna.1"}
    assert not [
        each
        for each in anna.messages
        if isinstance(each, signals.Delta) and isinstance(each.change, signals.PeerLeft)
    ]


async def test_a_reloaded_page_takes_its_own_place_with_a_new_connection(house: House) -> None:
    anna, ben = await enter(house, "anna"), await enter(house, "ben")
    first = await ben.expect(signals.Welcome)
    await ben.drop()
    again = house.client()
    again.publish(VideoStreamTrack(), Source.CAMERA)
    again.add_slots(audio=1, video=1)
    welcome = await again.join(resume=first.resume)
    assert [peer.id for peer in welcome.room.peers] == ["anna", "ben"]
    assert [track.id for track in welcome.room.peers[1].tracks] == ["ben.0"]
    await again.send(View(wants=(Want(track="anna.1", width=640, height=480),)))
    await receive_frames(again, "video", 5)
    unpublished = [
        each.change.track
        for each in anna.messages
        if isinstance(each, signals.Delta) and isinstance(each.change, signals.TrackUnpublished)
    ]
    assert unpublished == ["ben.0", "ben.1"]


async def test_who_does_not_come_back_is_gone(house: House) -> None:
    anna, ben = await enter(house, "anna"), await enter(house, "ben")
    first = await ben.expect(signals.Welcome)
    await ben.drop()
    await ben.pc.close()
    lost = await anna.expect(
        signals.Delta, lambda delta: isinstance(delta.change, signals.PeerConnection), timeout_s=20
    )
    assert (lost.change.peer, lost.change.connected) == ("ben", False)
    gone = await anna.expect(signals.Delta, lambda delta: isinstance(delta.change, signals.PeerLeft))
    assert gone.change.code == "link_lost"
    late = house.client()
    late.add_slots(audio=1, video=0)
    sdp, _ = await late.offer()
    await late.connect()
    await late.send(signals.Hello(resume=first.resume, offer=sdp))
    closed = await late.expect(signals.Closed)
    assert (closed.code, closed.retry) == ("resume_unknown", "join")


async def test_an_ice_restart_keeps_the_encrypted_pipe(house: House) -> None:
    anna, ben = await enter(house, "anna"), await enter(house, "ben")
    del anna
    link = house.node.rooms["room"].peers["ben"].link
    sdp, tracks = await ben.offer()
    ufrag = next(line for line in sdp.splitlines() if line.startswith("a=ice-ufrag:"))
    restarted = sdp.replace(ufrag, "a=ice-ufrag:restarted")
    before = link.ufrag
    await ben.send(signals.Offer(id=1, sdp=restarted, tracks=tracks))
    answer = await ben.expect(signals.Answer)
    assert link.ufrag != before
    assert f"a=ice-ufrag:{link.ufrag}" in answer.sdp
    assert house.node.rooms["room"].peers["ben"].link is link
    assert link.state == "connected"


async def test_a_second_connection_for_the_same_place_replaces_the_first(house: House) -> None:
    ben = await enter(house, "ben")
    first = await ben.expect(signals.Welcome)
    again = house.client()
    again.add_slots(audio=1, video=1)
    await again.join(resume=first.resume)
    closed = await ben.expect(signals.Closed)
    assert (closed.code, closed.retry) == ("replaced", "none")
    await eventually(lambda: len(house.node.seats) == 1)


async def test_a_closed_page_frees_its_place_sooner_than_a_lost_network(house: House) -> None:
    anna, ben = await enter(house, "anna"), await enter(house, "ben")
    await ben.socket.close(code=1001)
    gone = await anna.expect(signals.Delta, lambda delta: isinstance(delta.change, signals.PeerLeft))
    assert gone.change.code == "link_lost"
    assert ben.pc.connectionState == "connected"
