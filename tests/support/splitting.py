"""What the tests of splitting share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cornerstream.images.errors import (
    ImageLoadError,
)
from cornerstream.images.image_id import ImageId
from cornerstream.operators.split_frames import FrameSplitter
from tests.support.part10 import (
    jpeg_like,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

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
F1, F2, F3 = jpeg_like(b"first one"), jpeg_like(b"two"), jpeg_like(b"the third")


def split_all(body: bytes) -> tuple[list[EncodedFrame], ImageLoadError | None]:
    splitter = FrameSplitter(IMAGE_ID)
    got: list[EncodedFrame] = []
    try:
        got += splitter.feed(body)
        got += splitter.close()
    except ImageLoadError as error:
        return got, error
    return got, None
