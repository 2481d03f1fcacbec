"""A folder for outgoing messages, one file each, for those who have no mail server."""

import asyncio
import os
import secrets
from email.message import EmailMessage
from pathlib import Path

from control.jobs.attempts import TemporaryFailure


class FileMailer:
    """Puts messages into the folder, at most `files_max`; the same message again is the same file."""

    def __init__(self, folder: Path, files_max: int) -> None:
        self._folder = folder
        self._files_max = files_max
        self._turn = asyncio.Lock()

    async def hand_over(self, message: EmailMessage) -> None:
        """Write the message's file whole or not at all. Raises `TemporaryFailure` when the folder is full."""
        async with self._turn:  # or several would see the last free place
            await asyncio.to_thread(self._write, _name(message), message.as_bytes())

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sum(1 for _ in self._folder.iterdir()) >= self._files_max:
            raise TemporaryFailure(f"{self._folder} is full of messages that nobody took away")
        draft = self._folder / f".{name}.{secrets.token_hex(4)}"
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self._folder / name)
        finally:
            draft.unlink(missing_ok=True)


def _name(message: EmailMessage) -> str:
    """Return a file's name made of the Message-ID, which begins with the job's id."""
    job_id = str(message["Message-ID"]).strip("<>").partition("@")[0]
    return f"{job_id}.eml"
