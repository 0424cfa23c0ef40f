from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerstream.images.errors import FetchError, TruncatedError
from cornerstream.operators.content_encoding import PIECE_BYTES, Inflater

WBITS = {"gzip": 31, "x-gzip": 31, "Deflate": 15, "deflate": -15}


def inflated(coding: str, data: bytes, size: int) -> bytes:
    inflater = Inflater(coding)
    pieces = [piece for at in range(0, len(data), size) for piece in inflater.inflate(data[at : at + size])]
    inflater.close()
    return b"".join(pieces)


@given(st.binary(max_size=200), st.sampled_from(list(WBITS.items())), st.integers(1, 50))
def test_any_chunking_inflates_and_no_cut_is_missed(data: bytes, coding: tuple[str, int], size: int) -> None:
    packer = zlib.compressobj(wbits=coding[1])
    packed = packer.compress(data) + packer.flush()
    assert inflated(coding[0], packed, size) == data
    for cut in (1, len(packed) // 2, len(packed) - 1):
        with pytest.raises(FetchError):
            inflated(coding[0], packed[:cut], size)


@pytest.mark.parametrize("length", [PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES])
def test_pieces_are_bounded(length: int) -> None:
    pieces = list(Inflater("gzip").inflate(gzip.compress(bytes(length))))
    assert b"".join(pieces) == bytes(length)
    assert max(map(len, pieces)) <= PIECE_BYTES


def test_members_of_gzip_follow_each_other_in_any_chunking() -> None:
    data = gzip.compress(b"ab") + gzip.compress(b"") + gzip.compress(b"c")
    for size in (1, 3, len(data)):
        assert inflated("gzip", data, size) == gzip.decompress(data)


def test_nothing_is_no_coded_body() -> None:
    with pytest.raises(TruncatedError):
        inflated("gzip", b"", 1)
    assert inflated("", b"", 1) == b""


def test_an_uncoded_body_passes() -> None:
    assert not Inflater("Identity").changes
    assert inflated("identity", b"abc", 2) == b"abc"


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "gzip,"])
def test_other_codings_are_refused(coding: str) -> None:
    with pytest.raises(FetchError, match="identity"):
        Inflater(coding)
