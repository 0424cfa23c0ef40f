"""JPEG XL (ISO/IEC 18181) with libjxl, as a codestream or in its container."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from cornerstream.images.errors import DecodeError
from cornerstream.operators.codecs.stored_values import codec_values, decoded

if TYPE_CHECKING:
    from cornerstream.images.frames import DecodedFrame, EncodedFrame

_LOSSLESS = "1.2.840.10008.1.2.4.110"
_CONTAINER = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
_CODESTREAM = b"\xff\x0a"
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # ISO/IEC 18181-1, table of SizeHeader


def decode_jpegxl(frame: EncodedFrame) -> DecodedFrame:
    """Decode with libjxl (imagecodecs), which asks for more input where a codestream is cut.

    Raises:
        DecodeError: The codestream is cut, is no JPEG XL, or contradicts the description.
    """
    from imagecodecs import jpegxl_decode  # noqa: PLC0415 - no codec is imported before it is needed

    metadata = frame.metadata
    codestream = bytes(frame.data)
    size = read_size(codestream)
    if size != (metadata.rows, metadata.columns):
        raise DecodeError(
            f"the JPEG XL codestream has {size[0]} × {size[1]} pixels, the data set {metadata.rows} × {metadata.columns}"
        )
    samples = jpegxl_decode(codestream, keeporientation=True, numthreads=1)
    if 8 * samples.itemsize > max(8, metadata.bits_allocated):
        raise DecodeError(
            f"the JPEG XL samples have {8 * samples.itemsize} bits, Bits Allocated is {metadata.bits_allocated}"
        )
    lossless = metadata.transfer_syntax_uid == _LOSSLESS
    values = codec_values(samples, metadata, precision=8 * samples.itemsize, lossless=lossless)
    return decoded(frame, values, "RGB" if metadata.samples_per_pixel == 3 else "")


def read_size(data: bytes) -> tuple[int, int]:
    """Rows and columns of the size header, without decoding.

    Raises:
        DecodeError: It is not JPEG XL.
    """
    codestream = _without_boxes(data) if data[:12] == _CONTAINER else data
    if codestream[:2] != _CODESTREAM or len(codestream) < 12:
        raise DecodeError("not a JPEG XL codestream: it does not begin with FF 0A")
    bits = _Bits(int.from_bytes(codestream[2:12], "little"))
    small = bits.take(1)
    rows = _length(bits, small)
    ratio = bits.take(3)
    if ratio:
        numerator, denominator = _RATIOS[ratio - 1]
        return rows, rows * numerator // denominator
    return rows, _length(bits, small)


class _Bits:
    """Bits of a number, least significant first."""

    __slots__ = ("_rest",)

    def __init__(self, number: int) -> None:
        self._rest = number

    def take(self, count: int) -> int:
        value = self._rest & (1 << count) - 1
        self._rest >>= count
        return value


def _length(bits: _Bits, small: int) -> int:
    """Rows or columns: a multiple of 8 up to 256, or 9, 13, 18 or 30 bits."""
    if small:
        return (bits.take(5) + 1) * 8
    return bits.take((9, 13, 18, 30)[bits.take(2)]) + 1


def _without_boxes(data: bytes) -> bytes:
    """The codestream, or its first part, inside the container's boxes (ISO/IEC 18181-2)."""
    position = 0
    while position + 16 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        header = 8
        if length == 1:
            length, header = int.from_bytes(data[position + 8 : position + 16], "big"), 16
        if kind in (b"jxlc", b"jxlp"):
            return data[position + header + (4 if kind == b"jxlp" else 0) :]  # a part begins with its number
        if length < header:
            break
        position += length
    raise DecodeError("the JPEG XL container holds no codestream")
