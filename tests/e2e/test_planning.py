"""A meeting that is planned: from the form to the mails, and to its end."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import icalendar
import pytest

from tests.e2e.person import mark
from tests.e2e.stage import Desk, Stage
from tests.support.browsers import Page
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

SET = """(selector, value) => {
    const field = document.querySelector(selector);
    field.value = value;
    field.dispatchEvent(new Event("change", { bubbles: true }));
}"""


async def choose(page: Page, field: str, value: str) -> None:
    """Set a field that browsers show in their own ways: a date, a time, a choice."""
    await page.evaluate(SET, mark(field), value)


def mails(folder: Path) -> list[EmailMessage]:
    files = folder.glob("*.eml") if folder.exists() else ()
    return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in files]


async def mail(folder: Path, subject: str) -> EmailMessage:
    """Return the one mail with this subject, once it is there."""

    async def found() -> list[EmailMessage]:
        return [message for message in mails(folder) if message["Subject"] == subject]

    (message,) = await until(f"there is a mail {subject!r}", found)
    return message


def event_in(message: EmailMessage) -> icalendar.Event:
    (attached,) = message.iter_attachments()
    (event,) = icalendar.Calendar.from_ical(attached.get_content()).events
    return event


async def test_plan_invite_change_and_cancel_a_meeting(stage: Stage, red: Desk) -> None:
    anna = await stage.member("Anna", red)
    page, folder = anna.page, stage.parley.data / "mail"
    await page.goto(f"{stage.parley.origin}/meetings")
    await anna.finds_text("No meetings yet")
    day = datetime.now(UTC).date() + timedelta(days=7)
    await anna.press("plan-meeting")
    zone = await page.evaluate("() => Intl.DateTimeFormat().resolvedOptions().timeZone")
    await page.until("(mark) => document.querySelector(mark).value", mark("plan-zone"), accept=zone.__eq__)
    await anna.press("save-plan")
    await page.until("() => document.querySelector('#plan-name-fault').textContent !== ''")
    await page.fill(mark("plan-title"), "Board")
    await choose(page, "plan-date", day.isoformat())
    await choose(page, "plan-time", "14:00")
    await choose(page, "plan-zone", "Europe/Berlin")
    await page.fill(mark("plan-people"), "bo@example.org, nobody")
    await anna.press("save-plan")
    await page.until("() => document.querySelector('#plan-people-fault').textContent !== ''")
    await page.fill(mark("plan-people"), "bo@example.org")
    await anna.press("save-plan")
    await page.until("() => document.querySelectorAll('[data-list=coming] .meeting').length === 1")

    invitation = event_in(await mail(folder, "Invitation: Board"))
    assert (invitation["DTSTART"].dt.date(), invitation["DTSTART"].dt.hour) == (day, 14)
    assert invitation["DTSTART"].params["TZID"] == "Europe/Berlin"

    await anna.press("edit-meeting")
    await anna.finds_text("bo@example.org")
    assert await page.evaluate("(mark) => document.querySelector(mark).value", mark("plan-time")) == "14:00"
    await choose(page, "plan-time", "16:30")
    await anna.press("save-plan")
    change = event_in(await mail(folder, "Changed: Board"))
    assert (change["DTSTART"].dt.hour, change["DTSTART"].dt.minute) == (16, 30)
    assert (change["UID"], change["SEQUENCE"]) == (invitation["UID"], invitation["SEQUENCE"] + 1)

    await page.until("() => !document.querySelector('dialog[open]')")
    await anna.press("cancel-meeting")
    await anna.press("confirm-cancel")
    assert event_in(await mail(folder, "Cancelled: Board"))["STATUS"] == "CANCELLED"
    await page.until("() => document.querySelector('[data-list=past]').innerText.includes('Cancelled')")
    await anna.finds_text("No meetings yet")
    await page.click("[data-list=past] [data-slot=open]")
    await anna.finds_text("The meeting was cancelled")


async def test_a_past_meeting_tells_who_attended(stage: Stage, red: Desk) -> None:
    anna = await stage.member("Vera", red)
    meeting = await stage.parley.meeting(await stage.parley.account("Vera"), "Retro")
    await anna.join(meeting)
    await anna.press("leave")
    await anna.is_in("ended")
    await stage.parley.end(meeting)
    await anna.page.goto(f"{stage.parley.origin}/meetings")
    await anna.finds_text("1 person attended")
    await anna.page.click(f"{mark('attended')} summary")
    await anna.finds_text("Vera: less than a minute")
    await anna.press("save-chat")
    await anna.finds_text("Nobody wrote in this chat")


async def test_planning_needs_no_mouse(stage: Stage, red: Desk) -> None:
    anna = await stage.member("Kira", red)
    page = anna.page
    await page.goto(f"{stage.parley.origin}/meetings")
    await anna.tab_to("plan-meeting")
    await page.press("Enter")
    await page.until("() => document.querySelector('dialog[data-part=plan]').open")
    await anna.tab_to("plan-title")
    await page.type("Keys")
    await anna.tab_to("save-plan")
    await page.press("Enter")
    await page.until(
        "() => document.activeElement?.closest('[data-list=coming] .meeting')?.innerText.includes('Keys')"
    )
