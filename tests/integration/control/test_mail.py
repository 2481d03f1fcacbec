"""Mail, from the job to a real mail server or to a file."""

import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from control.database import database_url
from control.mail.schema import Attachment, SendMail
from control.settings import JobSettings, Limits, Settings
from control.work import Work, mailing
from tests.integration.control.harness import Hands, rows
from tests.integration.control.jobbing import Works, going, works
from tests.support.certificate import certify
from tests.support.ports import free_ports
from tests.support.smtp import PASSWORD, USER, mail_server
from tests.support.waiting import until

HELLO = SendMail(to="bo@example.org", subject="Grüße, Bo", text="Are you coming?\n.\nAnn\n")
INVITATION = Attachment("invite.ics", "text/calendar; method=REQUEST", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")


@pytest.fixture
def database(tmp_path: Path) -> sqlalchemy.URL:
    return database_url(f"sqlite:///{tmp_path / 'test.sqlite'}")


@pytest.fixture
async def at(database: sqlalchemy.URL) -> AsyncIterator[Works]:
    async with works(database, Hands()) as made:
        yield made


@asynccontextmanager
async def sending(at: Works, data: Path, **options: Any) -> AsyncIterator[None]:
    """Have mail sent inside the block."""
    settings = Settings(data=data, jobs=JobSettings(jobs_poll_s=0.1), **options)
    who = {SendMail: mailing(settings, at.clock).send}
    work = Work(settings, [at.database], at.jobs, who, at.clock, at.metrics)
    async with going(work.in_control()):
        yield


def by_smtp(port: int, scheme: str = "smtp", user: str = "", **options: Any) -> dict[str, Any]:
    sender = {"mail_from": "Parley <parley@meet.example.org>", "smtp_timeout_s": 5.0}
    return {"smtp_url": f"{scheme}://{user}127.0.0.1:{port}"} | sender | options


def job_id(at: Works) -> str:
    ((found,),) = rows(at.url, "SELECT id FROM jobs")
    assert isinstance(found, str)
    return found


def error(at: Works) -> str:
    ((found,),) = rows(at.url, "SELECT error FROM jobs")
    assert isinstance(found, str)
    return found


async def failed(at: Works) -> None:
    """Wait until the one job could not be done."""

    async def reasons() -> list[tuple[str]]:
        return rows(at.url, "SELECT error FROM jobs WHERE error IS NOT NULL")

    await until("an attempt has failed", reasons)


def text_of(message: EmailMessage) -> str:
    """What the message says, with the ends of lines as we have them."""
    said: str = message.get_content()
    return said.replace("\r\n", "\n")


async def test_a_message_arrives_as_it_was_meant(at: Works, tmp_path: Path) -> None:
    async with mail_server() as server, sending(at, tmp_path, **by_smtp(server.port)):
        await at.add(SendMail(to=HELLO.to, subject=HELLO.subject, text=HELLO.text, attachments=(INVITATION,)))
        await at.until_states(done=1)
    (mail,) = server.received
    assert (mail.sender, mail.recipients) == ("parley@meet.example.org", ["bo@example.org"])
    message = mail.message
    assert (message["From"], message["To"]) == ("Parley <parley@meet.example.org>", "bo@example.org")
    assert (message["Subject"], message["Auto-Submitted"]) == ("Grüße, Bo", "auto-generated")
    assert message["Message-ID"] == f"<{job_id(at)}@meet.example.org>"
    assert message["Date"].datetime == at.clock.now
    body, attached = message.iter_parts()
    assert isinstance(body, EmailMessage) and isinstance(attached, EmailMessage)
    assert text_of(body) == HELLO.text
    assert text_of(attached) == INVITATION.text.replace("\r\n", "\n")
    assert (attached.get_content_type(), attached.get_filename()) == ("text/calendar", "invite.ics")
    assert attached["Content-Type"].params["method"] == "REQUEST"


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_it_is_encrypted_when_it_can_be_and_signed_in_for(
    at: Works, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    certified = certify(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certified.certificate))
    kind = {"starttls" if scheme == "smtp" else "tls": certified.for_server()}
    async with mail_server(**kind, asks_who=True) as server:
        async with sending(at, tmp_path, **by_smtp(server.port, scheme, f"{USER}:{PASSWORD}@")):
            await at.add(HELLO)
            await at.until_states(done=1)
    (mail,) = server.received
    assert mail.is_encrypted
    assert text_of(mail.message) == HELLO.text


async def test_a_server_that_nobody_vouches_for_gets_nothing(at: Works, tmp_path: Path) -> None:
    starttls = certify(tmp_path, "127.0.0.1").for_server()
    async with mail_server(starttls=starttls) as server, sending(at, tmp_path, **by_smtp(server.port)):
        await at.add(HELLO)
        await failed(at)
    assert server.received == []
    assert "CERTIFICATE_VERIFY_FAILED" in error(at)


async def test_without_the_encryption_that_is_required_nothing_is_sent(at: Works, tmp_path: Path) -> None:
    async with mail_server() as server:
        async with sending(at, tmp_path, **by_smtp(server.port, smtp_starttls="required")):
            await at.add(HELLO)
            await failed(at)
    assert server.received == []
    assert "STARTTLS" in error(at)


@pytest.mark.parametrize("step", ["to_recipient", "to_message"])
@pytest.mark.parametrize(("said", "state"), [("550 nobody here", "dead"), ("451 come back later", "waiting")])
async def test_what_the_server_will_never_take_is_dead_and_the_rest_tried_again(
    at: Works, tmp_path: Path, step: str, said: str, state: str
) -> None:
    async with mail_server() as server, sending(at, tmp_path, **by_smtp(server.port)):
        setattr(server, step, said)
        await at.add(HELLO)
        await failed(at)
        assert at.states() == {state: 1}
        assert error(at) == f"the mail server said {said}"
        if state == "waiting":
            setattr(server, step, "250 OK")
            at.clock.forward(60)
            await at.until_states(done=1)
            assert server.received[0].message["Message-ID"].startswith(f"<{job_id(at)}@")


async def test_not_to_be_let_in_is_not_the_message_s_fault(at: Works, tmp_path: Path) -> None:
    async with mail_server(asks_who=True) as server:
        async with sending(at, tmp_path, **by_smtp(server.port, user=f"{USER}:wrong@")):
            await at.add(HELLO)
            await failed(at)
    assert "535" in error(at)
    assert "wrong" not in error(at)


async def test_a_server_that_is_away_is_tried_again(at: Works, tmp_path: Path) -> None:
    async with sending(at, tmp_path, **by_smtp(free_ports(1)[0])):
        await at.add(HELLO)
        await failed(at)


async def test_an_address_that_the_server_cannot_take_is_dead(at: Works, tmp_path: Path) -> None:
    async with mail_server() as server, sending(at, tmp_path, **by_smtp(server.port)):
        await at.add(SendMail(to="bö@example.org", subject="", text=""))
        await at.until_states(dead=1)
    assert "SMTPUTF8" in error(at)


@pytest.mark.parametrize(
    "to", ["bo,cy@example.org", "<bo>@example.org", '"bo@example.org', "bo;@example.org"]
)
async def test_an_odd_address_is_one_address_still(at: Works, tmp_path: Path, to: str) -> None:
    async with mail_server() as server, sending(at, tmp_path, **by_smtp(server.port)):
        await at.add(SendMail(to=to, subject="", text=""))
        await at.until_states(done=1)
    (mail,) = server.received
    assert len(mail.recipients) == 1
    (address,) = mail.message["To"].addresses
    assert f"{address.username}@{address.domain}" == to


async def test_without_a_server_messages_are_files(at: Works, tmp_path: Path) -> None:
    async with sending(at, tmp_path):
        await at.add(HELLO)
        await at.until_states(done=1)
    (file,) = (tmp_path / "mail").iterdir()
    assert file.name == f"{job_id(at)}.eml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert (message["To"], message["From"]) == ("bo@example.org", "parley@localhost")
    assert text_of(message) == HELLO.text


async def test_a_folder_that_nobody_empties_is_full_at_last(at: Works, tmp_path: Path) -> None:
    async with sending(at, tmp_path, limits=Limits(mail_files=2)):
        for _ in range(3):
            await at.add(HELLO)
        await at.until_states(done=2, waiting=1)
        next((tmp_path / "mail").iterdir()).unlink()
        at.clock.forward(60)
        await at.until_states(done=3)
    assert len(list((tmp_path / "mail").iterdir())) == 2
