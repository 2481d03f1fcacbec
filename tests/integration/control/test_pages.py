import re
from typing import get_args

import pytest

from control.scopes import Scope
from control.webhooks.schema import Kind
from tests.integration.control.harness import Client, Control


def browser(control: Control, token: str | None) -> dict[str, str]:
    return {} if token is None else {"Cookie": f"parley_access={token}"}


@pytest.mark.parametrize(
    "path", ["/", "/sign-up", "/sign-in", "/forgot-password", "/new-password", "/m/{code}"]
)
async def test_pages_are_open_to_everybody(control: Control, path: str) -> None:
    ann = await control.person("Ann <b>Lee</b>")
    path = path.replace("{code}", (await control.meeting(ann))["code"])
    for token in (None, ann.token):
        reply = await control.client().get(path, headers=browser(control, token))
        assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert reply.headers["Cache-Control"] == "no-store"
        assert "<b>Lee" not in reply.text


async def test_inline_parts_of_a_page_carry_its_nonce(control: Control) -> None:
    reply = await control.client().get("/")
    nonce = re.search(r"script-src 'self' 'nonce-([^']+)'", reply.headers["Content-Security-Policy"])
    assert nonce
    inline = re.findall(r"<(?:script|style)(?![^>]*\bsrc=)[^>]*>", reply.text)
    assert [tag for tag in inline if f'nonce="{nonce[1]}"' not in tag] == []
    assert not re.search(r"\son\w+=", reply.text)
    assert 'style="' not in reply.text


@pytest.mark.parametrize("path", ["/meetings", "/settings"])
async def test_ones_own_pages_are_for_those_signed_in(control: Control, path: str) -> None:
    stranger = await control.client().get(f"{path}?x=1")
    assert (stranger.status, stranger.headers["Location"]) == (303, f"/sign-in?next={path}?x%3D1")
    ann = await control.person("Ann")
    assert (await control.client().get(path, headers=browser(control, ann.token))).status == 200


async def test_the_settings_offer_every_scope_and_every_kind_of_event(control: Control) -> None:
    ann = await control.person("Ann")
    page = (await control.client().get("/settings", headers=browser(control, ann.token))).text
    offered = re.findall(r'name="(?:scopes|kinds)" value="([^"]+)"', page)
    assert offered == [*Scope, *get_args(Kind)]


async def test_an_expired_or_foreign_cookie_is_taken_to_be_renewed(control: Control) -> None:
    ann = await control.person("Ann")
    control.clock.forward(4000)
    for token in (ann.token, "nonsense"):
        away = await control.client().get("/meetings", headers=browser(control, token))
        assert (away.status, away.headers["Location"]) == (303, "/api/session/resume?next=/meetings")
        back = await control.client().get(away.headers["Location"], headers=browser(control, token))
        assert (back.status, back.headers["Location"]) == (303, "/meetings")
        assert back.cookies["parley_access"]["max-age"] == "0"  # so it ends at the sign-in page


async def test_a_guests_token_does_not_sign_in(control: Control) -> None:
    await control.report()
    ann: Client = await control.person("Ann")
    gus = await control.guest((await control.meeting(ann))["code"])
    reply = await control.client().get("/meetings", headers=browser(control, gus.token))
    assert reply.status == 303


async def test_a_meeting_has_one_address(control: Control) -> None:
    code = (await control.meeting(await control.person()))["code"]
    reply = await control.client().get(f"/m/{code.upper()}")
    assert (reply.status, reply.headers["Location"]) == (303, f"/m/{code}")
    assert code in (await control.client().get(f"/m/{code}")).text


@pytest.mark.parametrize(
    "path", ["/static/../control/keys.py", "/static/%2e%2e/pyproject.toml", "/static/", "/static"]
)
async def test_static_files_are_those_of_the_web_folder_alone(control: Control, path: str) -> None:
    assert (await control.client().get(path)).status in (403, 404)
