"""The machine that a node runs on: what its kernel gives, its media port, the addresses it tells clients.

What a process may do is asked of this one: run it as the node's user, within the node's limits.
"""

import asyncio
import errno
import resource
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

import aiohttp

from doctor.finding import Check, Verdict, failed, ok, skipped, warning
from sfu.transport.batch import SOL_UDP, UDP_SEGMENT
from sfu.transport.candidates import Ip, candidates, interface_addresses
from sfu.transport.counters import Counters
from sfu.transport.settings import NetworkSettings
from sfu.transport.udp import UdpSockets

FILES_ASIDE = 200
"""Open files of a process that are no connections."""


@dataclass(frozen=True)
class NodePlace:
    """Where a node is: its network, its HTTP port, and how many connections it takes."""

    network: NetworkSettings
    port: int
    max_connections: int


def checks(node: NodePlace, page_host: str) -> list[Check]:
    """Return the checks of the machine; people open the page at `page_host`."""
    return [
        Check("buffers", lambda: buffers(node.network)),
        Check("open files", lambda: open_files(node.max_connections + FILES_ASIDE)),
        Check("segmentation", segmentation),
        Check("media port", lambda: media_port(node)),
        Check("advertised", lambda: advertised(node.network, page_host)),
    ]


async def buffers(network: NetworkSettings) -> Verdict:
    """Look how large the kernel makes the buffers of a media socket."""
    local = replace(network, port=0, bind_v4="127.0.0.1", bind_v6="")
    udp = UdpSockets(local, Counters())
    try:
        given = [udp.sockets[0].getsockopt(socket.SOL_SOCKET, each) // 2 for each in _BUFFERS]
    finally:
        udp.close()
    return judged_buffers(given, [network.receive_buffer_bytes, network.send_buffer_bytes])


_BUFFERS = (socket.SO_RCVBUF, socket.SO_SNDBUF)  # the kernel tells twice what it was asked for


def judged_buffers(given: Sequence[int], asked: Sequence[int]) -> Verdict:
    """Return what to think of buffers to receive and to send, in bytes."""
    seen = f"{given[0] >> 10} KiB to receive and {given[1] >> 10} KiB to send"
    if all(got >= wanted for got, wanted in zip(given, asked, strict=True)):
        return ok(f"UDP sockets get {seen}")
    return warning(
        f"UDP sockets get {seen}, not {asked[0] >> 10} and {asked[1] >> 10}: bursts of packets will be lost",
        f"sysctl -w net.core.rmem_max={asked[0]} net.core.wmem_max={asked[1]} (and into /etc/sysctl.d), or "
        "give the node CAP_NET_ADMIN.",
    )


async def open_files(needed: int) -> Verdict:
    """Look how many files a node, which takes all that it may, can have open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= needed:
        return ok(f"a process may open {'any number' if hard == resource.RLIM_INFINITY else hard}")
    return warning(
        f"a process may open {hard}, and a full node {needed}",
        f"Start it with LimitNOFILE={needed} (systemd), ulimits (containers) or `ulimit -n {needed}`.",
    )


async def segmentation() -> Verdict:
    """Look whether the kernel cuts runs of packets up (UDP GSO)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            udp.setsockopt(SOL_UDP, UDP_SEGMENT, 1200)
        except OSError as error:
            return warning(f"the kernel sends packet by packet ({error})", "Run Linux 4.18 or newer.")
    return ok("the kernel sends runs of packets at once (UDP GSO)")


async def media_port(node: NodePlace) -> Verdict:
    """Look who has the node's UDP port."""
    port = node.network.port
    is_there = await _is_node_at(node.port)
    try:
        UdpSockets(node.network, Counters()).close()
    except ValueError as error:
        return failed(str(error), "Set PARLEY_SFU_BIND_V4 or PARLEY_SFU_BIND_V6.")
    except OSError as error:
        return _of_bind_error(error, port, node.port, is_there=is_there)
    if is_there:
        return failed(
            f"a node answers on TCP port {node.port}, but nobody has UDP port {port}",
            "Give the doctor the node's settings (PARLEY_SFU_MEDIA_PORT).",
        )
    return warning(f"UDP port {port} is free: no node runs here", "Start the node, or ask where it runs.")


def _of_bind_error(error: OSError, port: int, http_port: int, *, is_there: bool) -> Verdict:
    if error.errno == errno.EADDRNOTAVAIL:
        return failed(
            "the address to listen on is none of this machine's",
            "Correct PARLEY_SFU_BIND_V4 and PARLEY_SFU_BIND_V6; what clients use is PARLEY_SFU_ADVERTISE.",
        )
    if error.errno == errno.EACCES:
        return failed(f"UDP port {port} needs more rights", "Choose a port from 1024 on, or allow it.")
    if error.errno == errno.EADDRINUSE and is_there:
        return ok(f"UDP port {port} is taken, and a node answers on TCP port {http_port}")
    return failed(
        f"UDP port {port} is taken, and no node answers on TCP port {http_port}: {error.strerror}",
        f"See who has it (ss -ulpn 'sport = :{port}'), and end that or set PARLEY_SFU_MEDIA_PORT.",
    )


async def _is_node_at(port: int) -> bool:
    try:
        async with aiohttp.request("GET", f"http://127.0.0.1:{port}/healthz") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, OSError):
        return False


async def advertised(network: NetworkSettings, page_host: str) -> Verdict:
    """Look whether the addresses that clients are told can be reached by those who reach the page."""
    families = [4] * bool(network.bind_v4) + [6] * bool(network.bind_v6)
    try:
        told = candidates(network.addresses, network.port, 0, loopback=False, families=families)
    except ValueError as error:
        return failed(f"PARLEY_SFU_ADVERTISE: {error}", "Give IP addresses, with commas between them.")
    try:
        page = await _addresses_of(page_host)
    except OSError:
        return skipped(f"there is no host {page_host}, so it is not known where people come from")
    return judged_addresses([ip_address(each.address) for each in told], page, interface_addresses())


def judged_addresses(told: Sequence[Ip], page: Sequence[Ip], own: Sequence[Ip]) -> Verdict:
    """Return what to think of the addresses told to clients, with those of the page and of this machine."""
    seen = ", ".join(map(str, told)) or "no address"
    if any(each.is_global for each in page) and not any(each.is_global for each in told):
        return failed(
            f"clients are told {seen}, which the internet cannot reach, and the page is at {page[0]}",
            f"Set PARLEY_SFU_ADVERTISE to the node's public address (such as {page[0]}).",
        )
    if all(each.is_loopback for each in told) and not all(each.is_loopback for each in page):
        return failed(
            f"clients are told {seen}, which is their own machine to them",
            "Set PARLEY_SFU_ADVERTISE to an address of this machine that they reach.",
        )
    elsewhere = [str(each) for each in told if each not in own]
    if elsewhere:
        return ok(f"clients are told {seen}; {', '.join(elsewhere)} is not of this machine, so there is NAT")
    return ok(f"clients are told {seen}")


async def _addresses_of(host: str) -> list[Ip]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    return [ip_address(str(address[0]).partition("%")[0]) for *_, address in found]
