"""Basic info of a JPEG XL codestream, read before anything is decoded (ISO/IEC 18181-1 annex D)."""

from __future__ import annotations

from cornerstream.images.errors import DecodeError
from cornerstream.operators.codecs.boxes import first_box
from cornerstream.operators.codecs.guards import CodestreamHeader

_CONTAINER = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
_CODESTREAM = b"\xff\x0a"
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # table of SizeHeader
_HEADER_BYTES = 64  # what is read here has 40 at most
_GREY = 1  # colour space

# U32 of the standard: two bits choose how many bits follow and what is added to them.
_LENGTH = ((9, 1), (13, 1), (18, 1), (30, 1))
_INTEGER_BITS = ((0, 8), (0, 10), (0, 12), (6, 1))
_EXTRA_CHANNELS = ((0, 0), (0, 1), (4, 2), (12, 1))
_ENUM = ((0, 0), (0, 1), (4, 2), (6, 18))


def read_basic_info(data: bytes | memoryview) -> CodestreamHeader:
    """Rows, columns, samples and precision of a codestream, bare or in its container.

    Raises:
        DecodeError: It is not JPEG XL, or holds what no DICOM frame is: several images, further channels, floats, an
            image that is to be turned.
    """
    bits = _Bits(_head(data))
    rows, columns = _size(bits)
    if bits.take(1):  # all default: 8 bits, RGB
        return CodestreamHeader(rows, columns, 3, 8)
    if bits.take(1):
        _refuse_extra_fields(bits)
    if bits.take(1):
        raise DecodeError("the JPEG XL samples are floats, the data set says integers")
    precision = bits.choose(_INTEGER_BITS)
    bits.take(1)  # whether 16-bit buffers are enough
    extra = bits.choose(_EXTRA_CHANNELS)
    if extra:
        raise DecodeError(f"the JPEG XL codestream has {extra} channels beside its colours, such as opacity")
    bits.take(1)  # XYB
    return CodestreamHeader(rows, columns, _colours(bits), precision)


def _refuse_extra_fields(bits: _Bits) -> None:
    """Orientation, intrinsic size, preview, animation."""
    if bits.take(3):
        raise DecodeError("the JPEG XL image is to be turned or mirrored, which DICOM frames are not")
    if bits.take(1):
        _size(bits)  # for display
    if bits.take(1):
        raise DecodeError("the JPEG XL codestream has a preview; a frame is one image")
    if bits.take(1):
        raise DecodeError("the JPEG XL codestream is an animation; a frame is one image")


def _colours(bits: _Bits) -> int:
    """Colour channels of the colour encoding: 1 where it is grey."""
    if bits.take(1):  # all default: sRGB
        return 3
    bits.take(1)  # ICC profile
    return 1 if bits.choose(_ENUM) == _GREY else 3


def _head(data: bytes | memoryview) -> bytes:
    """The first bytes behind the signature of the codestream."""
    if data[: len(_CONTAINER)] == _CONTAINER:
        kind, data = first_box(data, (b"jxlc", b"jxlp"), "JPEG XL")
        data = data[4:] if kind == b"jxlp" else data  # a part begins with its number
    if data[:2] != _CODESTREAM:
        raise DecodeError("not a JPEG XL codestream: it does not begin with FF 0A")
    return bytes(data[2:_HEADER_BYTES])


def _size(bits: _Bits) -> tuple[int, int]:
    """Rows and columns of a SizeHeader: multiples of 8 up to 256, or anything; the width may be a ratio of the height."""
    small = bits.take(1)
    rows = _length(bits, small)
    ratio = bits.take(3)
    if not ratio:
        return rows, _length(bits, small)
    numerator, denominator = _RATIOS[ratio - 1]
    return rows, rows * numerator // denominator


def _length(bits: _Bits, small: int) -> int:
    return (bits.take(5) + 1) * 8 if small else bits.choose(_LENGTH)


class _Bits:
    """Bits of bytes, least significant first."""

    __slots__ = ("_left", "_rest")

    def __init__(self, data: bytes) -> None:
        self._rest, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        """The next bits as a number."""
        self._left -= count
        if self._left < 0:
            raise DecodeError("the JPEG XL header is cut short")
        value = self._rest & (1 << count) - 1
        self._rest >>= count
        return value

    def choose(self, choices: tuple[tuple[int, int], ...]) -> int:
        """A number of which two bits say how it is written: bits that follow, and what is added to them."""
        count, offset = choices[self.take(2)]
        return self.take(count) + offset
