"""The page of settings: API keys and webhooks, made and ended by clicks, and what the API says of it."""

import pytest

from tests.e2e.person import Person, mark
from tests.e2e.stage import Desk, Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

ELSEWHERE = "https://93.184.215.14/hooks"
"""A public address, to which the network of these tests has no way."""


async def status(person: Person, path: str, key: str) -> int:
    """Return the status of what a program gets that shows the key, and no cookie."""
    found: int = await person.page.evaluate(
        """async (path, key) => {
            const headers = { Authorization: `Bearer ${key}` };
            return (await fetch(path, { headers, credentials: "omit" })).status;
        }""",
        path,
        key,
    )
    return found


async def fault(person: Person, field: str) -> str:
    """Wait for what is wrong with a field, which then has the focus."""
    text: str = await person.page.until(
        "(field) => document.activeElement.name === field"
        " && document.getElementById(`${field}-fault`).textContent",
        field,
    )
    return text


async def secret(person: Person, kind: str) -> str:
    """Wait for the secret that is shown once, with the focus on what explains it, and return it."""
    shown: str = await person.page.until(
        "(field) => document.activeElement.dataset.part === 'secret' && document.querySelector(field).value",
        mark(kind),
    )
    return shown


async def values(person: Person) -> list[str]:
    """Return what all fields of the page hold."""
    held: list[str] = await person.page.evaluate(
        "() => [...document.querySelectorAll('input:not([type=checkbox])')].map((input) => input.value)"
    )
    return held


async def test_a_key_is_made_used_and_revoked(stage: Stage, red: Desk) -> None:
    anna = await stage.member("Anna", red)
    page = anna.page
    await page.goto(f"{stage.parley.origin}/")
    await anna.press("settings")
    await anna.is_at("/settings")
    await anna.finds_text("No keys yet")

    await anna.press("new-key")
    await anna.press("make-key")
    assert await fault(anna, "name") != ""
    await page.fill(mark("key-name"), "Calendar")
    await anna.press("make-key")
    assert await fault(anna, "scopes") == "Choose at least 1."
    await anna.press("meetings:read")
    await anna.press("make-key")
    key = await secret(anna, "key-secret")
    await anna.press("key-secret-copy")
    await anna.finds_text("The secret is copied.")
    assert await status(anna, "/api/meetings", key) == 200
    assert await status(anna, "/api/webhooks", key) == 403

    await anna.press("key-secret-kept")
    assert key not in await values(anna)
    await page.reload()
    await anna.finds_text("Calendar")
    await anna.finds_text("last used")
    assert key not in await page.evaluate("() => document.documentElement.outerHTML")

    await anna.press("revoke-key")
    await page.press("Escape")
    assert await status(anna, "/api/meetings", key) == 200
    await anna.press("revoke-key")
    await anna.press("confirm-revoke")
    await anna.finds_text("No keys yet")
    await page.until("() => document.activeElement.id === 'keys-title'")
    assert await status(anna, "/api/meetings", key) == 401


async def test_a_webhook_is_added_told_and_deleted(stage: Stage, red: Desk) -> None:
    anna = await stage.member("Anna", red)
    page = anna.page
    await page.resize(360, 640)
    await page.goto(f"{stage.parley.origin}/settings")
    await anna.finds_text("No webhooks yet")

    await anna.press("new-webhook")
    await page.fill(mark("webhook-url"), "https://10.0.0.1/")
    await anna.press("meeting.created")
    await anna.press("add-webhook")
    assert await fault(anna, "url") == "Must not lead into a private network."
    await page.fill(mark("webhook-url"), ELSEWHERE)
    await anna.press("add-webhook")
    assert (await secret(anna, "webhook-secret")).startswith("whsec_")
    await anna.press("webhook-secret-kept")
    await anna.press("deliveries")
    await anna.finds_text("It was told nothing yet.")

    await stage.parley.meeting(await stage.parley.account("Anna"))
    await page.until(
        "(refresh) => { document.querySelector(refresh).click();"
        " return /Failed after .*: there was no answer/.test(document.body.innerText); }",
        mark("refresh-deliveries"),
    )
    await anna.press("replay")
    await anna.finds_text("The delivery is sent again.")
    assert await page.evaluate("() => document.documentElement.scrollWidth") <= 360

    await page.reload()
    await anna.finds_text("Failing")
    await anna.press("delete-webhook")
    await anna.press("confirm-delete")
    await anna.finds_text("No webhooks yet")
    account = await stage.parley.account("Anna")
    assert (await stage.parley.call("GET", "/api/webhooks", token=account.token))["items"] == []


async def test_the_connection_is_tried(stage: Stage, red: Desk) -> None:
    anna = await stage.member("Tess", red)
    await anna.page.goto(f"{stage.parley.origin}/settings")
    await anna.press("test-connection")
    await anna.finds_text("Calls work from here. Sound and picture go by UDP")
    await anna.page.goto(f"{stage.parley.origin}/meetings")
    await anna.finds_text("Connection test")
    await anna.finds_text("Ended")
