"""What is written to people about a meeting: plain text, and the entry for their calendar."""

from datetime import datetime

from control.invitations.calendar import Matter, Method, entry
from control.invitations.schema import Occasion
from control.mail.schema import Attachment, SendMail
from control.meetings.schedule import Schedule

_SUBJECTS = {
    Occasion.INVITED: "Invitation: {title}",
    Occasion.CHANGED: "Changed: {title}",
    Occasion.CANCELLED: "Cancelled: {title}",
    Occasion.REMOVED: "Cancelled: {title}",
    Occasion.REMINDER: "Soon: {title}",
}
_OPENINGS = {
    Occasion.INVITED: "{host} invites you to a meeting.",
    Occasion.CHANGED: "{host} has changed a meeting that you are invited to. This is how it is now.",
    Occasion.CANCELLED: "{host} has cancelled this meeting. You need not do anything.",
    Occasion.REMOVED: "{host} no longer expects you at this meeting. You need not do anything.",
    Occasion.REMINDER: "A meeting begins soon.",
}
_OVER = (Occasion.CANCELLED, Occasion.REMOVED)


def write(occasion: Occasion, matter: Matter, to: str, *, answer_url: str, at: datetime) -> SendMail:
    """Return the mail about the meeting to the address `to`, which can say no at `answer_url`."""
    title, host = matter.meeting.title, matter.host.name
    paragraphs = ["Hello,", _OPENINGS[occasion].format(host=host), _what(title, matter.meeting.schedule)]
    if occasion not in _OVER:
        paragraphs.append(f"This link takes you there:\n{matter.url}")
        paragraphs.append("See you!")
    paragraphs.append(f"-- \nYou cannot come, or wish no more mail from here? Tell us:\n{answer_url}")
    return SendMail(
        to=to,
        reply_to=matter.host.email,
        subject=_SUBJECTS[occasion].format(title=title),
        text="\n\n".join(paragraphs) + "\n",
        attachments=_attachments(occasion, matter, to, at),
        unsubscribe_url=answer_url,
    )


def times(planned: Schedule) -> str:
    """Return the times as the host's clocks show them, and what these are called."""
    start, end = planned.local_start, planned.local_end
    until = f"{end:%H:%M}" if end.date() == start.date() else f"{_day(end)}, {end:%H:%M}"
    return f"{_day(start)}, {start:%H:%M} to {until} ({planned.time_zone}, {start:%Z})"


def _what(title: str, planned: Schedule | None) -> str:
    lines = [title] if planned is None else [title, times(planned)]
    return "\n".join(f"    {line}" for line in lines)


def _day(moment: datetime) -> str:
    return f"{moment:%A}, {moment.day} {moment:%B %Y}"


def _attachments(occasion: Occasion, matter: Matter, to: str, at: datetime) -> tuple[Attachment, ...]:
    if occasion is Occasion.REMINDER:
        return ()
    method = Method.CANCEL if occasion in _OVER else Method.REQUEST
    text = entry(method, matter, to, at)
    return () if text is None else (Attachment("meeting.ics", f"text/calendar; method={method}", text),)
