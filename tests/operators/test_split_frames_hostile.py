"""Part 10 bodies that lie: typed errors, or exactly the right frames."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerstream.images.errors import (
    ImageLoadError,
    LimitError,
    SplitError,
    TruncatedError,
    UnsupportedTransferSyntaxError,
)
from cornerstream.images.limits import Limits
from cornerstream.operators.split_frames import FrameSplitter, split_part10
from tests.support.part10 import (
    DEFLATED,
    EXPLICIT,
    JPEG,
    PRIVATE,
    RLE,
    encapsulated,
    image_data_set,
    item,
    native,
    renamed,
    table,
    with_items,
    written,
)
from tests.support.splitting import F1, F2, F3, IMAGE_ID, data_of, modest


def test_a_fragment_of_two_gigabytes_in_a_tiny_file_is_truncated() -> None:
    body = with_items([table(), item(F1, length=2**31)], frames=1, end=b"")
    with pytest.raises(TruncatedError, match="too early"):
        split_part10(body)


def test_a_missing_sequence_delimiter_is_truncated() -> None:
    with pytest.raises(TruncatedError):
        split_part10(with_items([table(), item(F1)], frames=1, end=b""))


def test_bytes_between_fragments_are_refused() -> None:
    with pytest.raises(SplitError, match="fragment was expected"):
        split_part10(with_items([table(), item(F1), b"12345678", item(F2)], frames=2))


def test_fragments_are_limited() -> None:
    body = with_items([table(), *[item(b"")] * 50], frames=1)
    with pytest.raises(LimitError, match="fragments"):
        split_part10(body, limits=Limits(fragments=49))


def test_the_header_is_limited_before_it_is_there() -> None:
    huge = struct.pack("<HH2sHI", 0x0009, 0x0010, b"OB", 0, 1 << 30)
    body = written(image_data_set())
    splitter = FrameSplitter(limits=Limits(header_bytes=1 << 20))
    with pytest.raises(LimitError, match="header_bytes"):
        splitter.feed(body[: body.index(b"\x28\0\x02\0US")] + huge)


def test_a_deflate_bomb_is_limited() -> None:
    head = written(image_data_set(DEFLATED))
    meta = head[: head.index(b"1.2.840.10008.1.2.1.99") + 22]
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(struct.pack("<HH2sHI", 0x0009, 0x0010, b"OB", 0, 1 << 24))
    bomb += packer.compress(bytes(1 << 24)) + packer.flush()
    assert len(bomb) < 20_000
    with pytest.raises(LimitError, match="inflated_bytes"):
        split_part10(meta + bomb, limits=Limits(inflated_bytes=1 << 20))


def test_a_damaged_deflate_stream_is_refused() -> None:
    body = native(bytes(8), DEFLATED)
    start = body.index(b"1.2.840.10008.1.2.1.99") + 22
    with pytest.raises(SplitError, match="damaged") as caught:
        split_part10(body[:start] + b"\xff" * 40)
    assert isinstance(caught.value.__cause__, zlib.error)


@pytest.mark.parametrize("uid", [JPEG, RLE])
def test_native_pixels_in_an_encapsulated_syntax_are_refused(uid: str) -> None:
    with pytest.raises(SplitError, match="not encapsulated"):
        split_part10(renamed(native(bytes(8)), uid))


def test_fragments_in_a_native_syntax_are_refused() -> None:
    with pytest.raises(SplitError, match="encapsulated"):
        split_part10(with_items([table(), item(F1)], frames=1, transfer_syntax_uid=EXPLICIT))


def test_a_private_native_syntax_is_unsupported() -> None:
    with pytest.raises(UnsupportedTransferSyntaxError) as caught:
        split_part10(renamed(native(bytes(8)), PRIVATE))
    assert caught.value.transfer_syntax_uid == PRIVATE


@pytest.mark.parametrize("pixels", [b"", b"12", bytes(13)])
def test_too_little_pixel_data_is_refused(pixels: bytes) -> None:
    with pytest.raises(SplitError, match="PixelData has"):
        split_part10(native(pixels, NumberOfFrames=2))


def test_unsubsampled_pixels_labelled_422_are_refused() -> None:
    attributes: dict[str, Any] = {
        "PhotometricInterpretation": "YBR_FULL_422",
        "SamplesPerPixel": 3,
        "PlanarConfiguration": 0,
    }
    assert data_of(split_part10(native(bytes(16), **attributes))) == [bytes(16)]
    with pytest.raises(SplitError, match="YBR_FULL_422"):
        split_part10(native(bytes(24), **attributes))


@pytest.mark.parametrize("body", [b"", b"<html>not found</html>" * 20, b"\x89PNG\r\n\x1a\n" + bytes(200), bytes(300)])
def test_what_is_not_dicom_is_refused(body: bytes) -> None:
    with pytest.raises(SplitError, match=r"not a DICOM file|no pixel data"):
        split_part10(body)


@modest
@given(st.binary(max_size=400), st.booleans())
def test_junk_gives_typed_errors_only(junk: bytes, prefixed: bool) -> None:
    with pytest.raises(ImageLoadError):
        split_part10((bytes(128) + b"DICM" if prefixed else b"") + junk)


@modest
@given(st.data())
def test_damaged_files_give_typed_errors_or_frames(data: st.DataObject) -> None:
    body = bytearray(encapsulated([F1, F2, F3]))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(132, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        frames = split_part10(bytes(body))
    except ImageLoadError:
        return
    assert len(frames) == frames[0].metadata.number_of_frames


def test_frames_before_a_fault_are_given_out_and_the_fault_stays() -> None:
    body = with_items([table(), item(F1), item(F2), b"12345678"], frames=3)
    splitter = FrameSplitter(IMAGE_ID)
    assert data_of(splitter.feed(body)) == [F1]  # what stands behind the second does not prove its length
    with pytest.raises(SplitError) as caught:
        splitter.feed(b"more")
    assert caught.value.image_id == IMAGE_ID
    with pytest.raises(SplitError):
        splitter.close()
