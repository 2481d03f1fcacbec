"""JSON Schema (2020-12) of the signalling protocol, generated from the message types.

`python -m sfu.contract.schema > sfu/contract/signals.schema.json` writes the committed copy; a test
fails when it is stale.
"""

import json
import sys
from typing import Any

import msgspec

from sfu.contract.signals import PROTOCOL, ClientSignal, DataDelivery, DataMessage, NodeSignal


def schema() -> dict[str, Any]:
    """Return one document with the definitions of all messages, by direction."""
    (client, node, data, delivery), definitions = msgspec.json.schema_components(
        [ClientSignal, NodeSignal, DataMessage, DataDelivery], ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Parley signalling",
        "version": PROTOCOL,
        "client": client,
        "node": node,
        "data_channel": {"client": data, "node": delivery},
        "$defs": definitions,
    }


if __name__ == "__main__":
    json.dump(schema(), sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")
