"""What the API keys' routes take and give, as JSON."""

from typing import Annotated

from msgspec import Meta, Struct

from control.api_keys.store import ApiKey
from control.clock import Timestamp
from control.scopes import Scope

LIFE_MAX_S = 10 * 365 * 24 * 3600


class NewKey(Struct, frozen=True):
    """A key to make. It expires after `expires_in` seconds, or never."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=len(Scope))]
    expires_in: Annotated[int, Meta(ge=60, le=LIFE_MAX_S)] | None = None


class KeyView(Struct, frozen=True, kw_only=True):
    """A key, as its owner sees it: by `prefix`, what it begins with. `used_at` may be late by a minute."""

    id: str
    name: str
    prefix: str
    scopes: list[Scope]
    created_at: Timestamp
    expires_at: Timestamp | None
    used_at: Timestamp | None


class MadeKey(Struct, frozen=True):
    """A key that was made. `secret` is what goes after `Bearer`; it is shown this once."""

    secret: str
    key: KeyView


def view_of(key: ApiKey) -> KeyView:
    """Return the key as its owner sees it."""
    return KeyView(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        scopes=scopes_of(key),
        created_at=key.created_at,
        expires_at=key.expires_at,
        used_at=key.used_at,
    )


def scopes_of(key: ApiKey) -> list[Scope]:
    """Return the key's scopes, without those that there are no more."""
    named = set(key.scopes.split())
    return [scope for scope in Scope if scope in named]
