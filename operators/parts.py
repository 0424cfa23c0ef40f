"""Parts of a multipart response: header fields and a body, checked as they come (RFC 2046, RFC 5322)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.errors import LimitError, SplitError, TruncatedError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.new_memory import new_memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

_SPARE = 8  # part of what is asked for that is had beside it
_LEAST_ROOM = 1 << 14  # bytes; less comes as quickly with what follows it
_TAIL = 1 << 9  # bytes behind a body that come along with it: its boundary, and mostly the next part's header
_HEADER_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:([^\x00-\x08\x0a-\x1f]*)\Z")
_ONCE = frozenset({"content-type", "content-length"})
# Codings that change nothing (RFC 2045, section 6.2); no other is used in DICOMweb, and coded bytes are not a frame's.
_PLAIN = {
    "content-transfer-encoding": frozenset({"", "7bit", "8bit", "binary"}),
    "content-encoding": frozenset({"", "identity"}),
}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart response, complete.

    Attributes:
        headers: Its header fields by lower-case name.
        data: Its body; a view of it where it was received into memory of its own (see `PartBody.room`).
        rooms: Where that memory may go back to.
    """

    headers: Mapping[str, str]
    data: bytes | memoryview = field(repr=False)
    rooms: Rooms | None = field(default=None, repr=False)

    @property
    def content_type(self) -> str:
        """The part's Content-Type field; empty if it has none."""
        return self.headers.get("content-type", "")

    def give_back(self) -> None:
        """Let other parts have the memory of the body; nobody may look at `data` any more."""
        if self.rooms is not None and isinstance(self.data, memoryview):
            self.rooms.give_back(self.data)


class Rooms:
    """Memory for the bodies of parts, one after the other: new memory costs more than what is done in it."""

    __slots__ = ("_free",)

    def __init__(self) -> None:
        self._free: NDArray[np.uint8] | None = None

    def take(self, size: int) -> memoryview:
        """Memory of that size."""
        free, self._free = self._free, None
        if free is None or not size <= len(free) <= 2 * size:
            # Where it comes back, the next part may need a little more.
            free = new_memory(size if free is None else size + size // _SPARE)
        return memoryview(free.data)[:size]

    def give_back(self, taken: memoryview) -> None:
        """What was taken, and is looked at by nobody any more."""
        memory = taken.obj
        self._free = memory if isinstance(memory, np.ndarray) else None


class PartBody:
    """The bytes of a part as they come, held once and checked against its Content-Length.

    Args:
        headers: The part's header fields by lower-case name.
        limits: `part_bytes` holds here.
        rooms: Where memory comes from.

    Raises:
        SplitError: Content-Length is not a number.
        LimitError: Content-Length exceeds the limit.
    """

    __slots__ = ("_buffer", "_expected", "_first", "_limit", "_room", "_rooms", "_size")

    def __init__(self, headers: Mapping[str, str], limits: Limits, rooms: Rooms | None = None) -> None:
        self._rooms = Rooms() if rooms is None else rooms
        self._limit = limits.part_bytes
        self._size = 0
        self._first = memoryview(b"")  # copied when it is known whether more follows
        self._buffer: BytesIO | None = None
        self._room: memoryview | None = None
        self._expected = _content_length(headers)
        if self._expected is not None and self._expected > self._limit:
            raise self._too_large()

    def write(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        """Add `data[start:end]`.

        Raises:
            SplitError: The part is longer than its Content-Length.
            LimitError: It is longer than `limits.part_bytes`.
        """
        end = len(data) if end is None else end
        before = self._size
        self.count(end - start)
        piece = memoryview(data)[start:end]
        if self._room is not None:
            self._room[before : self._size] = piece
            return
        if self._size == len(piece):  # the first bytes, mostly all of them
            self._first = piece
            return
        if self._buffer is None:
            self._buffer = BytesIO()
            self._buffer.write(self._first)
            self._first = memoryview(b"")
        self._buffer.write(piece)

    def count(self, nbytes: int) -> None:
        """So many more bytes have come; raises as `write`."""
        self._size += nbytes
        if self._size > self._limit:
            raise self._too_large()
        if self._expected is not None and self._size > self._expected:
            raise SplitError(f"a part is longer than its Content-Length, {self._expected}")

    def room(self) -> memoryview | None:
        """Memory for what is missing of a body that says its length; `None` where it does not, or is a small one.

        There is a little room behind it for what follows the body; what was written there is told to `wrote`.
        """
        missing = 0 if self._expected is None else self._expected - self._size
        if self._expected is None or not missing or (self._room is None and missing < _LEAST_ROOM):
            return None
        if self._room is None:
            self._room = self._rooms.take(self._expected + _TAIL)
            written = self._first if self._buffer is None else self._buffer.getbuffer()
            self._room[: len(written)] = written
            self._first, self._buffer = memoryview(b""), None
        return self._room[self._size :]

    def wrote(self, count: int) -> bytes:
        """So many bytes were written to `room`; those of them that are not the body's any more. Raises as `write`."""
        assert self._room is not None
        assert self._expected is not None
        end = self._size + count
        self.count(min(end, self._expected) - self._size)
        return bytes(self._room[self._expected : end])

    def close(self) -> bytes | memoryview:
        """The whole body; the object is empty afterwards.

        Raises:
            TruncatedError: The part is shorter than its Content-Length.
        """
        if self._expected is not None and self._size != self._expected:
            raise TruncatedError(f"a part of Content-Length {self._expected} ends after {self._size} bytes")
        if self._room is not None:
            received, self._room = self._room[: self._size].toreadonly(), None
            return received
        # BytesIO grows in place and getvalue() hands its bytes out, so that a part is held once.
        whole = bytes(self._first) if self._buffer is None else self._buffer.getvalue()
        self._first, self._buffer = memoryview(b""), None
        return whole

    def _too_large(self) -> LimitError:
        return LimitError(f"a part has more than limits.part_bytes={self._limit}")


def parse_headers(block: bytes, limits: Limits = DEFAULT_LIMITS) -> dict[str, str]:
    """The header fields of a part by lower-case name.

    Args:
        block: Its lines, separated by CRLF; folded lines (RFC 5322, section 2.2.3) are joined.
        limits: `part_headers` holds here.

    Raises:
        SplitError: A line is not a field, Content-Type or Content-Length comes twice, or the part is coded.
        LimitError: There are too many lines.
    """
    lines = block.split(b"\r\n") if block else []
    if len(lines) > limits.part_headers:
        raise LimitError(f"a part has more than limits.part_headers={limits.part_headers} header lines")
    headers: dict[str, str] = {}
    is_folded = b"\r\n " in block or b"\r\n\t" in block or block.startswith((b" ", b"\t"))
    for line in _unfolded(lines) if is_folded else lines:
        match = _HEADER_LINE.match(line)
        if match is None:
            raise SplitError(f"not a header line of a part: {line[:60]!r}")
        name, value = match[1].decode("ascii").lower(), match[2].decode("latin-1").strip(" \t")
        if name in headers and name in _ONCE:
            raise SplitError(f"a part has {name} twice")
        if name in _PLAIN and value.lower() not in _PLAIN[name]:
            raise SplitError(f"a part comes in {name} {value[:40]!r}, which DICOMweb does not use")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _content_length(headers: Mapping[str, str]) -> int | None:
    value = headers.get("content-length")
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()):
        raise SplitError(f"not a Content-Length of a part: {value[:40]!r}")
    return int(value[:20])


def _unfolded(lines: list[bytes]) -> Iterator[bytes]:
    """Header lines with their continuations joined."""
    folded: list[bytes] = []
    for line in lines:
        if not line.startswith((b" ", b"\t")):
            if folded:
                yield b" ".join(folded)
            folded = [line]
        elif folded:
            folded.append(line.strip(b" \t"))
        else:
            raise SplitError("a part's header begins with a continuation line")
    if folded:
        yield b" ".join(folded)
