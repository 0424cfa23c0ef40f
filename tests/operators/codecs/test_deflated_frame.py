"""Deflated frames: zlib's own compressor as the oracle, bombs and cuts refused."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import EncodedFrame
from cornerstream.operators.decompress import decode_frame
from tests.support.frames import metadata

if TYPE_CHECKING:
    from numpy.typing import NDArray

UID = "1.2.840.10008.1.2.8.1"


def deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def decode(data: bytes, **attributes: Any) -> NDArray[Any]:
    return decode_frame(EncodedFrame(metadata(UID, **attributes), data)).pixels


@pytest.mark.parametrize("padding", [b"", b"\0"])
def test_words_and_bits(padding: bytes) -> None:
    words = np.arange(12, dtype=np.uint16).reshape(3, 4) * 300
    assert np.array_equal(decode(deflate(words.tobytes()) + padding, rows=3, columns=4, bits_allocated=16), words)
    bits = np.random.default_rng(0).integers(0, 2, (3, 5), np.uint8)
    packed = deflate(np.packbits(bits, bitorder="little").tobytes())
    assert np.array_equal(decode(packed + padding, rows=3, columns=5, bits_allocated=1), bits)


def test_a_stream_that_inflates_to_more_is_refused_without_inflating_it() -> None:
    bomb = deflate(bytes(64 << 20))
    with pytest.raises(DecodeError, match="inflates to more than its description needs: 18 bytes so far, 16 needed"):
        decode(bomb, rows=4, columns=4)


def test_a_cut_stream_is_refused() -> None:
    data = deflate(bytes(range(256)))
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            decode(data[:length], rows=16, columns=16)


def test_a_stream_that_says_all_but_never_ends_is_refused() -> None:
    compressor = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    data = compressor.compress(bytes(range(16))) + compressor.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(DecodeError, match="is cut: 16 bytes so far, 16 needed"):
        decode(data, rows=4, columns=4)


def test_a_stream_that_inflates_to_less_is_refused() -> None:
    with pytest.raises(DecodeError, match="15 bytes; its description needs 16"):
        decode(deflate(bytes(15)), rows=4, columns=4)


def test_garbage_is_refused() -> None:
    with pytest.raises(DecodeError, match="zlib refused the frame"):
        decode(b"\xff" * 20, rows=4, columns=4)
