"""What is sent to calendars, read back by the library; and the text that goes with it."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.headerregistry import Address
from uuid import UUID
from zoneinfo import ZoneInfo

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.accounts.store import Account
from control.invitations.calendar import Matter, Method, entry
from control.invitations.letters import times, write
from control.invitations.schema import Occasion
from control.invitations.tokens import MailTokens, Recipient
from control.mail.message import compose
from control.meetings.schedule import Schedule, zones
from control.meetings.store import Meeting
from control.shards.ids import new_id

AT = datetime(2031, 1, 1, 9, 30, tzinfo=UTC)
URL = "https://meet.example.org/m/abcd-efgh-jkmn"
ANSWER = "https://meet.example.org/mail/" + "x" * 300
LINES = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=80)


def matter(
    planned: Schedule | None, title: str = "Review", host: str = "Ann", email: str = "ann@example.org"
) -> Matter:
    meeting = Meeting(id=new_id(3), code="abcd-efgh-jkmn", title=title, sequence=7)
    meeting.schedule = planned
    return Matter(meeting, Account(id="a", name=host, email=email), URL)


def berlin() -> Schedule:
    return Schedule(
        datetime(2031, 5, 5, 12, tzinfo=UTC), datetime(2031, 5, 5, 13, tzinfo=UTC), "Europe/Berlin"
    )


def event_of(text: str) -> tuple[icalendar.Calendar, icalendar.Event]:
    calendar = icalendar.Calendar.from_ical(text)
    (event,) = calendar.events
    return calendar, event


def test_an_entry_says_all_that_a_calendar_needs() -> None:
    asked = matter(berlin())
    calendar, event = event_of(entry(Method.REQUEST, asked, "bo@example.org", AT) or "")
    assert (calendar["METHOD"], calendar["VERSION"], calendar["PRODID"]) == (
        "REQUEST",
        "2.0",
        "-//Parley//Parley//EN",
    )
    assert [zone["TZID"] for zone in calendar.timezones] == ["Europe/Berlin"]
    assert (event["UID"], event["SEQUENCE"]) == (str(UUID(asked.meeting.id)), 7)
    assert (event["DTSTAMP"].dt, event["STATUS"], event["SUMMARY"]) == (AT, "CONFIRMED", "Review")
    assert (event["URL"], event["LOCATION"]) == (URL, URL)
    assert (event["ORGANIZER"], event["ORGANIZER"].params["CN"]) == ("mailto:ann@example.org", "Ann")
    assert event["ATTENDEE"] == "mailto:bo@example.org"
    assert event["ATTENDEE"].params["PARTSTAT"] == "NEEDS-ACTION"
    assert event["DTSTART"].params["TZID"] == "Europe/Berlin"


def test_a_cancellation_is_of_the_same_entry() -> None:
    asked = matter(berlin())
    _, before = event_of(entry(Method.REQUEST, asked, "bo@example.org", AT) or "")
    asked.meeting.sequence += 1
    calendar, event = event_of(entry(Method.CANCEL, asked, "bo@example.org", AT) or "")
    assert (calendar["METHOD"], event["STATUS"]) == ("CANCEL", "CANCELLED")
    assert event["UID"] == before["UID"]
    assert event["SEQUENCE"] > before["SEQUENCE"]


@given(
    st.sampled_from(sorted(zones())),
    st.datetimes(datetime(2026, 1, 1), datetime(2036, 1, 1)),
    st.integers(60, 86400),
)
def test_moments_come_back_from_every_zone(zone: str, start: datetime, length_s: int) -> None:
    starts_at = start.replace(microsecond=0, tzinfo=UTC)
    if starts_at.astimezone(ZoneInfo(zone)).fold:  # the second of an hour that comes twice is never planned
        return
    planned = Schedule(starts_at, starts_at + timedelta(seconds=length_s), zone)
    text = entry(Method.REQUEST, matter(planned), "bo@example.org", AT) or ""
    calendar, event = event_of(text)
    assert event["DTSTART"].dt.astimezone(UTC) == planned.starts_at
    if not planned.local_end.fold:
        assert event["DTEND"].dt.astimezone(UTC) == planned.ends_at
    assert [z["TZID"] for z in calendar.timezones] in ([zone], [])
    assert calendar.timezones or "DTSTART:" in text  # without a zone it is a moment in UTC
    if calendar.timezones:  # our own words about the zone agree with the database
        told = calendar.timezones[0].to_tz()
        assert event["DTSTART"].dt.replace(tzinfo=told).utcoffset() == planned.local_start.utcoffset()


@given(
    LINES, LINES, st.sampled_from(["bo@example.org", 'b,o;"x"\'@example.org', "bö@exämple.org", "a%b@c.d"])
)
def test_no_text_breaks_out_of_its_property(title: str, host: str, address: str) -> None:
    text = entry(Method.REQUEST, matter(berlin(), title, host, address), address, AT) or ""
    _, event = event_of(text)
    assert event["SUMMARY"] == title
    assert set(event) == {
        "SUMMARY",
        "DTSTART",
        "DTEND",
        "DTSTAMP",
        "UID",
        "SEQUENCE",
        "ATTENDEE",
        "LOCATION",
        "ORGANIZER",
        "STATUS",
        "URL",
    }


@given(LINES, LINES, st.sampled_from(list(Occasion)))
def test_every_letter_becomes_a_message(title: str, host: str, occasion: Occasion) -> None:
    mail = write(occasion, matter(berlin(), title, host), "bo@example.org", answer_url=ANSWER, at=AT)
    message = compose(mail, sender=Address("", "parley", "meet.example.org"), job_id="1", at=AT)
    read = message_from_bytes(message.as_bytes(), policy=policy.default)
    assert read["To"] == "bo@example.org"
    assert read["Reply-To"] == "ann@example.org"
    assert set(read) == {
        "From",
        "To",
        "Reply-To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "MIME-Version",
        "Content-Type",
    } | ({"Content-Transfer-Encoding"} if occasion is Occasion.REMINDER else set())


def test_the_way_out_stands_in_one_line() -> None:
    """The library encodes what is longer than a line, and mail programs know no encoded addresses."""
    mail = write(Occasion.INVITED, matter(berlin()), "bo@example.org", answer_url=ANSWER, at=AT)
    message = compose(mail, sender=Address("", "parley", "meet.example.org"), job_id="1", at=AT)
    for text in (message.as_bytes(), message.as_bytes(policy=policy.SMTP)):
        assert f"List-Unsubscribe: <{ANSWER}>\r\n".encode() in text
        assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in text


@pytest.mark.parametrize(
    ("planned", "words"),
    [
        (berlin(), "Monday, 5 May 2031, 14:00 to 15:00 (Europe/Berlin, CEST)"),
        (
            Schedule(
                datetime(2031, 1, 1, 4, tzinfo=UTC), datetime(2031, 1, 1, 6, tzinfo=UTC), "America/New_York"
            ),
            "Tuesday, 31 December 2030, 23:00 to Wednesday, 1 January 2031, 01:00 (America/New_York, EST)",
        ),
    ],
)
def test_times_are_told_as_the_host_knows_them(planned: Schedule, words: str) -> None:
    assert times(planned) == words


def test_a_meeting_without_times_has_no_entry() -> None:
    mail = write(Occasion.INVITED, matter(None), "bo@example.org", answer_url=ANSWER, at=AT)
    assert mail.attachments == ()
    assert URL in mail.text


def test_links_in_mail_stand_for_whom_they_were_sent_to() -> None:
    tokens = MailTokens(b"s" * 32)
    recipient = Recipient("bo@example.org", "m")
    token = tokens.sign(recipient)
    assert tokens.read(token) == recipient
    assert MailTokens(b"t" * 32).read(token) is None
    for other in ("", "x", token[:-2], token + "x", "é"):
        assert tokens.read(other) is None
