"""How a run goes, while it goes: two lines that change on a terminal, else one every few seconds."""

import shutil
from typing import TextIO

from tests.load.outcome import Sample

EVERY_S = 5.0
_ERASE = "\r\x1b[2K\x1b[1A\x1b[2K"
"""This line and the one above it."""


class Progress:
    """Call `note` with each sample, and `end` at last."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._changes = out.isatty()
        self._is_shown = False
        self._due_s = 0.0

    def note(self, sample: Sample) -> None:
        """Show a sample, if it is time to."""
        if self._changes:
            self.end()
            columns = shutil.get_terminal_size().columns
            self._out.write("\n".join(line[: columns - 1] for line in _lines(sample)))
            self._is_shown = True
        elif sample.at_s >= self._due_s:
            self._due_s = sample.at_s + EVERY_S
            self._out.write("; ".join(_lines(sample)) + "\n")
        self._out.flush()

    def end(self) -> None:
        """Take away what would change."""
        if self._is_shown:
            self._out.write(_ERASE)
            self._is_shown = False


def _lines(sample: Sample) -> tuple[str, str]:
    return (
        f"{sample.at_s:4.0f} s  {sample.bots} bots, {sample.failed} failed, {sample.left} left; "
        f"{sample.rooms} rooms on {sample.nodes} nodes",
        f"in {sample.in_bps / 1e6:.1f}, out {sample.out_bps / 1e6:.1f} Mbit/s; "
        f"loss {100 * sample.loss:.2f} %; join p95 {sample.join_p95_s * 1000:.0f} ms",
    )
