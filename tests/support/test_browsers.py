"""Both browsers run in their namespaces, see and hear through WebRTC, and can be told apart by it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from aiohttp import web

from tests.support.bidi import BidiError
from tests.support.browsers import Browser, chromium, firefox
from tests.support.network import Network, network
from tests.support.senders import GREEN, SENDERS, YELLOW, Sender, by_colour
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Sends its camera and microphone to itself.
PAGE = """<!doctype html><title>Mirror</title>
<input id="name"><button id="go" onclick="connect(document.getElementById('name').value)">Go</button>
<button id="fail" onclick="missing()">Fail</button>
<video id="far" autoplay playsinline></video>
<script>
  async function connect(name) {
    console.log("hello " + name);
    const [near, remote] = [new RTCPeerConnection(), new RTCPeerConnection()];
    near.onicecandidate = ({ candidate }) => remote.addIceCandidate(candidate);
    remote.onicecandidate = ({ candidate }) => near.addIceCandidate(candidate);
    remote.ontrack = ({ streams }) => (document.getElementById("far").srcObject = streams[0]);
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    for (const track of stream.getTracks()) near.addTrack(track, stream);
    await near.setLocalDescription();
    await remote.setRemoteDescription(near.localDescription);
    await remote.setLocalDescription();
    await near.setRemoteDescription(remote.localDescription);
  }
</script>"""


async def index(_: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


async def cookie(request: web.Request) -> web.Response:
    return web.json_response(request.cookies.get("pass"))


@asynccontextmanager
async def serving(net: Network) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes([web.get("/", index), web.get("/cookie", cookie)])
    runner = web.AppRunner(app)
    await runner.setup()
    socket = net.server.socket()
    socket.bind((net.address, 8000))
    await web.SockSite(runner, socket).start()
    yield f"http://{net.address}:8000"
    await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[(chromium, GREEN), (firefox, YELLOW)])
async def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Browser, str]]:
    launch, sender = request.param
    folder = tmp_path_factory.mktemp(sender.colour)
    with network() as net:
        namespace = net.client().namespace
        async with serving(net) as origin, launch(namespace, sender, folder, origin=origin) as browser:
            yield browser, origin


async def test_a_browser_sends_and_receives_what_identifies_it(opened: tuple[Browser, str]) -> None:
    browser, origin = opened
    page = await browser.page()
    await page.goto(origin)
    await page.resize(360, 640)
    assert await page.evaluate("() => innerWidth") == 360
    await page.fill("#name", "Ada")
    await page.click("#go")

    async def seen() -> Sender | None:
        rgb = await page.evaluate("() => probe.live(document.getElementById('far'))")
        return by_colour(rgb) if rgb else None

    async def heard() -> list[int]:
        tones: list[int] = await page.evaluate(
            "(hz) => probe.tones(document.getElementById('far').srcObject, hz)",
            [sender.tone_hz for sender in SENDERS],
        )
        return tones

    assert await until("the colour is seen", seen) == browser.sender
    assert await until("the tone is heard", heard) == [browser.sender.tone_hz]
    assert "info: hello Ada" in page.console
    assert page.faults == []
    await page.click("#fail")

    async def faults() -> list[str]:
        return page.faults

    assert "missing" in (await until("the exception is told", faults))[0]
    assert (await page.screenshot()).startswith(b"\x89PNG")
    await browser.forget(page.storage)


async def test_pages_share_storage_only_when_asked(opened: tuple[Browser, str]) -> None:
    browser, origin = opened
    first = await browser.page()
    await first.set_cookie(origin, "pass", "secret")
    for page, expected in (
        (first, "secret"),
        (await browser.page(beside=first), "secret"),
        (await browser.page(), None),
    ):
        await page.goto(origin)
        assert await page.evaluate("async () => (await fetch('/cookie')).json()") == expected
    await browser.forget(first.storage)
    with pytest.raises(BidiError):
        await first.evaluate("() => 1")
