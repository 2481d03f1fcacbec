"""The job of sending a mail."""

from typing import Annotated

from msgspec import Meta, Struct

from control.jobs.schema import Job

Address = Annotated[str, Meta(max_length=254, pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+\Z")]
Line = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f\x85\u2028\u2029]*\Z")]


Link = Annotated[str, Meta(max_length=900, pattern=r"^https?://[!-;=?-~]+\Z")]


class Attachment(Struct, frozen=True):
    """A file of text; `media_type` such as `text/calendar; method=REQUEST`, without its charset."""

    name: Annotated[str, Meta(max_length=80, pattern=r"^[A-Za-z0-9._-]+\Z")]
    media_type: Annotated[
        str, Meta(max_length=120, pattern=r"^text/[a-z0-9.+-]+(; ?[a-z-]+=[A-Za-z0-9._-]+)*\Z")
    ]
    text: Annotated[str, Meta(max_length=100_000)]


class SendMail(Job, frozen=True, kw_only=True, tag="mail.send.v1"):
    """A message of plain text to one person.

    A POST to `unsubscribe_url` ends such mail (RFC 8058); people who open it can do the same.
    """

    to: Address
    subject: Line
    text: Annotated[str, Meta(max_length=100_000)]
    attachments: Annotated[tuple[Attachment, ...], Meta(max_length=5)] = ()
    reply_to: Address | None = None
    unsubscribe_url: Link | None = None
