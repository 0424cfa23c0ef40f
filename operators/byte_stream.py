"""The bytes under a parser that can stop anywhere: fed as they arrive, or filled from where the parser wants to read on.

Parsers are generators that say `yield` when they need bytes that are not there yet; whoever drives them feeds the
stream and goes on. So one parser serves a network body, a file read in pieces, and bytes that are all there.
"""

from __future__ import annotations

import zlib
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from cornerstream.images.errors import LimitError, SplitError, TruncatedError

if TYPE_CHECKING:
    from collections.abc import Generator

R = TypeVar("R")

_INFLATE_STEP = 1 << 18


class ByteStream:
    """Bytes between a feeder and a parser; holds only what the parser has not passed yet.

    Attributes:
        position: Offset of the parser's next byte, from the start; behind a deflated data set's beginning it counts
            inflated bytes.
        ended: There is nothing more to feed.
        elements: How many elements a header's parser has passed.
        recording: Receives what is passed, while it is not `None`; nothing may be skipped ahead meanwhile.
    """

    def __init__(self, data: bytes = b"", *, ended: bool = False) -> None:
        self.position = 0
        self.ended = ended
        self.elements = 0
        self.recording: bytearray | None = None
        self._buffer = bytearray(data)
        self._debt = 0  # bytes skipped by the parser that were not fed yet
        self._inflater: _Inflater | None = None
        self._reach: int | None = None  # no inflated byte lies behind it
        self._compressed_position = 0

    @property
    def buffered(self) -> int:
        """Bytes held for the parser."""
        return len(self._buffer)

    @property
    def wanted_position(self) -> int:
        """Offset in the file from which a driver with random access fills the stream next."""
        return self.position + len(self._buffer) if self._inflater is None else self._compressed_position

    def feed(self, data: bytes) -> None:
        """Append the bytes that arrived next."""
        if self._inflater is None:
            self._append(data)
        else:
            self._compressed_position += len(data)
            self._inflater.feed(data)

    def fill(self, data: bytes) -> None:
        """Append bytes read at `wanted_position`: what was skipped is not read at all."""
        if self._inflater is None:
            self._debt = 0
        self.feed(data)

    def inflate(self, limit: int) -> None:
        """From the parser's position on, the bytes are raw deflate (PS3.5 annex A.5), to at most `limit` bytes."""
        self._compressed_position = self.wanted_position
        self._inflater = _Inflater(limit)
        self._reach = self.position + limit
        self._inflater.feed(bytes(self._buffer))
        self._buffer.clear()

    def has(self, count: int) -> bool:
        """`count` bytes are there, after inflating no more than they need."""
        while len(self._buffer) < count and self._inflater is not None:
            data = self._inflater.read()
            if not data:
                self.ended = self.ended or self._inflater.ended
                break
            self._append(data)
        return len(self._buffer) >= count

    def need(self, count: int) -> Generator[None]:
        """Wait until `count` bytes are there; raises TruncatedError when they end before.

        Raises LimitError at once for what lies behind the limit of inflating.
        """
        self._check_reach(count)
        while not self.has(count):
            if self.ended:
                missing = count + self._debt - len(self._buffer)
                raise TruncatedError(
                    f"the data end {missing} bytes too early, at offset {self.position + len(self._buffer) - self._debt}"
                )
            yield

    def more(self) -> Generator[None, None, bool]:
        """Wait for at least one byte; false at a clean end."""
        while not self.has(1):
            if self.ended and not self._debt:
                return False
            if self.ended:
                yield from self.need(1)
            yield
        return True

    def peek(self, count: int) -> bytes:
        """The next bytes, at most `count`, without passing them."""
        return bytes(self._buffer[:count])

    def take(self, count: int) -> bytes:
        """Pass and return `count` bytes that are there."""
        with memoryview(self._buffer) as view:
            data = bytes(view[:count])
        del self._buffer[:count]
        self.position += count
        return data

    def skip(self, count: int) -> None:
        """Pass `count` bytes, whether they are there or not; raises LimitError as `need`."""
        self._check_reach(count)
        here = min(count, len(self._buffer))
        if self.recording is not None:
            self.recording += self._buffer[:here]
        del self._buffer[:here]
        self._debt += count - here
        self.position += count

    def _check_reach(self, count: int) -> None:
        if self._reach is not None and self.position + count > self._reach:
            assert self._inflater is not None
            raise self._inflater.over_limit()

    def _append(self, data: bytes) -> None:
        if self._debt:
            dropped = min(self._debt, len(data))
            self._debt -= dropped
            data = data[dropped:]
        self._buffer += data


class _Inflater:
    """Raw deflate, a step at a time, up to a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._total = 0
        self._compressed: deque[memoryview] = deque()
        self._decompress = zlib.decompressobj(-zlib.MAX_WBITS)

    @property
    def ended(self) -> bool:
        return self._decompress.eof

    def feed(self, data: bytes) -> None:
        if self.ended:  # what follows the deflate stream is padding (PS3.5 annex A.5), and is not kept
            return
        self._compressed.extend(
            memoryview(data)[start : start + _INFLATE_STEP] for start in range(0, len(data), _INFLATE_STEP)
        )

    def read(self) -> bytes:
        """Up to one step of inflated bytes; empty when there are none without more input."""
        data = b""
        while not (data or self.ended):
            source: bytes | memoryview = self._decompress.unconsumed_tail
            if not source and self._compressed:
                source = self._compressed.popleft()
            try:
                data = self._decompress.decompress(source, _INFLATE_STEP)
            except zlib.error as error:
                raise SplitError(f"the deflated data set is damaged: {error}") from error
            if not source:
                break
        self._total += len(data)
        if self._total > self._limit:
            raise self.over_limit()
        return data

    def over_limit(self) -> LimitError:
        """The error that says so."""
        return LimitError(f"the deflated data set expands to more than {self._limit} bytes (limits.inflated_bytes)")


def finish(parser: Generator[None, None, R]) -> R:
    """Run a parser whose stream has all its bytes."""
    while True:
        try:
            next(parser)
        except StopIteration as stop:
            result: R = stop.value
            return result
