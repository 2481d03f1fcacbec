"""People in a call see and hear each other, and what each does shows at the others."""

import pytest

from tests.e2e.stage import Desk, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

LATE_JOINER_S = 2.0
BUSY_MACHINE = 3.0
"""How much longer things may take where all browsers and both services share two cores with others."""


async def test_two_people_see_and_hear_each_other(stage: Stage, red: Desk, green: Desk) -> None:
    anna, ben = await stage.member("Anna", red), await stage.member("Ben", green)
    await stage.together(await stage.meeting(), anna, ben)
    for one, other in ((anna, ben), (ben, anna)):
        await one.sees(other)
        await one.hears(other)


async def test_chromium_and_firefox_see_and_hear_each_other(stage: Stage, red: Desk, fox: Desk) -> None:
    anna, finn = await stage.member("Anna", red), await stage.member("Finn", fox)
    await stage.together(await stage.meeting(), anna, finn)
    for one, other in ((anna, finn), (finn, anna)):
        await one.sees(other)
        await one.hears(other)


async def test_each_of_three_sees_and_hears_both_others(
    stage: Stage, red: Desk, green: Desk, blue: Desk
) -> None:
    people = [
        await stage.member("Anna", red),
        await stage.member("Ben", green),
        await stage.member("Cleo", blue),
    ]
    await stage.together(await stage.meeting(), *people)
    for one in people:
        others = [person for person in people if person is not one]
        await one.sees_people(*others)
        for other in others:
            await one.sees(other)
        await one.hears(*others)


async def test_who_mutes_is_marked_and_not_heard_until_unmuting(stage: Stage, red: Desk, green: Desk) -> None:
    anna, ben = await stage.member("Anna", red), await stage.member("Ben", green)
    await stage.together(await stage.meeting(), anna, ben)
    await anna.hears(ben)
    await anna.finds_speaking(ben)

    await ben.press("toggle-mic")
    await anna.finds_muted(ben)
    await anna.hears()
    await anna.sees(ben)

    await ben.press("toggle-mic")
    await anna.finds_speaking(ben)
    await anna.hears(ben)


async def test_a_camera_that_goes_off_leaves_the_name_and_comes_back(
    stage: Stage, red: Desk, green: Desk
) -> None:
    anna, ben = await stage.member("Anna", red), await stage.member("Ben", green)
    await stage.together(await stage.meeting(), anna, ben)
    await anna.sees(ben)

    await ben.press("toggle-camera")
    await anna.sees_no_picture_of(ben)
    await anna.hears(ben)

    await ben.press("toggle-camera")
    await anna.sees(ben)


async def test_a_shared_screen_is_seen_beside_the_camera_until_it_stops(
    stage: Stage, red: Desk, green: Desk
) -> None:
    anna, ben = await stage.member("Anna", red), await stage.member("Ben", green)
    await stage.together(await stage.meeting(), anna, ben)
    await ben.sees(anna)

    await anna.press("share-screen")
    await ben.sees_screen_of(anna)
    await ben.sees(anna)

    await anna.press("share-screen")
    await ben.sees_no_screen_of(anna)
    await ben.sees(anna)


async def test_a_small_camera_is_seen_in_its_full_size(stage: Stage, red: Desk, green: Desk) -> None:
    """Browsers send fewer layers of a small picture; its largest must be among them."""
    anna, ben = await stage.member("Anna", red), await stage.member("Ben", green)
    await anna.page.resize(1280, 800)
    await stage.together(await stage.meeting(), anna, ben)
    await anna.sees(ben)
    await anna.sees_whole(ben)


async def test_reactions_reach_both_browsers(stage: Stage, red: Desk, fox: Desk) -> None:
    anna, finn = await stage.member("Anna", red), await stage.member("Finn", fox)
    await stage.together(await stage.meeting(), anna, finn)
    await anna.sees_people(finn)
    await finn.sees_people(anna)
    await anna.reacts("applause")
    await finn.notices(anna, "applause")
    await finn.reacts("thumbs-up")
    await anna.notices(finn, "thumbs up")


async def test_a_late_joiner_sees_and_hears_within_two_seconds(
    stage: Stage, red: Desk, green: Desk, blue: Desk
) -> None:
    anna, ben, cleo = (
        await stage.member("Anna", red),
        await stage.member("Ben", green),
        await stage.member("Cleo", blue),
    )
    meeting = await stage.meeting()
    await stage.together(meeting, anna, ben)
    await anna.sees(ben)

    await cleo.open(meeting)
    arrivals = await cleo.join_and_time(others=2)
    print(f"late joiner: {arrivals}")
    await cleo.sees(anna)
    await cleo.sees(ben)
    assert max(arrivals.seen_s) <= LATE_JOINER_S * BUSY_MACHINE
    assert max(arrivals.heard_s) <= LATE_JOINER_S * BUSY_MACHINE


async def test_who_leaves_is_gone_at_once(stage: Stage, red: Desk, green: Desk) -> None:
    anna, ben = await stage.member("Anna", red), await stage.member("Ben", green)
    await stage.together(await stage.meeting(), anna, ben)
    await anna.sees_people(ben)
    await ben.press("leave")
    await ben.is_in("ended")
    await anna.sees_people(deadline_s=5)


async def test_the_host_ends_the_meeting_for_everybody(stage: Stage, red: Desk, green: Desk) -> None:
    anna, ben = await stage.member("Anna", red), await stage.member("Ben", green)
    meeting = await stage.meeting()
    await stage.together(meeting, anna, ben)
    await stage.parley.end(meeting)
    await anna.is_in("ended")
    await ben.is_in("ended")
