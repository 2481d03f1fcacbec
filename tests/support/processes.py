"""A child process of a test: its output in a file, ended by its own id, its exit code looked at."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

STOP_DEADLINE_S = 15.0
TAIL_BYTES = 8192


class ProcessError(AssertionError):
    """The process ended otherwise than it should; the text ends with its last output."""


class Process:
    """A running child; as a context manager it is stopped with the signal `by` and must exit with `exits`.

    Unless it was stopped or killed before.
    """

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        by: signal.Signals = signal.SIGTERM,
        exits: int = 0,
    ) -> None:
        self.argv = list(argv)
        self.log = log
        self._by = by
        self._exits = exits
        self._is_over = False
        with log.open("wb") as output:
            self._child = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
            )

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._child.pid

    def output(self) -> str:
        """Return the end of what the process has printed."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
            return log.read().decode(errors="replace")

    def alive(self) -> bool:
        """Return True; raise `ProcessError` if the process has ended."""
        if self._child.poll() is not None:
            raise self._failure(f"ended with {self._child.returncode} before its time")
        return True

    def stop(self) -> None:
        """End the process; raise `ProcessError` if it does not go, or not with the exit code it should."""
        self.alive()
        self._is_over = True
        self._child.send_signal(self._by)
        try:
            code = self._child.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise self._failure(f"still there {STOP_DEADLINE_S:g} s after {self._by.name}") from error
        if code != self._exits:
            raise self._failure(f"ended with {code} after {self._by.name}, not with {self._exits}")

    def kill(self) -> None:
        """End the process at once, if it still runs."""
        if self._child.poll() is None:
            self._is_over = True
            self._child.kill()
            self._child.wait()

    def _failure(self, what: str) -> ProcessError:
        return ProcessError(f"{' '.join(self.argv)}: {what}; {self.log} ends with:\n{self.output()}")

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        elif not self._is_over:
            self.stop()
