"""Which node a client's connection belongs to, as it can be read off what the client shows.

A ticket names its node under control's key. A resume token names it under the secret that control and its
nodes share, so that any of them can tell where the stay is that it takes up.
"""

import secrets
from dataclasses import dataclass

import jwt

AUDIENCE = "parley-resume"


@dataclass(frozen=True)
class Destination:
    """A node, and the URL at which other nodes reach it."""

    node: str
    address: str


def resume_token(destination: Destination, secret: bytes) -> str:
    """Return a token, never to be guessed, that takes up one stay at `destination`."""
    claims = {"aud": AUDIENCE, "jti": secrets.token_urlsafe(24), "node": destination.node}
    return jwt.encode({**claims, "address": destination.address}, secret, algorithm="HS256")


def resumed_at(token: str, secret: bytes) -> Destination | None:
    """Return where the stay is that `token` takes up; None if no node of ours gave it out."""
    try:
        claims = jwt.decode(token, secret, algorithms=["HS256"], audience=AUDIENCE)
        return Destination(str(claims["node"]), str(claims["address"]))
    except (jwt.InvalidTokenError, UnicodeError, KeyError):
        return None
