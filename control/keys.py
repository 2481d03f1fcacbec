"""The secrets in the data folder: made on the first run, readable by their owner only.

Two processes may start at once; each file appears whole or not at all, and the first writer wins.
"""

import contextlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

TICKET_SIGNING = "ticket-signing.pem"
TICKET_VERIFYING = "ticket-verifying.pem"
CLUSTER = "cluster.secret"
SESSION = "session.secret"
FILES = (TICKET_SIGNING, TICKET_VERIFYING, CLUSTER, SESSION)


@dataclass(frozen=True)
class Secrets:
    """What control signs with: tickets for nodes, tokens to and from nodes, its users' sessions."""

    ticket_key: Ed25519PrivateKey = field(repr=False)
    cluster: bytes = field(repr=False)
    session: bytes = field(repr=False)


def ensure_secrets(data: Path) -> None:
    """Make the data folder and each secret file that is missing in it.

    The ticket keys are PEM (PKCS8 private, SubjectPublicKeyInfo public); the other secrets are 32 random
    bytes as hex text.
    """
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    _create(data / TICKET_SIGNING, _private_pem(Ed25519PrivateKey.generate()))
    _create(data / TICKET_VERIFYING, _public_pem(_signing_key(data)))
    for name in (CLUSTER, SESSION):
        _create(data / name, secrets.token_hex(32).encode() + b"\n")


def load_secrets(data: Path) -> Secrets:
    """Return the secrets in `data`. Raises OSError, ValueError or TypeError when one is damaged."""
    return Secrets(
        ticket_key=_signing_key(data),
        cluster=_hex_secret(data / CLUSTER),
        session=_hex_secret(data / SESSION),
    )


def secret_files(data: Path) -> dict[str, bytes]:
    """Return what the secret files hold that are in `data`, by their names."""
    return {name: (data / name).read_bytes() for name in FILES if (data / name).exists()}


def bring_back_secrets(data: Path, files: Mapping[str, bytes]) -> None:
    """Make the secret files that are missing in `data` from these."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in FILES:
        _create(data / name, files[name])


def _create(path: Path, content: bytes) -> None:
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()


def _signing_key(data: Path) -> Ed25519PrivateKey:
    path = data / TICKET_SIGNING
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{path} does not hold an Ed25519 key")
    return key


def _private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _hex_secret(path: Path) -> bytes:
    secret = bytes.fromhex(path.read_text().strip())
    if len(secret) < 32:
        raise ValueError(f"{path} is shorter than 32 bytes")
    return secret
