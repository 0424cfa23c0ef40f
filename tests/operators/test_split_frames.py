"""Frames out of Part 10 bodies: pydicom and expected.json are the oracles."""

from __future__ import annotations

import asyncio
import struct
import warnings
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydicom.data
import pytest
import reactivex as rx
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.encaps import encapsulate_extended, generate_frames

from cornerstream.images.errors import (
    ImageLoadError,
    LimitError,
    SplitError,
    TruncatedError,
    UnsupportedTransferSyntaxError,
)
from cornerstream.images.image_id import ImageId
from cornerstream.images.limits import Limits
from cornerstream.operators.split_frames import FrameSplitter, split_frames, split_part10
from tests.support.corpus import corpus_root, expected
from tests.support.part10 import (
    BIG_ENDIAN,
    DEFLATED,
    DEFLATED_FRAME,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    JPEG_2000,
    JPEG_LS,
    JPEG_XL,
    PRIVATE,
    RLE,
    encapsulated,
    image_data_set,
    item,
    jpeg_like,
    native,
    renamed,
    rle_like,
    table,
    with_items,
    written,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from pydicom import FileDataset

    from cornerstream.images.frames import EncodedFrame

IMAGE_ID = ImageId.parse("wadouri:https://pacs/file.dcm")
modest = hypothesis_settings(max_examples=60, deadline=None)


def data_of(frames: Sequence[EncodedFrame]) -> list[bytes]:
    assert [frame.metadata.frame_number for frame in frames] == list(range(1, len(frames) + 1))
    return [bytes(frame.data) for frame in frames]


def in_chunks(body: bytes, sizes: Sequence[int]) -> list[EncodedFrame]:
    splitter, start = FrameSplitter(), 0
    frames: list[EncodedFrame] = []
    for size in [*sizes, len(body)]:
        frames += splitter.feed(body[start : start + size])
        start += size
    return frames + splitter.close()


chunk_sizes = st.lists(st.integers(1, 400), max_size=30)
contents = st.lists(st.binary(min_size=8, max_size=300), min_size=1, max_size=6)


@modest
@given(contents, chunk_sizes, st.integers(1, 3), st.booleans())
def test_encapsulated_frames_come_back_under_any_chunking(
    content: list[bytes], sizes: list[int], fragments: int, has_bot: bool
) -> None:
    frames = [jpeg_like(one) for one in content]
    body = encapsulated(frames, fragments_per_frame=fragments, has_bot=has_bot)
    assert data_of(in_chunks(body, sizes)) == frames


@modest
@given(contents, chunk_sizes, st.sampled_from([RLE, DEFLATED_FRAME, JPEG_XL]), st.booleans())
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


def split_all(body: bytes) -> tuple[list[EncodedFrame], ImageLoadError | None]:
    splitter = FrameSplitter(IMAGE_ID)
    got: list[EncodedFrame] = []
    try:
        got += splitter.feed(body)
        got += splitter.close()
    except ImageLoadError as error:
        return got, error
    return got, None


def test_frames_come_as_soon_as_their_bytes_do() -> None:
    frames = [jpeg_like(b"one"), jpeg_like(b"second"), jpeg_like(b"third")]
    for has_bot in (True, False):
        body = encapsulated(frames, has_bot=has_bot)
        end_of_first = body.index(frames[0]) + len(frames[0])
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


# ---- offset tables


F1, F2, F3 = jpeg_like(b"first one"), jpeg_like(b"two"), jpeg_like(b"the third")


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
    body = with_items([table(0, 8 + 4 + 8 + 6), *pieces], frames=2, transfer_syntax_uid=JPEG_XL)
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
        JPEG_XL, NumberOfFrames=3, ExtendedOffsetTable=offsets, ExtendedOffsetTableLengths=lengths
    )
    data_set.PixelData = data
    data_set["PixelData"].VR = "OB"
    data_set["PixelData"].is_undefined_length = True
    body = written(data_set)
    end_of_first = body.index(frames[0]) + 4
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


# ---- hostile bytes


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
    assert data_of(splitter.feed(body)) == [F1, F2]
    with pytest.raises(SplitError) as caught:
        splitter.feed(b"more")
    assert caught.value.image_id == IMAGE_ID
    with pytest.raises(SplitError):
        splitter.close()


# ---- real files


@cache
def bundled() -> tuple[Path, ...]:
    return tuple(sorted(Path(pydicom.data.__file__).parent.glob("test_files/*.dcm")))


def in_swapped_words(data_set: FileDataset) -> bool:
    big_endian = data_set.file_meta.get("TransferSyntaxUID") == BIG_ENDIAN
    return bool(big_endian and data_set["PixelData"].VR == "OW" and data_set.BitsAllocated == 8)


@pytest.mark.parametrize("path", bundled(), ids=lambda path: path.name)
def test_frames_of_bundled_files_are_pydicoms(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's opinion on odd files
        data_set = dcmread(path, force=True)
    body = path.read_bytes()
    if not {"PixelData", "Rows"} <= set(data_set.dir()) or path.name in {"MR_truncated.dcm", "badVR.dcm"}:
        with pytest.raises((SplitError, TruncatedError)):
            split_part10(body)
        return
    frames = data_of(split_part10(body))
    number = int(data_set.get("NumberOfFrames") or 1)
    if data_set.file_meta.TransferSyntaxUID.is_compressed and data_set["PixelData"].is_undefined_length:
        assert frames == list(generate_frames(data_set.PixelData, number_of_frames=number))
    elif data_set.BitsAllocated >= 8 and not in_swapped_words(data_set):
        assert b"".join(frames) == data_set.PixelData[: len(frames[0]) * number]
    assert len(frames) == number


@pytest.mark.corpus
@pytest.mark.parametrize("category", ["image", "odd", "no-image"])
def test_files_of_the_corpus(category: str) -> None:
    root = corpus_root()
    wrong = []
    for name, facts in expected()["files"].items():
        if facts["category"] != category:
            continue
        body = (root / name).read_bytes()
        try:
            frames = split_part10(body)
        except ImageLoadError as error:
            if category != "no-image" or not isinstance(error, SplitError):
                wrong.append((name, repr(error)))
        else:
            uid = facts["transfer_syntax"] or facts["transfer_syntax_assumed"]
            if len(frames) != facts["frames"] or frames[0].metadata.transfer_syntax_uid != uid:
                wrong.append((name, f"{len(frames)} frames"))
    assert wrong == []


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("pydicom__MR_truncated.dcm", TruncatedError),
        ("pydicom__meta_missing_tsyntax.dcm", SplitError),
        ("derived__pub_truncated_header.dcm", TruncatedError),
        ("derived__pub_truncated_jpegls.dcm", TruncatedError),
        ("derived__pub_truncated_rle.dcm", TruncatedError),
        ("orthanc-tests__2026-05-26-oob-monochrome-65535.dcm", LimitError),
    ],
)
def test_malformed_files_are_refused(name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        split_part10((corpus_root() / "malformed" / name).read_bytes())


@pytest.mark.corpus
def test_a_delimiter_inside_a_fragment_is_not_one() -> None:
    body = (corpus_root() / "malformed" / "pydicom__JPEG2000-embedded-sequence-delimiter.dcm").read_bytes()
    assert [frame.nbytes for frame in split_part10(body)] == [250]


# ---- the operator


class Chunks:
    """A body whose chunks a test holds; notes openings and closings."""

    image_id = IMAGE_ID

    def __init__(self, chunks: Sequence[bytes], fail: Exception | None = None, hold_after: int | None = None) -> None:
        self._chunks, self._fail, self._hold_after = chunks, fail, hold_after
        self.opened = self.closed = 0
        self.held = asyncio.Event()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        self.opened += 1
        try:
            for index, chunk in enumerate(self._chunks):
                if index == self._hold_after:
                    self.held.set()
                    await asyncio.Event().wait()
                yield chunk
            if self._fail:
                raise self._fail
        finally:
            self.closed += 1


def halves(body: bytes) -> list[bytes]:
    return [body[: len(body) // 2], body[len(body) // 2 :]]


async def collect(source: rx.Observable[object]) -> list[bytes]:
    done = asyncio.get_running_loop().create_future()
    found: list[bytes] = []
    source.pipe(split_frames()).subscribe(  # type: ignore[arg-type]  # mixed sources on purpose
        lambda frame: found.append(bytes(frame.data)), done.set_exception, lambda: done.set_result(None)
    )
    await done
    return found


async def test_empty_one_and_many_bodies() -> None:
    one, two = Chunks(halves(encapsulated([F1, F2]))), Chunks(halves(native(bytes(8))))
    assert await collect(rx.empty()) == []
    assert await collect(rx.just(one)) == [F1, F2]
    assert await collect(rx.from_iterable([one, two, native(b"12345678")])) == [F1, F2, bytes(8), b"12345678"]
    assert (one.opened, one.closed, two.closed) == (2, 2, 1)


async def test_errors_of_source_body_and_splitting_end_it() -> None:
    with pytest.raises(LookupError):
        await collect(rx.throw(LookupError("source")))
    reset = TruncatedError("reset")
    body = Chunks(halves(encapsulated([F1, F2])), fail=reset)
    with pytest.raises(TruncatedError, match="reset"):
        await collect(rx.just(Chunks([body._chunks[0]], fail=reset)))
    for bad in (b"junk" * 50, Chunks([b"junk" * 50])):
        with pytest.raises(SplitError):
            await collect(rx.just(bad))


async def test_a_cut_body_gives_its_complete_frames_then_the_error() -> None:
    body = encapsulated([F1, F2])
    found: list[bytes] = []
    failed = asyncio.get_running_loop().create_future()
    source = rx.just(Chunks([body[:-20]]))
    source.pipe(split_frames()).subscribe(lambda frame: found.append(bytes(frame.data)), failed.set_result)
    error = await failed
    assert isinstance(error, TruncatedError)
    assert error.image_id == IMAGE_ID
    assert found == [F1]


async def test_dispose_midway_closes_the_open_body_and_opens_no_other() -> None:
    body = encapsulated([F1, F2])
    first, second = Chunks(halves(body), hold_after=1), Chunks(halves(body))
    signals: list[object] = []
    subscription = (
        rx.from_iterable([first, second])
        .pipe(split_frames())
        .subscribe(signals.append, signals.append, lambda: signals.append("completed"))
    )
    await first.held.wait()
    subscription.dispose()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (first.opened, first.closed, second.opened) == (1, 1, 0)
    assert signals == []


async def test_a_tiny_bare_data_set_comes_at_the_end_of_any_iterator() -> None:
    class Plain:
        """An async iterator that is no generator: there is nothing to close."""

        image_id = None
        left = 1

        def chunks(self) -> Plain:
            return self

        def __aiter__(self) -> Plain:
            return self

        async def __anext__(self) -> bytes:
            self.left -= 1
            if self.left < 0:
                raise StopAsyncIteration
            return bare

    values = {0x10: b"\1\0", 0x11: b"\2\0", 0x100: b"\x08\0"}
    bare = b"".join(struct.pack("<HHI", 0x28, element, 2) + value for element, value in values.items())
    modality = struct.pack("<HHI", 0x08, 0x60, 2) + b"OT"
    grey = struct.pack("<HHI", 0x28, 0x04, 12) + b"MONOCHROME2 "
    bare = modality + grey + bare + struct.pack("<HHI", 0x7FE0, 0x10, 2) + b"px"
    assert len(bare) < 132
    assert await collect(rx.just(Plain())) == [b"px"]


async def test_a_body_is_cold() -> None:
    body = Chunks(halves(encapsulated([F1, F2])))
    source = rx.just(body).pipe(split_frames())
    assert body.opened == 0
    del source


async def test_timings_say_when_a_frame_had_come() -> None:
    found: list[EncodedFrame] = []
    done = asyncio.Event()
    rx.just(Chunks(halves(encapsulated([F1, F2])))).pipe(split_frames()).subscribe(found.append, on_completed=done.set)
    await done.wait()
    assert 0 < found[0].timings["fetch"] <= found[1].timings["fetch"]


@pytest.mark.parametrize("uid", [JPEG_LS, JPEG_2000])
def test_markers_of_other_codestreams(uid: str) -> None:
    start = {JPEG_LS: b"\xff\xd8\xff\xf7", JPEG_2000: b"\xff\x4f\xff\x51"}[uid]
    frames = [start + bytes([index]) * 20 + b"\xff\xd9" for index in range(3)]
    pieces = [item(part) for frame in frames for part in (frame[:10], frame[10:])]
    assert data_of(split_part10(with_items([table(), *pieces], frames=3, transfer_syntax_uid=uid))) == frames
