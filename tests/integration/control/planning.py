"""Meetings with times, and the mails about them: as files, read as the invited read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import sqlalchemy

from control.settings import JobSettings
from tests.integration.control.harness import Client, Control, Hands, rows
from tests.support.waiting import until

QUICK = JobSettings(jobs_poll_s=0.1)
BERLIN = ZoneInfo("Europe/Berlin")


def at(control: Control, minutes: float, length: float = 60) -> dict[str, str]:
    """Times that begin so many minutes from now, as a form gives them."""
    start = control.clock().astimezone(BERLIN).replace(tzinfo=None) + timedelta(minutes=minutes)
    return {
        "starts_at": start.isoformat(),
        "ends_at": (start + timedelta(minutes=length)).isoformat(),
        "time_zone": "Europe/Berlin",
    }


async def invite(host: Client, meeting: dict[str, Any], *addresses: str) -> list[dict[str, Any]]:
    reply = await host.post(f"/api/meetings/{meeting['code']}/invitations", {"addresses": addresses})
    assert reply.status == 201, reply.text
    invited: list[dict[str, Any]] = reply.json["items"]
    return invited


@dataclass(frozen=True)
class Letter:
    """A mail as it was read."""

    message: EmailMessage

    @property
    def to(self) -> str:
        return str(self.message["To"])

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        body = self.message.get_body(("plain",))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")

    @property
    def answer_path(self) -> str:
        """Where the mail's list-unsubscribe header leads."""
        return "/" + str(self.message["List-Unsubscribe"]).strip("<>").split("/", 3)[3]

    @property
    def calendar(self) -> icalendar.Calendar:
        (attached,) = self.message.iter_attachments()
        assert attached.get_filename() == "meeting.ics"
        text = attached.get_content()
        calendar = icalendar.Calendar.from_ical(text)
        assert attached["Content-Type"].params["method"] == calendar["METHOD"]
        return calendar

    @property
    def event(self) -> icalendar.Event:
        (event,) = self.calendar.events
        return event

    @property
    def start(self) -> datetime:
        moment: datetime = self.event["DTSTART"].dt
        return moment


class Letterbox:
    """The folder of outgoing mail; each letter is taken out once."""

    def __init__(self, data: Path, urls: Sequence[sqlalchemy.URL], clock: Hands) -> None:
        self._folder = data / "mail"
        self._urls = urls
        self._clock = clock

    async def take(self, *recipients: str) -> list[Letter]:
        """Return the letters to these, by recipient, once they all are there and no job is due."""

        async def there() -> list[str]:
            return sorted(letter.to for _, letter in self._letters())

        await until("the letters are there", there, accept=lambda found: found == sorted(recipients))
        await idle(self._urls, self._clock)
        return self.empty()

    async def stays_empty(self) -> None:
        """Fail if a letter comes, once all jobs that are due have been done."""
        await idle(self._urls, self._clock)
        assert [(letter.to, letter.subject) for letter in self.empty()] == []

    def empty(self) -> list[Letter]:
        found = self._letters()
        for path, _ in found:
            path.unlink()
        return [letter for _, letter in sorted(found, key=lambda each: each[1].to)]

    def _letters(self) -> list[tuple[Path, Letter]]:
        if not self._folder.exists():
            return []
        files = [path for path in self._folder.iterdir() if path.suffix == ".eml"]
        return [
            (path, Letter(message_from_bytes(path.read_bytes(), policy=policy.default))) for path in files
        ]


async def idle(urls: Sequence[sqlalchemy.URL], clock: Hands) -> None:
    """Wait until no job is due or being done."""

    async def left() -> list[str]:
        return [kind for url in urls for kind in _to_be_done(url, clock())]

    await until("all jobs that are due are done", left, accept=lambda kinds: kinds == [])


def _to_be_done(url: sqlalchemy.URL, now: datetime) -> list[str]:
    """Which kinds of jobs are due or being done; SQLite keeps moments as text, without their zone."""
    found = rows(url, "SELECT kind, state, due_at FROM jobs WHERE due_at IS NOT NULL")
    moments = [(kind, state, datetime.fromisoformat(str(due_at))) for kind, state, due_at in found]
    return [
        kind
        for kind, state, due_at in moments
        if state == "running" or (due_at if due_at.tzinfo else due_at.replace(tzinfo=UTC)) <= now
    ]
