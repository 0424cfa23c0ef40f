"""Markers of JPEG and JPEG-LS codestreams, read as far as the first scan (ISO/IEC 10918-1 annex B, 14495-1 annex C)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cornerstream.images.errors import DecodeError
from cornerstream.operators.codecs.guards import CodestreamHeader

if TYPE_CHECKING:
    from collections.abc import Iterator

SOF_JPEG_LS = 0xF7
_SOI, _EOI, _SOS, _APP0, _APP14 = 0xD8, 0xD9, 0xDA, 0xE0, 0xEE
_LOSSLESS = 0xC3
# Sequential, progressive and lossless with Huffman codes. Hierarchical and arithmetic ones are in no transfer syntax.
_DECODED = frozenset({0xC0, 0xC1, 0xC2, _LOSSLESS, SOF_JPEG_LS})
_MOST_SEGMENTS = 4096  # in front of the first scan, fill bytes counted
_START_OF_SCAN = bytes((0xFF, _SOS))
_HEAD_BYTES = 1024  # longer headers are not remembered
_HEADS = 32
# Start of frame: C0 to CF without DHT, JPG and DAC; F7 is JPEG-LS.
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {SOF_JPEG_LS}


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What the markers in front of the first scan say.

    Attributes:
        size: Rows, columns, components and precision of the start of frame.
        process: Low byte of the start of frame marker; F7 is JPEG-LS.
        sampling: Horizontal and vertical sampling factor of each component.
        jfif: There is a JFIF marker, which means YCbCr for three components.
        adobe_transform: Colour transform of a valid Adobe marker; `None` without one.
        scan_offset: Where the first scan begins.
        interleaved: The first scan holds all components.
        units: Blocks of 8 × 8 samples of all components, or samples of a lossless frame; each costs a bit at least.
    """

    size: CodestreamHeader
    process: int
    sampling: tuple[tuple[int, int], ...]
    jfif: bool
    adobe_transform: int | None
    scan_offset: int
    interleaved: bool
    units: int

    @property
    def lossless(self) -> bool:
        """The frame is coded by prediction (process 14), without a colour transform."""
        return self.process == _LOSSLESS


def read_jpeg_header(codestream: bytes | memoryview) -> JpegHeader:
    """Read the markers in front of the first scan.

    Raises:
        DecodeError: It is not a JPEG or JPEG-LS codestream, has not exactly one frame header before its first scan, or
            a process that no transfer syntax allows.
    """
    head = bytes(codestream[:_HEAD_BYTES])
    scan = head.find(_START_OF_SCAN)
    end = scan + 2 + int.from_bytes(head[scan + 2 : scan + 4], "big")
    known = _header_of(head[:end])
    return _read_header(codestream) if known is None else known


@lru_cache(maxsize=_HEADS)
def _header_of(head: bytes) -> JpegHeader | None:
    """The header, if it is whole; those of the frames of a series hardly differ. What follows a scan's header changes none."""
    try:
        return _read_header(head)
    except DecodeError:
        return None  # whoever reads it with what is behind it finds out why


def _read_header(codestream: bytes | memoryview) -> JpegHeader:
    frame, jfif, adobe = None, False, None
    for marker, start, payload in _segments(codestream):
        if marker == _SOS:
            if frame is None:
                break
            interleaved = payload[:1] == bytes((frame[0].samples,))
            return JpegHeader(*frame, jfif, adobe, start, interleaved, _units(*frame))
        if marker in _SOF:
            if frame is not None:
                raise DecodeError("the JPEG codestream has two frame headers")
            frame = _frame_size(payload), marker, _sampling(payload, marker)
        elif marker == _APP0:
            jfif = jfif or payload[:5] == b"JFIF\0"
        elif marker == _APP14:
            adobe = _adobe_transform(payload, adobe)
    raise DecodeError("the JPEG codestream has no frame header in front of a scan")


def _segments(codestream: bytes | memoryview) -> Iterator[tuple[int, int, bytes]]:
    """Marker, offset and payload of each marker segment, the first scan's included."""
    if codestream[:2] != bytes((0xFF, _SOI)):
        raise DecodeError("not a JPEG codestream: it does not begin with FF D8")
    position, end = 2, len(codestream)
    for _ in range(_MOST_SEGMENTS):
        if position + 4 > end or codestream[position] != 0xFF:
            break
        marker = codestream[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        length = int.from_bytes(codestream[position + 2 : position + 4], "big")
        if marker == _EOI or length < 2 or position + 2 + length > end:
            break
        yield marker, position, bytes(codestream[position + 4 : position + 2 + length])
        position += 2 + length


def _frame_size(payload: bytes) -> CodestreamHeader:
    """Precision, lines, samples a line, components (ISO/IEC 10918-1 B.2.2)."""
    if len(payload) < 6 or len(payload) != 6 + 3 * payload[5]:
        raise DecodeError("the JPEG frame header is cut short")
    rows, columns = int.from_bytes(payload[1:3], "big"), int.from_bytes(payload[3:5], "big")
    return CodestreamHeader(rows, columns, payload[5], payload[0])


def _sampling(payload: bytes, marker: int) -> tuple[tuple[int, int], ...]:
    """Horizontal and vertical sampling factors, 1 to 4 each (ISO/IEC 10918-1 B.2.2)."""
    if marker not in _DECODED:
        raise DecodeError(f"hierarchical and arithmetic JPEG (here FF {marker:02X}) is in no transfer syntax")
    factors = tuple((value >> 4, value & 15) for value in payload[7::3])
    if not factors or any(not (1 <= across <= 4 and 1 <= down <= 4) for across, down in factors):
        raise DecodeError(f"JPEG sampling factors of {factors} cannot be; each is 1 to 4")
    return factors


def _units(size: CodestreamHeader, process: int, sampling: tuple[tuple[int, int], ...]) -> int:
    unit = 1 if process == _LOSSLESS else 8
    most = [max(factors[axis] for factors in sampling) for axis in (0, 1)]
    return sum(
        -(-size.columns * across // (most[0] * unit)) * -(-size.rows * down // (most[1] * unit))
        for across, down in sampling
    )


def _adobe_transform(payload: bytes, before: int | None) -> int | None:
    """The transform flag: 0 is RGB (or CMYK), 1 YCbCr; a marker that is too short or says anything else is not valid."""
    valid = len(payload) >= 12 and payload[:5] == b"Adobe" and payload[11] in (0, 1)
    return payload[11] if valid else before
