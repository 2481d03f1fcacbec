"""From the job to the message of RFC 5322. The library refuses what would break out of a header."""

from datetime import datetime
from email import policy
from email.headerregistry import Address, BaseHeader, ContentTypeHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import Policy

from control.mail.schema import SendMail


class WholeHeader(UnstructuredHeader, BaseHeader):
    """A header that is never folded: the library would encode an address that is longer than a line."""

    def fold(self, *, policy: Policy) -> str:
        """Return its one line."""
        return f"{self.name}: {self}{policy.linesep}"


_headers = HeaderRegistry()
_headers.map_to_type("list-unsubscribe", WholeHeader)
POLICY = policy.SMTP.clone(max_line_length=78, header_factory=_headers)


def parsed_sender(text: str) -> Address:
    """Return the mailbox written as `a@example.org` or `Name <a@example.org>`. Raises ValueError."""
    try:
        header = POLICY.header_factory("from", text)
    except IndexError as error:  # what the library makes of some that end too early
        raise ValueError("not one mailbox") from error
    addresses: tuple[Address, ...] = getattr(header, "addresses", ())
    if len(addresses) != 1 or header.defects or not (addresses[0].username and addresses[0].domain):
        raise ValueError("not one mailbox")
    return addresses[0]


def compose(mail: SendMail, *, sender: Address, job_id: str, at: datetime) -> EmailMessage:
    """Return the message. Raises ValueError when a header cannot be made of what the job holds."""
    message = EmailMessage(policy=POLICY)
    message["From"] = sender
    message["To"] = _mailbox(mail.to)
    if mail.reply_to is not None:
        message["Reply-To"] = _mailbox(mail.reply_to)
    message["Subject"] = mail.subject
    message["Date"] = at
    message["Message-ID"] = f"<{job_id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence notice is wanted
    if mail.unsubscribe_url is not None:
        message["List-Unsubscribe"] = f"<{mail.unsubscribe_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(mail.text)
    for attachment in mail.attachments:
        content_type = POLICY.header_factory("content-type", attachment.media_type)
        assert isinstance(content_type, ContentTypeHeader)
        message.add_attachment(
            attachment.text,
            subtype=content_type.subtype,
            params=dict(content_type.params),
            filename=attachment.name,
        )
    return message


def _mailbox(address: str) -> Address:
    local_part, _, domain = address.rpartition("@")
    return Address(username=local_part, domain=domain)
