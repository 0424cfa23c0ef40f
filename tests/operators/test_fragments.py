"""Fragments walked by their lengths; pydicom's own walk is the oracle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pydicom.data
import pytest
from pydicom import dcmread
from pydicom.encaps import generate_fragments

from cornerstream.images.errors import LimitError, SplitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.byte_stream import ByteStream, finish
from cornerstream.operators.fragments import places, walk_frames
from cornerstream.operators.part10 import read_header
from tests.support.part10 import JPEG, encapsulated, item, jpeg_like, table, with_items

if TYPE_CHECKING:
    from cornerstream.operators.frame_grouper import Frame

FILES = Path(pydicom.data.__file__).parent / "test_files"


def walk(body: bytes, *, keep_data: bool = True, limits: Limits = DEFAULT_LIMITS) -> list[Frame]:
    stream = ByteStream(body, ended=True)
    header = finish(read_header(stream, limits))
    frames: list[Frame] = []
    finish(walk_frames(stream, header, limits, frames, keep_data=keep_data))
    return frames


@pytest.mark.parametrize("name", ["rtdose_rle.dcm", "MR_small_RLE.dcm", "examples_ybr_color.dcm", "693_J2KI.dcm"])
def test_fragments_are_pydicoms(name: str) -> None:
    data_set = dcmread(FILES / name)
    wanted = list(generate_fragments(data_set.PixelData))[1:]
    frames = walk((FILES / name).read_bytes())
    assert [fragment.data for frame in frames for fragment in frame] == wanted


def test_places_are_those_of_the_bytes() -> None:
    body = encapsulated([jpeg_like(b"first"), jpeg_like(b"second")], fragments_per_frame=2)
    kept, skipped = walk(body), walk(body, keep_data=False)
    assert list(places(kept)) == list(places(skipped))
    for frame, found in zip(kept, places(skipped), strict=True):
        for fragment, (start, length) in zip(frame, found, strict=True):
            assert body[start : start + length] == fragment.data
    assert all(fragment.data == b"" for frame in skipped for fragment in frame)


def test_an_offset_table_is_limited() -> None:
    body = with_items([table(*range(0, 40, 4)), item(jpeg_like(b"x"))], frames=1)
    with pytest.raises(LimitError, match=r"limits\.frames"):
        walk(body, limits=Limits(frames=9))


def test_no_items_at_all_are_refused() -> None:
    with pytest.raises(SplitError, match="no fragments"):
        walk(with_items([], frames=1))


def test_an_item_of_undefined_length_is_refused() -> None:
    with pytest.raises(SplitError, match="fragment was expected"):
        walk(with_items([table(), item(b"x", length=0xFFFFFFFF)], frames=1, transfer_syntax_uid=JPEG))
