"""Where codestreams begin and end; pydicom's encoder makes the RLE."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.encaps import generate_frames

from cornerstream.operators.codestream_markers import HEAD_BYTES, codestream, ends_with_marker, is_rle_header
from tests.support.frames import metadata
from tests.support.part10 import DEFLATED_FRAME, JPEG, JPEG_2000, JPEG_LS, JPEG_XL, PRIVATE, RLE, image_data_set


@pytest.mark.parametrize("tail", [b"xx\xff\xd9", b"x\xff\xd9\0", b"x\xff\xd9\xff", b"\xff\xd9\0\0\0", b"\xff\xff\xd9"])
def test_an_end_marker_with_and_without_padding(tail: bytes) -> None:
    assert ends_with_marker(tail)


@pytest.mark.parametrize("tail", [b"", b"\xff", b"\xd9", b"\xff\xd8", b"\xff\xd9x", bytes(8)])
def test_no_end_marker(tail: bytes) -> None:
    assert not ends_with_marker(tail)


@pytest.mark.parametrize("bits", [8, 16])
def test_rle_headers_are_pydicoms(bits: int) -> None:
    data_set = image_data_set(Rows=16, Columns=16, BitsAllocated=bits, BitsStored=bits, HighBit=bits - 1)
    array = np.arange(256, dtype=f"u{bits // 8}").reshape(16, 16)
    data_set.compress(RLE, array, encoding_plugin="pydicom")
    (frame,) = generate_frames(data_set.PixelData, number_of_frames=1)
    assert is_rle_header(frame[:HEAD_BYTES], bits // 8)
    assert not is_rle_header(frame[:HEAD_BYTES], bits // 8 + 1)
    assert not is_rle_header(frame[:63], bits // 8)
    assert not is_rle_header(frame[1:], bits // 8)


def test_starts_by_transfer_syntax() -> None:
    starts = {
        JPEG: b"\xff\xd8\xff\xe0",
        JPEG_LS: b"\xff\xd8\xff\xf7",
        JPEG_2000: b"\xff\x4f\xff\x51",
        "1.2.840.10008.1.2.4.203": b"\0\0\0\x0cjP  \r\n\x87\n",
    }
    for uid, head in starts.items():
        known = codestream(metadata(uid)).starts
        assert known is not None
        assert known(head)
        assert not known(b"\0" * 16)


@pytest.mark.parametrize("uid", [PRIVATE, "1.2.840.10008.1.2.4.100", "1.2.3", "", "1.2.840.10008.1.2.4.x"])
def test_of_others_nothing_is_known(uid: str) -> None:
    known = codestream(metadata(uid))
    assert (known.starts, known.ends, known.one_fragment) == (None, None, False)


@pytest.mark.parametrize("head", [b"\xff\x0a\x7f", b"\0\0\0\x0cJXL \r\n\x87\n\0"])
def test_jpeg_xl_has_a_signature_that_finds_no_frames(head: bytes) -> None:
    known = codestream(metadata(JPEG_XL))
    assert known.refutable
    assert not known.refutes(head)
    assert known.refutes(head[1:])
    assert not codestream(metadata(PRIVATE)).refutes(b"anything")


def test_a_deflated_frame_is_one_fragment() -> None:
    assert codestream(metadata(DEFLATED_FRAME)).one_fragment
