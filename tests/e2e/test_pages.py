"""The pages around a call, guests, a small screen, and a keyboard alone."""

import pytest

from tests.e2e.person import mark
from tests.e2e.stage import Desk, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONTROLS = ("toggle-mic", "toggle-camera", "leave")


async def test_sign_up_make_a_meeting_sign_out_and_in_again(stage: Stage, red: Desk) -> None:
    dora = await stage.guest("Dora", red)
    page, origin = dora.page, stage.parley.origin
    await page.goto(f"{origin}/")
    await dora.press("start")
    await dora.is_at("/sign-up")
    await page.fill(mark("name-input"), "Dora")
    await page.fill(mark("email-input"), "dora@example.org")
    await page.fill(mark("password-input"), "a long enough password")
    await dora.press("sign-up")

    await dora.is_at("/meetings")
    await dora.press("new-meeting")
    await page.fill(mark("title-input"), "Board")
    await dora.press("create-meeting")
    await dora.finds_text("Board")

    await dora.press("sign-out")
    await dora.is_at("/")
    await page.goto(f"{origin}/meetings")
    await dora.is_at("/sign-in")
    await page.fill(mark("email-input"), "dora@example.org")
    await page.fill(mark("password-input"), "not the password")
    await dora.press("sign-in")
    await page.until(
        "() => Boolean(document.querySelector('[role=alert]:not([hidden])')?.textContent.trim())"
    )
    await page.fill(mark("password-input"), "a long enough password")
    await dora.press("sign-in")
    await dora.is_at("/meetings")
    await dora.finds_text("Board")


async def test_a_guest_joins_by_name_and_chats(stage: Stage, red: Desk, green: Desk) -> None:
    anna, gus = await stage.member("Anna", red), await stage.guest("Gus", green)
    meeting = await stage.meeting()
    await anna.join(meeting)
    await gus.join(meeting, guest=True)
    await anna.sees(gus)
    await gus.sees(anna)
    await gus.hears(anna)
    await anna.press("chat-toggle")
    await gus.press("chat-toggle")
    await gus.says("Hello from outside")
    await anna.reads("Hello from outside")


async def test_a_meeting_without_guests_asks_for_an_account(stage: Stage, green: Desk) -> None:
    gus = await stage.guest("Gus", green)
    meeting = await stage.meeting(guests_allowed=False)
    await gus.page.goto(meeting.url)
    await gus.is_in("ended")
    await gus.page.until("() => document.querySelector('[data-part=ended-sign-in]').checkVisibility()")


async def test_a_call_fits_a_small_screen(stage: Stage, red: Desk, green: Desk) -> None:
    anna, ben = await stage.member("Anna", red), await stage.member("Ben", green)
    await anna.page.resize(360, 640)
    await stage.together(await stage.meeting(), anna, ben)
    await anna.sees(ben)
    assert await anna.page.evaluate("() => document.documentElement.scrollWidth") <= 360
    for control in CONTROLS:
        await anna.page.until("(mark) => probe.obstacle(mark)", mark(control), accept=lambda why: why == "")
        box = await anna.page.evaluate(
            "(mark) => document.querySelector(mark).getBoundingClientRect()", mark(control)
        )
        assert box["left"] >= 0 and box["right"] <= 360 and box["bottom"] <= 640
        assert box["height"] >= 40, f"{control} is too small for a finger"


async def test_joining_and_muting_need_no_mouse(stage: Stage, red: Desk, green: Desk) -> None:
    anna, gus = await stage.member("Anna", red), await stage.guest("Gus", green)
    meeting = await stage.meeting()
    await anna.join(meeting)
    await gus.open(meeting)
    await gus.tab_to("name-input")
    await gus.page.type("Gus")
    await gus.tab_to("join")
    await gus.page.press("Enter")
    await gus.is_connected()
    await anna.finds_speaking(gus)
    await gus.tab_to("toggle-mic")
    await gus.page.press("Space")
    await anna.finds_muted(gus)
