"""Frames out of Part 10 bodies, whole and as they arrive, with and without their offset tables."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import encapsulate_extended

from cornerstream.images.errors import (
    SplitError,
    TruncatedError,
)
from cornerstream.operators.split_frames import FrameSplitter, split_part10
from tests.support.part10 import (
    BIG_ENDIAN,
    DEFLATED,
    DEFLATED_FRAME,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    JPEG_XL,
    PRIVATE,
    RLE,
    encapsulated,
    image_data_set,
    item,
    jpeg_like,
    native,
    rle_like,
    table,
    with_items,
    written,
)
from tests.support.splitting import F1, F2, F3, IMAGE_ID, chunk_sizes, contents, data_of, in_chunks, modest, split_all


@modest
@given(contents, chunk_sizes, st.integers(1, 3), st.booleans())
def test_encapsulated_frames_come_back_under_any_chunking(
    content: list[bytes], sizes: list[int], fragments: int, has_bot: bool
) -> None:
    frames = [jpeg_like(one) for one in content]
    body = encapsulated(frames, fragments_per_frame=fragments, has_bot=has_bot)
    assert data_of(in_chunks(body, sizes)) == frames


@modest
@given(contents, chunk_sizes, st.sampled_from([RLE, DEFLATED_FRAME, PRIVATE]), st.booleans())
def test_one_fragment_a_frame_needs_no_end_marker(
    content: list[bytes], sizes: list[int], uid: str, has_bot: bool
) -> None:
    frames = [rle_like(one) for one in content]
    body = encapsulated(frames, uid, has_bot=has_bot)
    assert data_of(in_chunks(body, sizes)) == frames


@modest
@given(st.integers(1, 5), chunk_sizes, st.sampled_from([EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED]))
def test_native_frames_come_back_under_any_chunking(frames: int, sizes: list[int], uid: str) -> None:
    pixels = bytes(range(8 * frames))
    body = native(pixels, uid, NumberOfFrames=frames)
    assert data_of(in_chunks(body, sizes)) == [pixels[start : start + 8] for start in range(0, len(pixels), 8)]


@pytest.mark.parametrize("uid", [EXPLICIT, DEFLATED, IMPLICIT])
def test_every_cut_of_a_native_file_is_an_error_or_right(uid: str) -> None:
    pixels = bytes(range(100, 124))
    assert_every_cut(native(pixels, uid, NumberOfFrames=3), [pixels[:8], pixels[8:16], pixels[16:]])


@pytest.mark.parametrize("has_bot", [True, False])
def test_every_cut_of_an_encapsulated_file_is_an_error_or_right(has_bot: bool) -> None:
    frames = [jpeg_like(b"one"), jpeg_like(b"second"), jpeg_like(b"the third")]
    assert_every_cut(encapsulated(frames, has_bot=has_bot, fragments_per_frame=2), frames)


def assert_every_cut(body: bytes, frames: list[bytes]) -> None:
    complete = 0
    for cut in range(len(body)):
        got, error = split_all(body[:cut])
        assert data_of(got) == frames[: len(got)]
        assert error is not None or len(got) == len(frames)
        assert error is None or (isinstance(error, (TruncatedError, SplitError)) and error.image_id == IMAGE_ID)
        complete += error is None
    assert complete < 12  # only padding and the end of a deflate stream may go unmissed


def test_frames_come_as_soon_as_their_bytes_do() -> None:
    frames = [jpeg_like(b"one"), jpeg_like(b"second"), jpeg_like(b"third")]
    for has_bot in (True, False):
        body = encapsulated(frames, has_bot=has_bot)
        end_of_first = body.index(frames[0]) + len(frames[0]) + 8  # the next item's header proves its length
        splitter = FrameSplitter()
        assert splitter.feed(body[: end_of_first - 1]) == []
        assert data_of(splitter.feed(body[end_of_first - 1 : end_of_first])) == frames[:1]
        assert splitter.buffered == 0


def test_an_rle_frame_comes_with_the_head_of_the_next() -> None:
    frames = [rle_like(b"one!"), rle_like(b"two!")]
    body = encapsulated(frames, RLE, has_bot=False)
    start_of_second = body.index(frames[1])
    splitter = FrameSplitter()
    assert splitter.feed(body[: start_of_second + 63]) == []
    assert data_of(splitter.feed(body[start_of_second + 63 : start_of_second + 64])) == frames[:1]


def test_only_unfinished_frames_are_held() -> None:
    pixels = bytes(8 * 1000)
    body = native(pixels, NumberOfFrames=1000)
    splitter = FrameSplitter()
    count = 0
    for start in range(0, len(body), 100):
        count += len(splitter.feed(body[start : start + 100]))
        assert splitter.buffered < 500
    assert count == 1000
    assert splitter.done


def test_what_follows_the_pixels_does_not_matter() -> None:
    pixels = bytes(range(8))
    for trailer in (b"\0" * 3, b"\xfc\xff\xfc\xffOB\0\0\x04\0\0\0\0\0\0\0", b"garbage" * 100):
        assert data_of(split_part10(native(pixels) + trailer)) == [pixels]
    frames = [jpeg_like(b"one")]
    assert data_of(split_part10(encapsulated(frames) + b"\x00\x60garbage")) == frames


def test_trailing_padding_of_native_pixels_is_left_out() -> None:
    assert data_of(split_part10(native(bytes(range(9)) + b"\0", Rows=3, Columns=3))) == [bytes(range(9))]


def test_metadata_is_there_before_the_first_frame() -> None:
    body = native(bytes(8))
    splitter = FrameSplitter()
    seen = [splitter.metadata]
    splitter.feed(body[:-8])
    seen.append(splitter.metadata)
    assert [found and found.shared.columns for found in seen] == [None, 4]


@pytest.mark.parametrize(
    "offsets",
    [
        (),
        (0, len(F1) + 8, len(F1) + len(F2) + 16),
        (0, 2, 4),  # inside of the first fragment
        (0, len(F1) + 8, 9999),  # out of range
        (0, len(F1) + len(F2) + 16, len(F1) + 8),  # not in order
        (8, len(F1) + 16, len(F1) + len(F2) + 24),  # counted from elsewhere
        (0, len(F1) + 8),  # too few
        (0, 0, 0),
        (0, len(F1) + len(F2) + 16, len(F1) + len(F2) + 17),  # skips a frame
    ],
)
def test_a_wrong_basic_offset_table_is_ignored(offsets: tuple[int, ...]) -> None:
    body = with_items([table(*offsets), item(F1), item(F2), item(F3)], frames=3)
    assert data_of(split_part10(body)) == [F1, F2, F3]
    assert data_of(in_chunks(body, [1] * len(body))) == [F1, F2, F3]


@modest
@given(st.lists(st.integers(0, 200), min_size=3, max_size=3))
def test_no_basic_offset_table_changes_the_frames(offsets: list[int]) -> None:
    pieces = [item(F1[:8]), item(F1[8:]), item(F2), item(F3[:6]), item(F3[6:])]
    assert data_of(split_part10(with_items([table(*offsets), *pieces], frames=3))) == [F1, F2, F3]


def test_fragments_of_a_frame_are_joined_by_the_table_alone() -> None:
    first, second = b"no start.", b"nor here"  # of no known codestream
    pieces = [item(first[:4]), item(first[4:] + b"\0"), item(second)]
    body = with_items([table(0, 8 + 4 + 8 + 6), *pieces], frames=2, transfer_syntax_uid=PRIVATE)
    assert data_of(split_part10(body)) == [first + b"\0", second]


def test_an_empty_item_belongs_to_no_frame() -> None:
    body = with_items([table(0, len(F1) + 8), item(F1), item(b""), item(F2)], frames=2)
    assert data_of(split_part10(body)) == [F1, F2]


@pytest.mark.parametrize("beyond", [0, -3])
def test_an_offset_behind_an_empty_item(beyond: int) -> None:
    body = with_items([table(0, len(F1) + 16 + beyond), item(F1), item(b""), item(F2)], frames=2)
    assert data_of(split_part10(body)) == [F1, F2]


def test_fragmented_rle_without_a_table_is_joined_by_its_headers() -> None:
    one, two = rle_like(b"abcdefgh"), rle_like(b"ijklmnop")
    body = with_items([table(), item(one[:66]), item(one[66:]), item(two)], frames=2, transfer_syntax_uid=RLE)
    assert data_of(split_part10(body)) == [one, two]
    assert data_of(in_chunks(body, [1] * len(body))) == [one, two]


@pytest.mark.parametrize(
    ("items", "frames", "uid"),
    [
        ([F1, F2], 3, JPEG),
        ([F1, F2, F3], 2, JPEG),
        ([F1, F2], 1, JPEG),  # a frame more than declared
        ([F1[:8], F1[8:], F2], 3, JPEG),  # as many fragments as frames, but they are not frames
        ([b"xx", b"yy", b"zz"], 2, JPEG_XL),
        ([b"xx", b"yy", b"zz"], 2, PRIVATE),
        ([rle_like(b"aa"), b"bb"], 2, RLE),
        ([], 1, JPEG),
    ],
)
def test_a_count_that_cannot_be_proven_is_refused(items: list[bytes], frames: int, uid: str) -> None:
    with pytest.raises(SplitError, match=r"frames|fragments"):
        split_part10(with_items([table(), *map(item, items)], frames, uid))


def test_frames_without_end_marker_are_found_by_their_starts() -> None:
    cut = [F1[:-2], F2[:-2], F3[:-2]]
    assert data_of(split_part10(with_items([table(), *map(item, cut)], frames=3))) == cut


def test_the_extended_offset_table_is_used() -> None:
    frames = [b"one.", b"another.", b"third."]
    data, offsets, lengths = encapsulate_extended(frames)
    data_set = image_data_set(
        PRIVATE, NumberOfFrames=3, ExtendedOffsetTable=offsets, ExtendedOffsetTableLengths=lengths
    )
    data_set.PixelData = data
    data_set["PixelData"].VR = "OB"
    data_set["PixelData"].is_undefined_length = True
    body = written(data_set)
    end_of_first = body.index(frames[0]) + 4 + 8  # the next item's header proves its length
    splitter = FrameSplitter()
    assert data_of(splitter.feed(body[:end_of_first])) == frames[:1]
    assert [bytes(frame.data) for frame in splitter.feed(body[end_of_first:])] == frames[1:]


@pytest.mark.parametrize(("offsets", "lengths"), [((0, 99999), (4, 4)), ((0, 40), (9, 9)), ((5, 1), (0, 0))])
def test_a_wrong_extended_offset_table_is_ignored(offsets: tuple[int, ...], lengths: tuple[int, ...]) -> None:
    extended: dict[str, Any] = {
        "ExtendedOffsetTable": struct.pack("<2Q", *offsets),
        "ExtendedOffsetTableLengths": struct.pack("<2Q", *lengths),
    }
    assert data_of(split_part10(with_items([table(), item(F1), item(F2)], frames=2, **extended))) == [F1, F2]
