"""The node as a process: its HTTP port, its tasks, its orderly end."""

import asyncio
import gc
import logging
import resource
import signal
import time

import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from sfu.contract.codes import Code
from sfu.contract.operations import command_decoder, verify_token
from sfu.node.metrics import Metrics
from sfu.node.node import Node
from sfu.node.quality import describe
from sfu.node.settings import Settings
from sfu.node.stopping import stop_asked
from sfu.node.websocket import SignalEndpoint

_log = logging.getLogger(__name__)

MAX_COMMAND_BYTES = 64 * 1024
DRAIN_POLL_S = 0.1


def load_keys(settings: Settings) -> tuple[Ed25519PublicKey, bytes]:
    """Return control's public key and the cluster secret. Raises OSError, ValueError or TypeError."""
    key = load_pem_public_key((settings.data / "ticket-verifying.pem").read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError("ticket-verifying.pem does not hold an Ed25519 key")
    return key, bytes.fromhex((settings.data / "cluster.secret").read_text().strip())


def application(node: Node, endpoint: SignalEndpoint, cluster_secret: bytes) -> web.Application:
    """Return the node's HTTP interface: signalling, health, metrics, commands."""
    metrics = Metrics(node)

    async def health(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "node": node.settings.node_id})

    async def ready(_request: web.Request) -> web.Response:
        state = {"draining": node.draining, "introduced": node.journal.introduced, "peers": node.peers}
        return web.json_response(state, status=200 if node.is_ready else 503)

    async def scrape(_request: web.Request) -> web.Response:
        return web.Response(body=metrics.page(), headers={"Content-Type": "text/plain; version=0.0.4"})

    def authorise(request: web.Request) -> None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not verify_token(token, cluster_secret, audience=node.settings.node_id, now=time.time()):
            raise web.HTTPUnauthorized(text="A token of the cluster for this node is required.")

    async def quality(request: web.Request) -> web.Response:
        authorise(request)
        room = node.rooms.get(request.match_info["room"])
        if room is None:
            raise web.HTTPNotFound(text="No such room is live on this node.")
        return web.json_response(describe(room))

    async def command(request: web.Request) -> web.Response:
        authorise(request)
        try:
            node.obey(command_decoder.decode(await request.read()))
        except msgspec.DecodeError as error:
            node.totals.refusals[Code.BAD_MESSAGE] += 1
            raise web.HTTPBadRequest(text=f"Not a command: {error}") from error
        return web.json_response({})

    app = web.Application(client_max_size=MAX_COMMAND_BYTES)
    app.router.add_get("/signal", endpoint.serve)
    app.router.add_get("/healthz", health)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", scrape)
    app.router.add_get("/internal/rooms/{room}/quality", quality)
    app.router.add_post("/internal/commands", command)
    return app


async def serve(settings: Settings) -> None:
    """Run a node until SIGINT or SIGTERM. Raises OSError when a port is taken or a key is missing."""
    ticket_key, cluster_secret = load_keys(settings)
    _allow_open_files()
    node = Node(settings, ticket_key, cluster_secret)
    endpoint = SignalEndpoint(node, cluster_secret)
    runner = web.AppRunner(
        application(node, endpoint, cluster_secret), access_log=None, shutdown_timeout=settings.drain_s
    )
    await runner.setup()
    try:
        await node.network.open()
        await _listen(runner, settings)
        _log.info(
            "node %s: signalling on port %d, media on UDP port %d and TCP port %s, reached at %s",
            settings.node_id,
            settings.port,
            node.network.port,
            node.network.tcp_port or "none",
            ", ".join(dict.fromkeys(each.address for each in node.network.candidates(loopback=False))),
        )
        _settle_garbage()
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(node.run()), tasks.create_task(node.journal.run())]
            if await stop_asked() is signal.SIGTERM:
                await _drain(node)
            _log.info("node %s stops", settings.node_id)
            node.close()
            endpoint.close()
            for task in running:
                task.cancel()
    finally:
        await runner.cleanup()
        node.network.close()


async def _drain(node: Node) -> None:
    """Wait until all rooms have moved to other nodes: as long as one takes them, and nobody is in a hurry."""
    node.drain(node.settings.drain_deadline_s)
    again = asyncio.create_task(stop_asked())
    while node.is_attended and not again.done():
        if not node.settings.control_url or node.journal.failures or node.journal.moving is False:
            break
        await asyncio.sleep(DRAIN_POLL_S)
    again.cancel()


async def _listen(runner: web.AppRunner, settings: Settings) -> None:
    """Listen on the node's port; if others of this host share that, also on one that is its own."""
    host = settings.host or None
    is_shared = settings.internal_port != 0
    await web.TCPSite(runner, host, settings.port, reuse_port=is_shared).start()
    if is_shared:
        await web.TCPSite(runner, host, settings.internal_port).start()


def _allow_open_files() -> None:
    """Have as many files open at once as the process may: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:  # a sandbox may forbid it
            _log.warning("only %d files may be open at once, not %d: %s", soft, hard, error)
            return
    _log.info("%d files may be open at once", hard)


def _settle_garbage() -> None:
    """Keep what lives as long as the process out of the collector's sight, and let it run less often.

    A full collection walks every packet in every history; nothing on the media path makes cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
