"""What the links in letters to an account open: its address is verified, a forgotten password is set anew."""

import re
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.person import mark
from tests.e2e.stage import Desk, Stage
from tests.support.network import Network
from tests.support.servers import Service, service
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def parley(net: Network, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """The services, where addresses are to be verified; letters are files in their folder."""
    folder = tmp_path_factory.mktemp("parley")
    async with service(net, folder, PARLEY_EMAIL_VERIFICATION="required") as running:
        yield running


async def link_of(parley: Service, subject: str, count: int = 1) -> str:
    """Wait for so many letters about the subject, and return the link in one of them."""

    async def links() -> list[str]:
        messages = [_read(path) for path in (parley.data / "mail").glob("[!.]*.eml")]
        return [_link(message) for message in messages if message["Subject"] == subject]

    return (await until(f"the letter: {subject}", links, accept=lambda found: len(found) == count))[0]


def _read(path: Path) -> EmailMessage:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _link(message: EmailMessage) -> str:
    links = re.findall(r"http://\S+/(?:verify/|new-password#)\S+", message.get_content())
    return str(links[0])


async def test_an_address_is_verified_and_a_forgotten_password_set_anew(stage: Stage, red: Desk) -> None:
    edda = await stage.guest("Edda", red)
    page, origin = edda.page, stage.parley.origin
    await page.goto(f"{origin}/sign-up")
    await page.fill(mark("name-input"), "Edda")
    await page.fill(mark("email-input"), "edda@example.org")
    await page.fill(mark("password-input"), "soon to be forgotten")
    await edda.press("sign-up")
    await edda.is_at("/meetings")
    await edda.finds_text("Your address edda@example.org is not verified yet.")

    await page.goto(f"{origin}/settings")
    await edda.press("send-again")
    await edda.finds_text("The letter is on its way.")
    await page.goto(await link_of(stage.parley, "Confirm your e-mail address", count=2))
    await edda.press("verify")
    await edda.finds_text("The address is verified.")
    await page.goto(f"{origin}/settings")
    await edda.finds_text("No keys yet")
    assert not await page.evaluate("() => document.body.innerText.includes('not verified')")

    await edda.press("sign-out")
    await edda.is_at("/")
    await page.goto(f"{origin}/sign-in")
    await edda.press("forgot-password")
    await edda.is_at("/forgot-password")
    await page.fill(mark("email-input"), "edda@example.org")
    await edda.press("send-letter")
    await edda.finds_text("the letter is on its way")
    link = await link_of(stage.parley, "Set a new password")
    await page.goto(link)
    await page.fill(mark("password-input"), "kept in mind")
    await edda.press("set-password")
    await edda.finds_text("The new password is set.")

    await page.goto(f"{origin}/sign-in")
    await page.fill(mark("email-input"), "edda@example.org")
    await page.fill(mark("password-input"), "kept in mind")
    await edda.press("sign-in")
    await edda.is_at("/meetings")
    await page.goto(link)
    await page.fill(mark("password-input"), "once more with it")
    await edda.press("set-password")
    await edda.finds_text("This link is not good any more")
