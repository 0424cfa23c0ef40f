"""The frame of a file in memory is what the splitter of streams finds, or the same kind of error."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate

from cornerstream.images.errors import ImageLoadError, SplitError, TruncatedError
from cornerstream.operators.decompress import decode_frame
from cornerstream.operators.split_frames import FrameSplitter
from cornerstream.operators.whole_file import only_frame
from tests.support.part10 import BIG_ENDIAN, image_data_set, written

FILES = [
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "image_dfl.dcm",
    "liver_1frame.dcm",
    "JPEG2000.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
]


def content(name: str) -> bytes:
    return Path(str(get_testdata_file(name))).read_bytes()


def by_splitter(data: bytes) -> bytes | None:
    """The one frame, by the parser of streams; `None` where it raises, or finds another number."""
    splitter = FrameSplitter()
    try:
        frames = [*splitter.feed(data), *splitter.close()]
    except ImageLoadError:
        return None
    return bytes(frames[0].data) if len(frames) == 1 else None


def by_whole(data: bytes) -> bytes | None:
    try:
        frame = only_frame(data)
    except ImageLoadError:
        return None
    return None if frame is None else bytes(frame.data)


@pytest.mark.parametrize("name", FILES)
def test_the_same_frame_and_metadata(name: str) -> None:
    data, splitter = content(name), FrameSplitter()
    (expected,) = [*splitter.feed(data), *splitter.close()]
    found = only_frame(data)
    assert found is not None
    assert bytes(found.data) == bytes(expected.data)
    assert repr(found.metadata) == repr(expected.metadata)


def test_words_of_big_endian_files_are_put_in_order() -> None:
    data_set = image_data_set(BIG_ENDIAN, PixelData=bytes(range(8)))
    data_set["PixelData"].VR = "OW"
    data = written(data_set)
    assert by_whole(data) == by_splitter(data) != bytes(range(8))


def test_several_frames_are_left_to_others() -> None:
    assert only_frame(content("rtdose.dcm")) is None


def test_a_native_frame_is_a_view() -> None:
    data = content("CT_small.dcm")
    frame = only_frame(data)
    assert frame is not None
    assert isinstance(frame.data, memoryview)
    assert frame.data.obj is data


@pytest.mark.parametrize("name", ["CT_small.dcm", "JPEG2000.dcm", "image_dfl.dcm"])
def test_a_cut_file_is_an_error(name: str) -> None:
    data = content(name)
    for length in {0, 1, 131, 200, len(data) // 2, len(data) - 200, len(data) - 1}:
        expected = by_splitter(data[:length])
        assert by_whole(data[:length]) == expected
    with pytest.raises((SplitError, TruncatedError)):
        only_frame(data[: len(data) // 2])


@given(st.sampled_from(["CT_small.dcm", "MR_small_RLE.dcm"]), st.integers(0, 5000), st.binary(min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_damaged_files_come_to_the_same(name: str, at: int, damage: bytes) -> None:
    data = bytearray(content(name))
    data[at : at + len(damage)] = damage
    assert by_whole(bytes(data)) == by_splitter(bytes(data))


@pytest.mark.parametrize("fragments", [1, 2])
def test_whether_a_decoder_has_to_search_is_told(fragments: int) -> None:
    frame = only_frame(content("JPEG2000.dcm"))
    assert frame is not None
    assert frame.searched
    data_set = dcmread(BytesIO(content("JPEG2000.dcm")))
    data_set.PixelData = encapsulate([bytes(frame.data)], fragments_per_frame=fragments)
    buffer = BytesIO()
    data_set.save_as(buffer)
    for search in (False, True):
        found = only_frame(buffer.getvalue(), search=search)
        assert found is not None
        assert found.searched is (search or fragments > 1)  # of several, nobody can see the ends once they are joined


def test_one_fragment_that_swallowed_others_is_left_to_its_decoder_where_that_is_asked_for() -> None:
    data_set = dcmread(BytesIO(content("JPEG2000.dcm")))
    frame = only_frame(content("JPEG2000.dcm"))
    assert frame is not None
    item = bytes.fromhex("FEFF00E0") + (8).to_bytes(4, "little") + bytes(8)
    data_set.PixelData = encapsulate([bytes(frame.data) + item])
    buffer = BytesIO()
    data_set.save_as(buffer)
    with pytest.raises(SplitError, match="holds whole items"):
        only_frame(buffer.getvalue())
    left = only_frame(buffer.getvalue(), search=False)
    assert left is not None
    assert not left.searched
    with pytest.raises(SplitError, match="holds whole items"):
        decode_frame(left)
