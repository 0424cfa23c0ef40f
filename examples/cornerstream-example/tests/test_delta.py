"""The decoder, found by its entry point and behind the guards of cornerstream."""

from __future__ import annotations

import numpy as np
import pytest

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import EncodedFrame
from cornerstream.images.metadata import FrameMetadata
from cornerstream.operators.decoder_table import decoder_for
from cornerstream.operators.decompress import decode_frame
from cornerstream_example import delta
from cornerstream_example.rows import DELTA

PIXELS = np.random.default_rng(1).integers(0, 65536, (7, 9), np.uint16)


def frame(data: bytes, rows: int = 7, columns: int = 9) -> EncodedFrame:
    metadata = FrameMetadata(
        transfer_syntax_uid=delta.TRANSFER_SYNTAX_UID,
        rows=rows,
        columns=columns,
        photometric_interpretation="MONOCHROME2",
        bits_allocated=16,
        bits_stored=16,
        high_bit=15,
    )
    return EncodedFrame(metadata, data)


def test_it_is_found() -> None:
    assert DELTA.uid == delta.TRANSFER_SYNTAX_UID
    assert decoder_for(DELTA.uid).distribution == "cornerstream-example 0.1.0"


def test_what_was_encoded_comes_out() -> None:
    np.testing.assert_array_equal(decode_frame(frame(delta.encode(PIXELS))).pixels, PIXELS)


@pytest.mark.parametrize("cut", [0, 3, 4, 20, -1])
def test_a_cut_frame_is_refused(cut: int) -> None:
    with pytest.raises(DecodeError):
        decode_frame(frame(delta.encode(PIXELS)[:cut]))


def test_another_size_is_refused() -> None:
    with pytest.raises(DecodeError, match="7 × 9 × 1, the data set says 9 × 7 × 1"):
        decode_frame(frame(delta.encode(PIXELS), 9, 7))
