"""Network namespaces: a test's own machines, which nothing can leave and nothing enters.

Names carry the test run's process id, so that runs do not meet and a run that was killed is cleared
away by the next one.
"""

import ctypes
import itertools
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.waiting import until_now

CLONE_NEWNET = 0x40000000
FOLDER = Path("/run/netns")

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()


class Namespace:
    """A network namespace that exists."""

    def __init__(self, name: str) -> None:
        self.name = name

    def command(self, *argv: str) -> list[str]:
        """Return the command line that runs `argv` inside; its process id is that of `argv` itself."""
        return ["ip", "netns", "exec", self.name, *argv]

    def socket(
        self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM, proto: int = 0
    ) -> socket.socket:
        """Return a socket that lives inside, whatever namespace the caller is in."""
        with self.entered():
            return socket.socket(family, kind, proto)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Put the calling thread inside. For synchronous code only: an await would take others along."""
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            inside = os.open(FOLDER / self.name, os.O_RDONLY)
            try:
                _enter(inside)
                try:
                    yield
                finally:
                    _enter(outside)
            finally:
                os.close(inside)
        finally:
            os.close(outside)

    def processes(self) -> list[int]:
        """Return the ids of all processes inside."""
        return [int(pid) for pid in ip("netns", "pids", self.name).split()]

    def clear(self) -> None:
        """End every process inside at once; none can be anyone else's."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until_now(f"namespace {self.name} empty", lambda: not self.processes())


@contextmanager
def namespace() -> Iterator[Namespace]:
    """Make a namespace with loopback up; it and every process in it end with the context."""
    if os.geteuid() != 0:
        raise PermissionError("these tests make network namespaces: run them as root")
    made = Namespace(f"parley-{os.getpid()}-{next(_numbers)}")
    ip("netns", "add", made.name)
    try:
        ip("-n", made.name, "link", "set", "lo", "up")
        yield made
    finally:
        made.clear()
        ip("netns", "delete", made.name)


def sweep() -> None:
    """Remove what test runs that were killed have left behind."""
    for path in FOLDER.glob("parley-*"):
        match = re.fullmatch(r"parley-(\d+)-\d+", path.name)
        if match and not Path("/proc", match[1]).exists():
            with suppress(OSError):  # another run sweeps as well
                Namespace(path.name).clear()
                ip("netns", "delete", path.name)


def ip(*argv: str) -> str:
    """Run iproute2's `ip` and return what it prints; raise `OSError` with its complaint."""
    done = subprocess.run(["ip", *argv], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
