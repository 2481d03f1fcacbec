"""How a run goes, while it goes: one line that changes on a terminal, else a line every few seconds."""

import shutil
from typing import TextIO

from tests.load.outcome import Sample

EVERY_S = 5.0
_OVERWRITE = "\r\x1b[2K"


class Progress:
    """Call `note` with each sample, and `end` at last."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._changes = out.isatty()
        self._due_s = 0.0

    def note(self, sample: Sample) -> None:
        """Show a sample, if it is time to."""
        line = self._line(sample)
        if self._changes:
            columns = shutil.get_terminal_size().columns
            self._out.write(_OVERWRITE + line[: columns - 1])
        elif sample.at_s >= self._due_s:
            self._due_s = sample.at_s + EVERY_S
            self._out.write(line + "\n")
        self._out.flush()

    def end(self) -> None:
        """Leave the terminal's line to others."""
        if self._changes:
            self._out.write(_OVERWRITE)
            self._out.flush()

    def _line(self, sample: Sample) -> str:
        return (
            f"{sample.at_s:4.0f} s  {sample.bots} bots, {sample.failed} failed, "
            f"{sample.left} left; {sample.rooms} rooms on {sample.nodes} nodes; "
            f"in {sample.in_bps / 1e6:.1f}, out {sample.out_bps / 1e6:.1f} Mbit/s; "
            f"loss {100 * sample.loss:.2f} %; join p95 {sample.join_p95_s * 1000:.0f} ms"
        )
