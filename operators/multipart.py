"""multipart/related (RFC 2387, RFC 2046 section 5.1) into its parts, in any chunking, sans-IO.

Strict where leniency could end in a short part: a missing closing boundary, a wrong Content-Length of a part, line ends
without CR, anything odd on a boundary line, and parts that are multipart themselves are errors. A boundary parameter is
demanded (RFC 2046 section 5.1.1): taking the first line of the body for it would make a boundary of whatever a proxy
or an error page begins with. A response that is not multipart is one part, its whole body.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from cornerstream.images.errors import LimitError, SplitError, TruncatedError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.media_types import parse_content_type
from cornerstream.operators.parts import Part, PartBody, Rooms, parse_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Bodies = Callable[[Mapping[str, str], Limits, Rooms], PartBody]

_MULTIPART = frozenset({"multipart/related", "multipart/mixed"})
_BOUNDARY = re.compile(r"[\x20-\x7e]{0,69}[\x21-\x7e]\Z")  # RFC 2046: 1 to 70 characters, the last one no space
_LONGEST_PADDING = 256


class _State(Enum):
    PREAMBLE = "preamble"
    HEADERS = "headers"
    BODY = "body"
    CLOSING = "closing"  # the closing boundary is there, what follows it is not
    EPILOGUE = "epilogue"
    SINGLE = "single"


class MultipartSplitter:
    """Push parser: bytes in, complete parts out. The bytes of a part are held once.

    Args:
        content_type: The Content-Type field of the response.
        limits: `parts`, `part_bytes`, `part_headers` and `part_header_bytes` hold here.
        bodies: Makes what takes the bytes of a part, of its header fields.

    Raises:
        SplitError: There is no Content-Type, or it is a multipart without a usable boundary.
    """

    def __init__(self, content_type: str, limits: Limits = DEFAULT_LIMITS, bodies: Bodies = PartBody) -> None:
        if not content_type.strip():
            raise SplitError("the response has no Content-Type, so nothing says how its parts are framed")
        self._limits, self._bodies, self._rooms = limits, bodies, Rooms()
        boundary = boundary_of(content_type)
        self._delimiter = b"\r\n--" + (boundary or "").encode("ascii")
        self._state = _State.SINGLE if boundary is None else _State.PREAMBLE
        # As if a line end came first: then the first boundary is a delimiter like every other.
        self._buffer = b"" if boundary is None else b"\r\n"
        self._at = 0
        self._skip = 0  # bytes at `_at` that belong to the header, but may also begin a delimiter
        self._count = 0
        self._fed = len(self._buffer)
        self._headers: Mapping[str, str] = {"content-type": content_type}
        self._block: bytes | None = None
        self._body = (bodies if boundary is None else PartBody)(self._headers, limits, self._rooms)
        self._done: list[Part] = []

    def feed(self, chunk: bytes) -> list[Part]:
        """Take the next bytes; returns the parts they complete.

        Raises:
            SplitError: The framing contradicts itself.
            LimitError: A limit is reached.
        """
        self._fed += len(chunk)
        if self._state is _State.SINGLE:
            self._body.write(chunk)
        elif self._state is not _State.EPILOGUE:
            self._buffer = self._buffer + chunk if self._buffer else bytes(chunk)
            while self._step():
                pass
            self._buffer, self._at = self._buffer[self._at :], 0
        return self._taken()

    def room(self) -> memoryview | None:
        """Memory for the next bytes, where it is known that most belong to a part; else they are for `feed`."""
        return None if self._buffer or self._state is not _State.BODY else self._body.room()

    def wrote(self, count: int) -> list[Part]:
        """Take bytes that were written to `room` instead of being fed; returns the parts they complete. Raises as `feed`."""
        behind = self._body.wrote(count)
        self._fed += count - len(behind)
        return self.feed(behind) if behind else []

    def close(self) -> list[Part]:
        """The bytes have ended; returns what only that completes.

        Raises:
            TruncatedError: The closing boundary is missing.
            SplitError: Bytes came, and none of their lines began with the boundary.
        """
        if self._state is _State.SINGLE:
            self._complete()
        elif self._state is _State.PREAMBLE and self._fed > len(self._buffer) and self._delimiter not in self._buffer:
            raise SplitError("the boundary that Content-Type names does not begin any line of the body")
        elif self._state not in {_State.CLOSING, _State.EPILOGUE}:
            raise TruncatedError(f"the closing boundary is missing after {self._count} parts")
        self._state = _State.EPILOGUE
        return self._taken()

    def discard(self) -> None:
        """Let go of what was taken and not given out: the traceback of an error that somebody keeps would hold it."""
        self._buffer, self._done = b"", []
        self._body = PartBody({}, self._limits)

    def _taken(self) -> list[Part]:
        done = self._done
        if self._state is _State.CLOSING and done:
            # Held back until it is known that the closing boundary is not the beginning of something else.
            self._done = done[-1:]
            return done[:-1]
        self._done = []
        return done

    def _step(self) -> bool:
        """Go one step on; false when more bytes are needed."""
        if self._state is _State.HEADERS:
            return self._read_headers()
        if self._state is _State.CLOSING:
            return self._check_closing()
        if self._state is _State.EPILOGUE:
            self._at = len(self._buffer)
            return False
        return self._read_to_delimiter()

    def _read_to_delimiter(self) -> bool:
        """Take a body (or skip the preamble) as far as it is there, and the delimiter behind it."""
        index = self._buffer.find(self._delimiter, self._at)
        start = self._at + self._skip
        if index < 0:
            end = self._undecided()
            if end > start:
                self._take(start, end)
                self._at, self._skip = end, 0
            return False
        after = index + len(self._delimiter)
        kind = self._line_after(after)
        if kind is None:  # the rest of the delimiter's line is still to come
            if index > start:
                self._take(start, index)
            self._at, self._skip = index, max(0, start - index)
            return False
        if index > start:
            self._take(start, index)
        self._finish_body(closing=kind < 0)
        self._at = after + abs(kind)
        return True

    def _take(self, start: int, end: int) -> None:
        if self._state is _State.BODY:
            self._body.write(self._buffer, start, end)

    def _undecided(self) -> int:
        """Where the bytes begin that may be the beginning of a delimiter."""
        buffer, delimiter = self._buffer, self._delimiter
        index = buffer.rfind(b"\r", max(self._at, len(buffer) - len(delimiter) + 1))
        return index if index >= 0 and delimiter.startswith(buffer[index:]) else len(buffer)

    def _line_after(self, after: int) -> int | None:
        """What follows a delimiter: length of padding and line end; -2 if it closes; `None` if it is not there yet."""
        buffer = self._buffer
        if buffer.startswith(b"--", after):
            return -2
        end = buffer.find(b"\r\n", after)
        rest = buffer[after : end if end >= 0 else after + _LONGEST_PADDING + 2]
        odd = rest.strip(b" \t")  # RFC 2046's transport padding
        if len(rest) > _LONGEST_PADDING or (odd if end >= 0 else odd not in {b"", b"\r", b"-"}):
            raise SplitError(f"a boundary line goes on with {rest[:40]!r}; it ends with CRLF")
        return None if end < 0 else end + 2 - after

    def _finish_body(self, *, closing: bool) -> None:
        if self._state is _State.BODY:
            self._complete()
        elif closing:
            raise SplitError("a multipart body without any part")
        self._state = _State.CLOSING if closing else _State.HEADERS

    def _complete(self) -> None:
        self._done.append(Part(self._headers, self._body.close(), self._rooms))

    def _check_closing(self) -> bool:
        after = self._buffer[self._at : self._at + 1]
        if after and after not in b" \t\r\n":
            raise SplitError("bytes follow the closing boundary on its line")
        if after:
            self._state = _State.EPILOGUE
        return bool(after)

    def _read_headers(self) -> bool:
        # The CRLF of the empty line is left in front of the body: it begins the delimiter of a part without a body.
        start, buffer = self._at, self._buffer
        if buffer.startswith(b"\r\n", start):
            block, empty_line = b"", start
        else:
            end = buffer.find(b"\r\n\r\n", start)
            block, empty_line = (buffer[start:end], end + 2) if end >= 0 else (buffer[start:], -1)
        if len(block) > self._limits.part_header_bytes:
            raise LimitError(f"a part's header has more than limits.part_header_bytes={self._limits.part_header_bytes}")
        if empty_line < start:  # the header is not there whole
            if b"\n" in block.replace(b"\r\n", b""):
                raise SplitError("a part's header line ends with LF alone; CRLF is required (RFC 2046)")
            return False
        self._begin_part(block)
        self._at, self._skip = empty_line, 2
        return True

    def _begin_part(self, block: bytes) -> None:
        self._count += 1
        if self._count > self._limits.parts:
            raise LimitError(f"more than limits.parts={self._limits.parts} parts")
        if block != self._block:  # else it says what the one before said
            self._headers, self._block = parse_headers(block, self._limits), block
        if self._headers.get("content-type", "").lstrip().lower().startswith("multipart/"):
            raise SplitError("a part is multipart itself, which DICOMweb does not use (PS3.18 section 8.6.1.2)")
        self._body = self._bodies(self._headers, self._limits, self._rooms)
        self._state = _State.BODY


def boundary_of(content_type: str) -> str | None:
    """The boundary of a multipart Content-Type; `None` if it is not multipart.

    Raises:
        SplitError: The boundary is missing, empty, too long or not ASCII, or the kind of multipart is not a sequence
            of complete parts (byteranges, for instance).
    """
    parsed = parse_content_type(content_type)
    if not parsed.media_type.startswith("multipart/"):
        return None
    if parsed.media_type not in _MULTIPART:
        raise SplitError(f"{parsed.media_type} where multipart/related was expected")
    boundary = parsed.parameters.get("boundary")
    if boundary is None:
        raise SplitError("multipart without a boundary parameter; the server must name one (RFC 2046 section 5.1.1)")
    if not _BOUNDARY.match(boundary):
        raise SplitError(f"not a boundary of 1 to 70 characters (RFC 2046 section 5.1.1): {boundary[:80]!r}")
    return boundary


def split_parts(data: bytes, content_type: str, limits: Limits = DEFAULT_LIMITS) -> list[Part]:
    """The parts of a whole body; see `MultipartSplitter` for the errors."""
    splitter = MultipartSplitter(content_type, limits)
    return splitter.feed(data) + splitter.close()
