"""A server process: started, watched from outside, ended by its own id."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SCHEDULER_CLOCK = 2
"""CPUCLOCK_SCHED: user and system time of all threads, in nanoseconds (clock_getcpuclockid(3))."""
_STOP_S = 5.0
_END_WITH_US = ("setpriv", "--pdeathsig", "TERM")
"""The kernel ends the server when this process dies before it could (prctl(2), PR_SET_PDEATHSIG)."""


@dataclass(frozen=True)
class Memory:
    """Resident and unshared memory, in bytes."""

    rss: int
    uss: int


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used, user and system, all threads, in seconds."""
    return time.clock_gettime((~pid << 3) | _SCHEDULER_CLOCK)


class Server:
    """One process; its output goes to a file, whose end is shown when it fails."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self._command = (*_END_WITH_US, *command)
        self._log = log
        self._environment = dict(environment)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, out of reach of the terminal's Ctrl-C: that is for us, who end it."""
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                process_group=0,
            )

    async def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self, within_s: float = _STOP_S) -> None:
        """Ask it to end; insist after a while."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), within_s)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):  # it may end at that very moment
                process.kill()
            await process.wait()

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._process is not None and self._process.returncode is None

    @property
    def last_words(self) -> str:
        """The end of its output."""
        with contextlib.suppress(OSError):
            return self._log.read_text(errors="replace")[-2000:]
        return ""

    def cpu_s(self) -> float:
        """Return the processor time it has used, user and system, all threads, in seconds."""
        return cpu_s(self._pid)

    def children(self) -> list[int]:
        """Return the ids of the processes that it has started and that live."""
        return [int(pid) for pid in Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()]

    def memory(self) -> Memory:
        """Return what it holds now."""
        sizes: dict[str, int] = {}
        for line in Path(f"/proc/{self._pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, value, _unit = line.split()
            sizes[name.rstrip(":")] = int(value) * 1024
        return Memory(rss=sizes["Rss"], uss=sizes["Private_Clean"] + sizes["Private_Dirty"])

    @property
    def _pid(self) -> int:
        assert self._process is not None
        return self._process.pid
