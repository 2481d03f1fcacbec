"""Both browsers run in their namespaces, see and hear through WebRTC, and can be told apart by it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.browsers import Browser, chromium, firefox
from tests.support.network import Network, network
from tests.support.senders import GREEN, SENDERS, YELLOW, Sender, by_colour
from tests.support.waiting import until

Launch = Callable[..., AbstractAsyncContextManager[Browser]]

# Sends its camera and microphone to itself.
PAGE = """<!doctype html><title>Mirror</title>
<input id="name"><button id="go" onclick="connect(document.getElementById('name').value)">Go</button>
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


@asynccontextmanager
async def serving(net: Network) -> AsyncIterator[str]:
    async def index(_: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", index)
    runner = web.AppRunner(app)
    await runner.setup()
    socket = net.server.socket()
    socket.bind((net.address, 8000))
    await web.SockSite(runner, socket).start()
    yield f"http://{net.address}:8000"
    await runner.cleanup()


@pytest.mark.parametrize(("launch", "sender"), [(chromium, GREEN), (firefox, YELLOW)])
async def test_a_browser_sends_and_receives_what_identifies_it(
    launch: Launch, sender: Sender, tmp_path: Path
) -> None:
    with network() as net:
        client = net.client()
        async with (
            serving(net) as origin,
            launch(client.namespace, sender, tmp_path, origin=origin) as browser,
        ):
            page = await browser.page()
            await page.goto(origin)
            await page.resize(360, 640)
            assert await page.evaluate("() => innerWidth") == 360
            await page.fill("#name", "Ada")
            await page.click("#go")

            async def seen() -> Sender | None:
                rgb = await page.evaluate("() => probe.colour(document.getElementById('far'))")
                return by_colour(rgb) if rgb else None

            async def heard() -> list[int]:
                hz = [each.tone_hz for each in SENDERS]
                tones: list[int] = await page.evaluate(
                    "(hz) => probe.tones(document.getElementById('far').srcObject, hz)", hz
                )
                return tones

            assert await until("the colour is seen", seen) == sender
            assert await until("the tone is heard", heard) == [sender.tone_hz]
            assert "info: hello Ada" in page.console
            assert (await page.screenshot()).startswith(b"\x89PNG")
