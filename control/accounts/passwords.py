"""Passwords: bcrypt, on threads of its own so that no request waits for another's hash.

bcrypt reads 72 bytes and no more; longer passwords are refused, never cut. An unknown account costs as
much time as a wrong password.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt

from control.refusals import Reason, Refused, invalid

CHARACTERS_MIN = 8
BYTES_MAX = 72

Result = TypeVar("Result")


class Passwords:
    """Hashes and checks passwords, at most `threads` at a time with `queue` more waiting."""

    def __init__(self, cost: int, threads: int, queue: int) -> None:
        self._cost = cost
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="bcrypt")
        self._room = threads + queue
        self._nobodys_hash = bcrypt.hashpw(secrets.token_bytes(16), bcrypt.gensalt(cost)).decode()

    async def hash(self, password: str) -> str:
        """Return the hash to keep. Raises `Refused` with INVALID when the password is too short or long."""
        secret = _secret(password)
        if len(password) < CHARACTERS_MIN:
            raise invalid(password=f"Must have at least {CHARACTERS_MIN} characters.")
        if len(secret) > BYTES_MAX:
            raise invalid(
                password=f"Must have at most {BYTES_MAX} bytes; accented letters and signs count as several."
            )
        return await self._apart(lambda: bcrypt.hashpw(secret, bcrypt.gensalt(self._cost)).decode())

    async def match(self, password: str, kept: str | None) -> bool:
        """Tell whether `password` is the one `kept` is the hash of. None takes as long, and never matches."""
        secret = _secret(password)
        fits = len(secret) <= BYTES_MAX
        against = (kept if kept is not None else self._nobodys_hash).encode()
        same = await self._apart(lambda: bcrypt.checkpw(secret[:BYTES_MAX], against))
        return same and fits and kept is not None

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _apart(self, work: Callable[[], Result]) -> Result:
        if self._room == 0:
            raise Refused(Reason.OVERLOADED, retry_after_s=5)
        self._room -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._room += 1


def _secret(password: str) -> bytes:
    """Return the bytes that are hashed: normalised, since keyboards write the same letter in several ways."""
    return unicodedata.normalize("NFKC", password).encode()
