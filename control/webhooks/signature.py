"""Signatures of messages to endpoints, as Standard Webhooks has them (symmetric, version 1)."""

import base64
import hmac

PREFIX = "whsec_"


def secret_of(house_secret: bytes, webhook_id: str) -> str:
    """Return an endpoint's secret. It is derived, so that no database and no backup of one holds it."""
    key = hmac.digest(house_secret, f"webhook:{webhook_id}".encode(), "sha256")
    return PREFIX + base64.b64encode(key).decode()


def sign(secret: str, message_id: str, timestamp_s: int, body: str) -> str:
    """Return the value of the header `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp_s}.{body}".encode()
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
