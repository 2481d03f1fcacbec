"""What is done to a file's content on its way: chunks in, chunks out, never all of it at once."""

import hashlib
import zlib
from collections.abc import AsyncIterable, AsyncIterator

from control.backup.schema import File

GZIP = 16 + zlib.MAX_WBITS
CHUNK_BYTES = 256 * 1024
LINE_BYTES = 16 * 1024 * 1024


class Measured:
    """Passes chunks on; once they have gone by, `file` tells what they were like. `bytes` counts them."""

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = chunks
        self._digest = hashlib.sha256()
        self.bytes = 0

    @property
    def file(self) -> File:
        """Size and digest of what has gone by."""
        return File(self.bytes, self._digest.hexdigest())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self.bytes += len(chunk)
            self._digest.update(chunk)
            yield chunk


async def compressed(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Compress into gzip's format (RFC 1952), the same for the same chunks whenever it is done."""
    gzip = zlib.compressobj(wbits=GZIP)
    async for chunk in chunks:
        if out := gzip.compress(chunk):
            yield out
    yield gzip.flush()


async def decompressed(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Undo `compressed`, however much a chunk grows. Raises ValueError for anything but one whole stream."""
    gzip = zlib.decompressobj(wbits=GZIP)
    async for chunk in chunks:
        waiting = chunk
        while waiting and not gzip.eof:
            try:
                out = gzip.decompress(waiting, CHUNK_BYTES)
            except zlib.error as error:
                raise ValueError(f"cannot be decompressed: {error}") from error
            waiting = gzip.unconsumed_tail
            if out:
                yield out
        if waiting or gzip.unused_data:
            raise ValueError("goes on after its end")
    if not gzip.eof:
        raise ValueError("is cut off")


async def lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[list[bytes]]:
    """Yield whole lines, as many at a time as come in a chunk. Raises ValueError for one without an end."""
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LINE_BYTES:
            raise ValueError("has a line longer than any that is written")
        if whole:
            yield whole
    if rest:
        raise ValueError("ends in the middle of a line")
