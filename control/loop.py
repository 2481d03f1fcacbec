"""What goes on in the background."""

from typing import Protocol


class Loop(Protocol):
    """Something that goes on in the background."""

    async def run(self) -> None:
        """Go on until stopped."""

    def stop(self) -> None:
        """Let `run` end after what it is doing."""
