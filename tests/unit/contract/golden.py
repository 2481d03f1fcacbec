"""The messages of the last version, kept as files: of each kind all types that it knew, and their schema."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jwt
import msgspec

from sfu.contract.operations import Load, NodeCommand, NodeEvent, Report, ReportReply
from sfu.contract.signals import ClientSignal, DataMessage, NodeSignal
from sfu.contract.ticket import Rights, Source, Ticket, sign
from tests.unit.contract.test_operations import COMMANDS, EVENTS, report
from tests.unit.contract.test_signals import FROM_CLIENT, FROM_NODE
from tests.unit.contract.test_ticket import CONTROL, TICKET

FOLDER = Path(__file__).parents[2] / "golden" / "contract"
KINDS: dict[str, Any] = {
    "client": ClientSignal,
    "node": NodeSignal,
    "data": DataMessage,
    "event": NodeEvent,
    "command": NodeCommand,
    "report": Report,
    "reply": ReportReply,
    "ticket": Ticket,
}

_LOAD = Load(rooms=1, peers=2, packets_out_per_s=3.5, loop_lag_s=0.001, cpu=0.4, fullness=0.5, full=True)
_SAMPLES: dict[str, Sequence[Any]] = {
    "client": FROM_CLIENT,
    "node": FROM_NODE,
    "data": [DataMessage(topic="hand"), DataMessage(topic="hand", body=msgspec.Raw(b"1"), to="p")],
    "event": EVENTS,
    "command": COMMANDS,
    "report": [
        report(),
        msgspec.structs.replace(report(EVENTS), signal_url="wss://n/signal", region="eu", load=_LOAD),
    ],
    "reply": [ReportReply(acknowledged=4), ReportReply(acknowledged=4, census=True, moving=True)],
    "ticket": [
        TICKET,
        msgspec.structs.replace(TICKET, address="http://10.0.0.7:8081", epoch=7, user=None),
        msgspec.structs.replace(TICKET, rights=Rights((Source.CAMERA,), subscribe=False, data=False)),
    ],
}


def now_said(kind: str) -> list[dict[str, Any]]:
    """Return what this version says of a kind, as JSON has it; of tickets the claims."""
    if kind == "ticket":
        return [_claims(ticket) for ticket in _SAMPLES[kind]]
    return [json.loads(msgspec.json.encode(message)) for message in _SAMPLES[kind]]


def said_before(kind: str) -> list[dict[str, Any]]:
    """Return what the last version said of a kind."""
    return [json.loads(line) for line in (FOLDER / f"{kind}.jsonl").read_text().splitlines()]


def schemas() -> dict[str, Any]:
    """Return one document with the schemas of all kinds."""
    kinds, definitions = msgspec.json.schema_components(KINDS.values(), ref_template="#/$defs/{name}")
    return {"kinds": dict(zip(KINDS, kinds, strict=True)), "$defs": definitions}


def _claims(ticket: Ticket) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(sign(ticket, CONTROL), options={"verify_signature": False})
    return claims


def main() -> None:
    for kind in KINDS:
        lines = [json.dumps(message, sort_keys=True) + "\n" for message in now_said(kind)]
        (FOLDER / f"{kind}.jsonl").write_text("".join(lines))
    (FOLDER / "schema.json").write_text(json.dumps(schemas(), indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
