"""What a codestream says of its own transfer syntax in its first bytes (JPEG, JPEG-LS, JPEG 2000, HTJ2K, JPEG XL, RLE)."""

from __future__ import annotations

import struct

_BASE = "1.2.840.10008.1.2.4."


def _jpeg_family(*numbers: int) -> frozenset[str]:
    return frozenset(f"{_BASE}{number}" for number in numbers)


JPEG = _jpeg_family(50, 51, 53, 55, 57, 70)
JPEG_LS = _jpeg_family(80, 81)
JPEG_2000 = _jpeg_family(90, 91, 92, 93)
HTJ2K = _jpeg_family(201, 202, 203)
JPEG_XL = _jpeg_family(110, 111, 112)
RLE = frozenset({"1.2.840.10008.1.2.5"})

_FAMILIES = (JPEG, JPEG_LS, JPEG_2000, HTJ2K, JPEG_XL, RLE)

_BY_FRAME_HEADER = {
    0xC0: _jpeg_family(50, 51),  # a baseline stream is an extended one as well (ISO 10918-1)
    0xC1: _jpeg_family(51),
    0xC2: _jpeg_family(55),
    0xC3: _jpeg_family(57, 70),
    0xF7: JPEG_LS,
}
_J2K_START = b"\xff\x4f\xff\x51"
_JP2_BOX = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_JXL_START = b"\xff\x0a"
_JXL_BOX = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xDA)})


def family_of(transfer_syntax_uid: str) -> frozenset[str]:
    """The transfer syntaxes of the same coding standard; none for an uncompressed or unknown one."""
    return next((family for family in _FAMILIES if transfer_syntax_uid in family), frozenset())


def codestream_transfer_syntaxes(data: bytes) -> frozenset[str]:
    """The transfer syntaxes that bytes can be of, judged by their beginning; none if they begin like no codestream."""
    if data[:3] == b"\xff\xd8\xff":
        return _of_jpeg(data)
    if data[:4] == _J2K_START or data[:12] == _JP2_BOX:
        return _of_jpeg_2000(data)
    if data[:12] == _JXL_BOX or data[:2] == _JXL_START:
        return JPEG_XL
    return RLE if _is_rle(data) else frozenset()


def _of_jpeg(data: bytes) -> frozenset[str]:
    """Go from marker to marker up to the frame header (ISO 10918-1 B.1.1)."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _BY_FRAME_HEADER:
            return _of_lossless_jpeg(data, at) if marker == 0xC3 else _BY_FRAME_HEADER[marker]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            at += 1 if marker == 0xFF else 2
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return frozenset()


def _of_lossless_jpeg(data: bytes, frame_header: int) -> frozenset[str]:
    """.70 is process 14 with first-order prediction; another selection value leaves .57 (PS3.5 A.4.2)."""
    scan = data.find(b"\xff\xda", frame_header)
    components = data[scan + 4] if scan >= 0 and scan + 5 <= len(data) else 0
    predictor = scan + 5 + 2 * components
    if not components or predictor >= len(data):
        return frozenset()
    return _jpeg_family(57, 70) if data[predictor] == 1 else _jpeg_family(57)


def _of_jpeg_2000(data: bytes) -> frozenset[str]:
    """HTJ2K has a CAP marker segment; the COD segment says whether the wavelet is reversible (ISO 15444-1 A.6.1)."""
    at = data.find(_J2K_START) + 2
    high_throughput = False
    while at >= 2 and at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        high_throughput = high_throughput or marker == 0x50
        if marker == 0x52 and at + 14 <= len(data):
            reversible = data[at + 13] == 1
            if high_throughput:
                return HTJ2K if reversible else _jpeg_family(203)
            return JPEG_2000 if reversible else _jpeg_family(91, 93)
        at += 2 + length
    return frozenset()


def _is_rle(data: bytes) -> bool:
    """The 64-byte header: number of segments, their rising offsets from 64 on, zeros (PS3.5 G.5)."""
    if len(data) < 64:
        return False
    segments, *offsets = struct.unpack_from("<16L", data)
    if not 1 <= segments <= 15 or offsets[0] != 64:
        return False
    used, unused = offsets[:segments], offsets[segments:]
    return not any(unused) and all(a < b for a, b in zip(used, [*used[1:], len(data) + 1], strict=True))
