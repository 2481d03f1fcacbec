"""What a check finds, and how one is made within a bound of time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How it is with what was looked at."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNSET = "unset"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Verdict:
    """How it is, what was seen, and what to do about it if anything is to be done."""

    state: State
    seen: str
    fix: str = ""


@dataclass(frozen=True)
class Check:
    """Something to look at, by its name in the report. It takes `takes_s` when all is well."""

    name: str
    look: Callable[[], Awaitable[Verdict]]
    takes_s: float = 0.0


@dataclass(frozen=True)
class Finding:
    """What a check found."""

    check: str
    verdict: Verdict


def ok(seen: str) -> Verdict:
    """Return that all is well."""
    return Verdict(State.OK, seen)


def warning(seen: str, fix: str) -> Verdict:
    """Return that it works, but not for everybody or not for long."""
    return Verdict(State.WARNING, seen, fix)


def failed(seen: str, fix: str) -> Verdict:
    """Return that it does not work."""
    return Verdict(State.FAILED, seen, fix)


def unset(seen: str) -> Verdict:
    """Return that there is no such part, and what does without it."""
    return Verdict(State.UNSET, f"not configured: {seen}")


def skipped(seen: str) -> Verdict:
    """Return why this could not be looked at."""
    return Verdict(State.SKIPPED, seen)


async def examine(check: Check, patience_s: float) -> Finding:
    """Return what the check finds; one that takes too long, or breaks, has found that."""
    within_s = check.takes_s + patience_s
    try:
        async with asyncio.timeout(within_s):
            verdict = await check.look()
    except TimeoutError:
        fix = "Something on the way swallows what is sent: look at the address, and at firewalls."
        verdict = failed(f"there was no answer within {within_s:g} s", fix)
    except Exception as error:  # whatever it is, the other checks go on
        verdict = failed(f"the check itself broke: {error!r}", "Please report this.")
    return Finding(check.name, verdict)
