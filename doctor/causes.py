"""From what a library says to the cause behind it, and to what is to be done about that."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from doctor.finding import Verdict, failed


@dataclass(frozen=True)
class Cause:
    """A reason for a failure, known by what `pattern` finds in the error's text."""

    pattern: str
    seen: str
    fix: str


def network_causes(part: str, setting: str) -> tuple[Cause, ...]:
    """Return why a server of this kind, named by this setting, may not be reached."""
    return (
        Cause(
            r"refused|Connect call failed|Errno 111",
            "nothing listens there (connection refused)",
            f"Start {part}, or correct host and port in {setting}.",
        ),
        Cause(
            r"resolve|Name or service not known|translate host|Errno -[0-9]|nodename",
            "there is no host of that name",
            f"Correct the host in {setting}, or this machine's DNS.",
        ),
        Cause(
            r"CERTIFICATE_VERIFY_FAILED|certificate verify failed",
            "its certificate is not one that this machine trusts",
            f"Give {part} a certificate for the name in {setting}, or this machine its authority's.",
        ),
        Cause(
            r"WRONG_VERSION_NUMBER|SSL|TLS",
            "the two do not agree whether to encrypt",
            f"Correct the scheme in {setting}: with TLS, or without.",
        ),
        Cause(
            r"[Tt]ime(d )?out|unreachable|No route",
            "nothing comes back",
            f"Look at firewalls between this machine and {part}, and at the address in {setting}.",
        ),
    )


def failure(what: str, error: BaseException | str, causes: Sequence[Cause], setting: str) -> Verdict:
    """Return what is behind the error, as far as it is known."""
    text = " ".join(str(error).split()) or type(error).__name__
    for cause in causes:
        if re.search(cause.pattern, text):
            return failed(f"{what}: {cause.seen}", cause.fix)
    return failed(f"{what}: {text[:300]}", f"Look into its log, and at {setting}.")
