"""The committed schema is what the message types say, and says what they say."""

import json
from pathlib import Path

import sfu.contract
from sfu.contract.schema import schema
from sfu.contract.signals import ClientMessage, NodeMessage

COMMITTED = Path(sfu.contract.__path__[0]) / "signals.schema.json"


def test_the_committed_schema_is_fresh() -> None:
    fresh = json.dumps(schema(), indent=2, sort_keys=True) + "\n"
    assert COMMITTED.read_text() == fresh, (
        "run: python -m sfu.contract.schema > sfu/contract/signals.schema.json"
    )


def test_the_schema_names_every_message() -> None:
    document = schema()
    for direction, kind in (("client", ClientMessage), ("node", NodeMessage)):
        tags = {each.__struct_config__.tag for each in kind.__subclasses__()}
        assert set(document[direction]["discriminator"]["mapping"]) == tags


def test_every_reference_leads_somewhere() -> None:
    document = schema()
    text = json.dumps(document)
    for name in document["$defs"]:
        assert f'"#/$defs/{name}"' in text or name in ("DataMessage", "DataDelivery")
    for part in text.split('"#/$defs/')[1:]:
        assert part.partition('"')[0] in document["$defs"]
