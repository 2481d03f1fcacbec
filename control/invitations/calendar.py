"""A meeting as calendars take it: iCalendar (RFC 5545), sent as iTIP messages (RFC 5546)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import quote
from uuid import UUID

from icalendar import Calendar, Event, vCalAddress
from icalendar.enums import PARTSTAT, ROLE, STATUS

from control.accounts.store import Account
from control.meetings.store import Meeting

PRODUCT = "-//Parley//Parley//EN"
ZONE_AROUND = timedelta(days=366)
"""For how long before and after the meeting its zone's changes of offset are told."""


class Method(StrEnum):
    """What a calendar is to do with an entry (RFC 5546, 1.4)."""

    REQUEST = "REQUEST"
    CANCEL = "CANCEL"


@dataclass(frozen=True)
class Matter:
    """What mail is about: the meeting, whose it is, and the page that opens it."""

    meeting: Meeting
    host: Account
    url: str


def entry(method: Method, matter: Matter, attendee: str, at: datetime) -> str | None:
    """Return the entry for the one at the address `attendee`, or None when the meeting has no times.

    Who else is invited is not told.
    """
    meeting, host = matter.meeting, matter.host
    planned = meeting.schedule
    if planned is None:
        return None
    is_request = method is Method.REQUEST
    event = Event.new(
        uid=UUID(meeting.id),
        stamp=at,
        sequence=meeting.sequence,
        start=planned.local_start,
        end=planned.local_end,
        summary=meeting.title,
        location=matter.url,
        url=matter.url,
        status=STATUS.CONFIRMED if is_request else STATUS.CANCELLED,
        organizer=vCalAddress.new(_mail_address(host.email), cn=host.name),
        attendees=[
            vCalAddress.new(
                _mail_address(attendee),
                role=ROLE.REQ_PARTICIPANT,
                partstat=PARTSTAT.NEEDS_ACTION,
                rsvp=is_request,
            )
        ],
    )
    calendar = Calendar.new(method=method, prodid=PRODUCT)
    calendar.add_component(event)
    calendar.add_missing_timezones(
        (planned.local_start - ZONE_AROUND).date(), (planned.local_end + ZONE_AROUND).date()
    )
    text: bytes = calendar.to_ical()
    return text.decode()


def _mail_address(address: str) -> str:
    """Return the address as it stands in a mailto: URI (RFC 6068)."""
    return quote(address, safe="@+!$*'")
