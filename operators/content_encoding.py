"""Content codings of HTTP (RFC 9110, section 8.4.1), undone as bytes arrive, bounded and proven complete.

aiohttp would do it too, but notices neither a gzip body without its trailer nor how far a small body expands.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from cornerstream.images.errors import FetchError, SplitError, TruncatedError

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE_BYTES = 1 << 18
"""Largest piece that comes out at once, however far a body expands."""

_STEP = 1 << 13  # zlib copies what it leaves of its input: little, however many members or pieces come out of it
_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15  # zlib's window bits


class Inflater:
    """Undoes one content coding of one body; sans-IO.

    Args:
        coding: The Content-Encoding field: empty, `identity`, `gzip`, `x-gzip` or `deflate`.

    Raises:
        FetchError: Any other coding, or several.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding.strip().lower()
        if self._coding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            raise FetchError(f"the server sent Content-Encoding {coding[:80]!r}; ask it for Accept-Encoding: identity")
        self._stream: zlib._Decompress | None = None

    @property
    def changes(self) -> bool:
        """The body is coded, so that Content-Length does not count what comes out."""
        return self._coding not in {"", "identity"}

    def inflate(self, chunk: bytes) -> Iterator[bytes]:
        """What a chunk expands to, in pieces of at most `PIECE_BYTES` (an uncoded chunk comes back as it is).

        Raises:
            SplitError: The bytes are not what Content-Encoding says.
        """
        if not self.changes:
            yield chunk
            return
        for at in range(0, len(chunk), _STEP):
            yield from self._inflate(chunk[at : at + _STEP])

    def _inflate(self, chunk: bytes) -> Iterator[bytes]:
        more = True
        while more:
            self._stream = self._stream or zlib.decompressobj(self._window(chunk))
            try:
                piece = self._stream.decompress(chunk, PIECE_BYTES)
            except zlib.error as error:
                raise SplitError(f"the body is not valid {self._coding}: {error}") from error
            chunk = self._next_member() if self._stream.eof else self._stream.unconsumed_tail
            if piece:
                yield piece
            # A full piece may have left more behind in zlib's window, even where all input is consumed.
            more = bool(chunk) or len(piece) == PIECE_BYTES

    def close(self) -> None:
        """The body has ended.

        Raises:
            TruncatedError: The coding's own end (the gzip trailer) is missing.
        """
        if self.changes and (self._stream is None or not self._stream.eof):
            raise TruncatedError(f"the {self._coding} body ends before its own end marker")

    def _window(self, chunk: bytes) -> int:
        if self._coding != "deflate":
            return _GZIP
        # "deflate" means zlib's format, and some servers send it bare; zlib's first byte always says method 8.
        return _ZLIB if chunk[0] & 0x0F == 8 and chunk[0] >> 4 <= 7 else _RAW_DEFLATE

    def _next_member(self) -> bytes:
        """Bytes behind an end marker: another gzip member (RFC 1952, section 2.2), or an error."""
        assert self._stream is not None
        rest = self._stream.unused_data
        if rest and self._coding == "deflate":
            raise SplitError("bytes follow the end of the deflate body")
        if rest:
            self._stream = None
        return rest
