"""What we rely on in aiortc and pylibsrtp that they never promised. If it fails, reread `sfu/transport`."""

import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCCertificate, RTCDtlsTransport, RTCSctpTransport
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80,
)
from aiortc.rtcsctptransport import InboundStream
from pylibsrtp import ERRORS, SRTP_MAX_SRTCP_TRAILER_LEN, SRTP_MAX_TRAILER_LEN, Policy, Session
from pylibsrtp._binding import ffi, lib

from sfu.transport import srtp
from sfu.transport.batch import MAX_PACKET, MAX_TRAILER, STRIDE
from sfu.transport.certificate import Certificate
from sfu.transport.dtls import RecordWire
from sfu.transport.sctp import SctpPipe

ROOT = Path(__file__).parents[3]
SEAM = {"aiortc", "aioice", "pylibsrtp", "OpenSSL", "pyee"}


@pytest.mark.parametrize(
    ("function", "parameters", "is_async"),
    [
        (RTCDtlsTransport.__init__, ["self", "transport", "certificates"], False),
        (RTCDtlsTransport.start, ["self", "remoteParameters"], True),
        (RTCDtlsTransport.stop, ["self"], True),
        (RTCDtlsTransport._set_role, ["self", "role"], False),
        (RTCDtlsTransport._send_data, ["self", "data"], True),
        (RTCDtlsTransport._register_data_receiver, ["self", "receiver"], False),
        (RTCCertificate.__init__, ["self", "key", "cert"], False),
        (RTCCertificate._create_ssl_context, ["self", "srtp_profiles"], False),
        (RTCSctpTransport.__init__, ["self", "transport", "port"], False),
        (RTCSctpTransport.start, ["self", "remoteCaps", "remotePort"], True),
        (RTCSctpTransport.stop, ["self"], True),
        (RTCSctpTransport._handle_data, ["self", "data"], True),
    ],
)
def test_signatures(function: Callable[..., Any], parameters: list[str], is_async: bool) -> None:
    assert list(inspect.signature(function).parameters) == parameters
    assert inspect.iscoroutinefunction(function) is is_async


async def test_attributes_of_a_dtls_transport() -> None:
    transport = RTCDtlsTransport(RecordWire(lambda data: None), [Certificate.generate().shared])  # type: ignore[arg-type]
    assert transport.state == "new"
    assert transport.encrypted is False
    assert {"_rx_srtp", "_tx_srtp", "_srtp_profiles", "_ssl", "_role"} <= vars(transport).keys()


async def test_attributes_of_an_sctp_transport() -> None:
    dtls = RTCDtlsTransport(RecordWire(lambda data: None), [Certificate.generate().shared])  # type: ignore[arg-type]
    sctp = RTCSctpTransport(SctpPipe(dtls))  # type: ignore[arg-type]
    assert sctp.state == "new"
    assert isinstance(sctp._advertised_rwnd, int)
    assert sctp._inbound_streams == {}
    assert sctp._sack_misordered == set()
    assert InboundStream().reassembly == []


@pytest.mark.parametrize(
    ("module", "duck", "touched"),
    [
        ("aiortc/rtcdtlstransport.py", RecordWire, {"transport", "_transport"}),
        ("aiortc/rtcsctptransport.py", SctpPipe, {"transport", "__transport"}),
    ],
)
def test_a_duck_has_all_that_aiortc_asks_of_it(module: str, duck: type, touched: set[str]) -> None:
    """Every `self.transport.x` in aiortc's source is a name that our stand-in has."""
    source = Path(inspect.getfile(RTCDtlsTransport)).parents[1] / module
    asked = {
        node.attr
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr in touched
        and isinstance(node.value.value, ast.Name)
        and node.value.value.id == "self"
    }
    assert asked
    assert asked <= set(dir(duck))


@pytest.mark.parametrize("profile", [SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_256_GCM, SRTP_AES128_CM_SHA1_80])
def test_libsrtp_takes_our_calls(profile: Any) -> None:
    policy = Policy(
        key=bytes(profile.key_length + profile.salt_length),
        ssrc_type=Policy.SSRC_ANY_OUTBOUND,
        srtp_profile=profile.libsrtp_profile,
    )
    session = Session(policy)
    memory = ffi.new("unsigned char[]", 1700)
    length = ffi.new("int *")
    clear = b"\x80\x60\x00\x01" + bytes(8) + b"payload"
    memory[0 : len(clear)] = clear
    length[0] = len(clear)
    assert lib.srtp_protect(session._srtp[0], memory, length) == 0
    assert ffi.buffer(memory)[: length[0]] == Session(policy).protect(clear)


def test_the_trailer_fits_behind_a_packet() -> None:
    assert max(SRTP_MAX_TRAILER_LEN, SRTP_MAX_SRTCP_TRAILER_LEN) <= MAX_TRAILER
    assert MAX_PACKET + MAX_TRAILER <= STRIDE


def test_the_codes_of_replays() -> None:
    assert all("replay" in ERRORS[code] for code in srtp._REPLAYS)


def test_nobody_else_imports_the_seam() -> None:
    """Only `sfu/transport` knows aiortc and what it stands on; of the tests, those of it, and bots."""
    intruders = [
        str(path.relative_to(ROOT))
        for top in ("sfu", "control", "web", "parley.py")
        for path in ([ROOT / top] if top.endswith(".py") else (ROOT / top).rglob("*.py"))
        if path.exists() and (ROOT / "sfu" / "transport") not in path.parents and SEAM & _imports(path)
    ]
    assert intruders == []


def _imports(path: Path) -> set[str]:
    """Return the top-level packages that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found
