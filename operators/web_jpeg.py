"""JPEG from the web: its markers walked to the end of image, its samples decoded by libjpeg-turbo (ISO/IEC 10918-1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cornerstream.images.errors import DecodeError, LimitError, SplitError, TruncatedError
from cornerstream.operators.codecs.guards import translated
from cornerstream.operators.web_exif import read_orientation
from cornerstream.operators.web_page import WebPage, WebSamples, check_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cornerstream.images.limits import Limits

SIGNATURE = b"\xff\xd8\xff"
_SOI, _EOI, _SOS, _APP0, _APP1, _APP2, _APP14 = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE
_LOSSLESS = 0xC3
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # without DHT, JPG and DAC
_DECODED = frozenset({0xC0, 0xC1, 0xC2, _LOSSLESS, 0xC9, 0xCA})  # hierarchical ones no decoder here knows
_STANDALONE = frozenset({0x01, _SOI, *range(0xD0, 0xD8)})
# In entropy-coded data FF is followed by 00 (a stuffed byte), a restart marker, or another FF.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)  # one FF: more would be tried from each of a long run
_ICC = b"ICC_PROFILE\0"
_MOST_SEGMENTS = 1 << 16
_NO_PICTURE = bytes(range(1, 128)) + b"\xff\xd9"  # entropy-coded data that belongs to nothing
_MOST_SCANS = 256  # one for every coefficient of three components, and some to refine them


@dataclass(frozen=True, slots=True)
class JpegFrame:
    """What a start of frame says.

    Attributes:
        process: Low byte of its marker: C0 and C1 sequential, C2 progressive, C3 lossless.
        bits: Of a sample.
        rows: Height in pixels.
        columns: Width in pixels.
        sampling: Horizontal and vertical sampling factor of each component.
        names: Of the components, a byte each.
    """

    process: int
    bits: int
    rows: int
    columns: int
    sampling: tuple[tuple[int, int], ...]
    names: bytes

    @property
    def units(self) -> int:
        """Blocks of 8 × 8 samples of all components, or samples of a lossless frame; each costs a bit at least."""
        unit = 1 if self.process == _LOSSLESS else 8
        most = [max(factors[axis] for factors in self.sampling) for axis in (0, 1)]
        return sum(
            -(-self.columns * across // (most[0] * unit)) * -(-self.rows * down // (most[1] * unit))
            for across, down in self.sampling
        )


@dataclass(frozen=True, slots=True)
class JpegPage:
    """Decodes a JPEG; see `open_jpeg`.

    Attributes:
        frame: Its start of frame.
        end: Where its end of image marker ends.
    """

    frame: JpegFrame
    end: int

    def samples(self, body: bytes, out: NDArray[np.generic] | None = None) -> NDArray[np.generic]:
        """Grey, RGB, or CMYK with 0 for no ink: libjpeg undoes YCbCr and YCCK as the file's markers say.

        Raises:
            DecodeError: libjpeg refuses them, or they end before the picture does.
        """
        decoded = _libjpeg(body[: self.end], out)
        # Where a scan ends too early libjpeg fills up with mid-grey. It reads no further than a whole picture needs: bytes
        # behind that change nothing, and change what was filled up.
        middle = 1 << self.frame.bits - 1
        if (decoded[-1, -1] == middle).all() and not np.array_equal(
            _libjpeg(body[: self.end - 2] + _NO_PICTURE, None), decoded
        ):
            raise DecodeError("the scans of the JPEG end before its picture does")
        # Adobe's programs write ink as 0, and every reader takes every four-component file for one of theirs.
        return np.invert(decoded) if decoded.ndim == 3 and decoded.shape[2] == 4 else decoded

    def decode(self, body: bytes, index: int, out: NDArray[np.generic] | None) -> WebSamples:
        """Decode the samples; CMYK becomes RGB without a profile: (255 - C) × (255 - K) / 255."""
        del index
        samples = self.samples(body, out if len(self.frame.sampling) < 4 else None)
        return WebSamples(rgb_of_cmyk(samples) if len(self.frame.sampling) == 4 else samples)


def rgb_of_cmyk(cmyk: NDArray[np.generic]) -> NDArray[np.uint8]:
    """RGB of rows × columns × 4 of CMYK in uint8, 0 for no ink, rounded to the nearest."""
    light = np.invert(cmyk.astype(np.uint8, copy=False)).astype(np.uint16)
    product = light[..., :3] * light[..., 3:]
    product += 127
    product //= 255
    return product.astype(np.uint8)


def open_jpeg(body: bytes, limits: Limits) -> tuple[WebPage, ...]:
    """Prove a JPEG complete and describe it; what follows its end of image is not looked at.

    Raises:
        TruncatedError: It ends before its end of image marker.
        SplitError: Its marker segments contradict each other.
        DecodeError: It is of a kind that is not decoded, or its scans are too short for its size.
        LimitError: It is above a limit.
    """
    found = _Segments()
    for marker, start, end in _walk(body):
        if marker == _SOS:
            found.take_scan(end - start)
        else:
            found.take(marker, body[start:end])
    frame = found.checked()
    page = WebPage(
        frame.rows,
        frame.columns,
        bits=frame.bits,
        samples=len(frame.sampling) * (2 if len(frame.sampling) == 4 else 1),
        codec=JpegPage(frame, end),
        dtype=np.dtype(np.uint8 if frame.bits <= 8 else np.uint16),
        colour=len(frame.sampling) > 1,
        found=found.photometric_interpretation(frame),
        orientation=found.orientation,
        icc_profile=found.profile(),
    )
    check_page(page, limits)
    # A Huffman code has a bit at least, and there is one for every block: libjpeg would fill the rest with grey.
    if 8 * found.scan_bytes < frame.units:
        raise DecodeError(f"{found.scan_bytes} bytes of JPEG scans cannot hold {frame.rows} × {frame.columns} pixels")
    return (page,)


@dataclass(slots=True)
class _Segments:
    """What the segments of a file say, taken one after the other."""

    frame: JpegFrame | None = None
    orientation: int = 1
    scans: int = 0
    scan_bytes: int = 0
    icc: dict[int, bytes] = field(default_factory=dict)
    exif: bool = False
    adobe: int | None = None
    jfif: bool = False

    def take(self, marker: int, payload: bytes) -> None:
        """Note a segment that says something about the picture."""
        if marker in _SOF:
            if self.frame is not None:
                raise SplitError("the JPEG has two frame headers")
            self.frame = _frame(marker, payload)
        elif marker == _APP0:
            self.jfif = self.jfif or payload[:5] == b"JFIF\0"
        elif marker == _APP14 and payload[:5] == b"Adobe" and len(payload) >= 12:
            self.adobe = payload[11]
        elif marker == _APP1 and payload[:6] == b"Exif\0\0" and not self.exif:
            self.exif, self.orientation = True, read_orientation(payload)
        elif marker == _APP2 and payload[:12] == _ICC and len(payload) > 14:
            self.icc.setdefault(payload[12], payload[14:])

    def take_scan(self, length: int) -> None:
        """Note a scan and its data."""
        if self.frame is None:
            raise SplitError("the JPEG has no frame header in front of its first scan")
        self.scans += 1
        self.scan_bytes += length
        if self.scans > _MOST_SCANS:
            # Twelve bytes of a scan make libjpeg visit every block of the frame once more.
            raise DecodeError(f"the JPEG has more than {_MOST_SCANS} scans, which no encoder writes")

    def checked(self) -> JpegFrame:
        """The frame, once all segments are there and go together."""
        frame = self.frame
        if frame is None or not self.scans:
            raise SplitError("the JPEG has no picture: no frame header, or no scan, in front of its end")
        if len(frame.sampling) not in (1, 3, 4) or (len(frame.sampling) == 4 and frame.bits != 8):
            raise DecodeError(f"a JPEG of {len(frame.sampling)} components of {frame.bits} bits is not decoded")
        return frame

    def photometric_interpretation(self, frame: JpegFrame) -> str:
        """As libjpeg finds it: JFIF, else the Adobe marker, else the components' names."""
        if len(frame.sampling) != 3:
            return "CMYK" if len(frame.sampling) == 4 else "MONOCHROME2"
        if not self.jfif and (self.adobe == 0 or (self.adobe is None and frame.names == b"RGB")):
            return "RGB"
        return "YBR_FULL" if len(set(frame.sampling)) == 1 else "YBR_FULL_422"

    def profile(self) -> bytes | None:
        """The colour profile out of its parts; one with a part missing is as broken as it is."""
        return b"".join(self.icc[number] for number in sorted(self.icc)) or None


def _walk(body: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, and where its payload lies, of each segment to the end of image; a scan's data belongs to its payload."""
    position = 2
    for _ in range(_MOST_SEGMENTS):
        # Bytes between segments are skipped, as libjpeg and every browser do.
        match = _MARKER.search(body, position)
        if match is None:
            raise TruncatedError(f"the JPEG of {len(body)} bytes ends before its end of image marker (FF D9)")
        marker, start = match[1][0], match.end()
        if marker == _EOI:
            yield marker, start, start
            return
        if marker in _STANDALONE:
            position = start
            continue
        end = start + int.from_bytes(body[start : start + 2], "big")
        if end > len(body) or start + 2 > len(body):
            raise TruncatedError(f"the JPEG of {len(body)} bytes ends in its segment FF {marker:02X}")
        if end < start + 2:
            raise SplitError(f"the JPEG segment FF {marker:02X} at byte {start} has no length")
        position = _end_of_scan(body, end) if marker == _SOS else end
        yield marker, start + 2, position
    raise LimitError(f"the JPEG has more than {_MOST_SEGMENTS} segments")


def _end_of_scan(body: bytes, start: int) -> int:
    match = _MARKER.search(body, start)
    if match is None:
        raise TruncatedError(f"the JPEG of {len(body)} bytes ends in its scan data, without its end marker (FF D9)")
    end = match.start()
    while end > start and body[end - 1] == 0xFF:  # fill bytes hold no pixels (B.1.1.2)
        end -= 1
    return end


def _frame(marker: int, payload: bytes) -> JpegFrame:
    """Precision, lines, samples a line, components (ISO/IEC 10918-1 B.2.2)."""
    if marker not in _DECODED:
        raise DecodeError(f"hierarchical JPEG (here FF {marker:02X}) is not decoded")
    if len(payload) < 9 or len(payload) != 6 + 3 * payload[5]:
        raise SplitError("the JPEG frame header is cut short")
    factors = tuple((value >> 4, value & 15) for value in payload[7::3])
    if any(not (1 <= across <= 4 and 1 <= down <= 4) for across, down in factors):
        raise DecodeError(f"JPEG sampling factors of {factors} cannot be; each is 1 to 4")
    rows, columns = int.from_bytes(payload[1:3], "big"), int.from_bytes(payload[3:5], "big")
    return JpegFrame(marker, payload[0], rows, columns, factors, payload[6::3])


def _libjpeg(body: bytes, out: NDArray[np.generic] | None) -> NDArray[Any]:
    from imagecodecs import jpeg8_decode  # noqa: PLC0415 - no codec is imported before it is needed

    with translated("libjpeg-turbo"):
        decoded: NDArray[Any] = jpeg8_decode(body, out=out)
    return decoded
