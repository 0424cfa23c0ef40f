"""`decode_image`: in one go what three operators do; and what is done at once, what on a worker."""

from __future__ import annotations

import asyncio
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import reactivex as rx

from cornerstream.images.errors import DecodeError, LimitError, SplitError, UnsupportedTransferSyntaxError
from cornerstream.images.frames import EncodedFrame
from cornerstream.images.image import Image
from cornerstream.images.image_id import ImageId
from cornerstream.images.limits import Limits
from cornerstream.operators.decode_image import decode_image, image_soon
from cornerstream.operators.decompress import decode_frame, decompress
from cornerstream.operators.to_image import to_image
from cornerstream.operators.to_rgb import to_rgb
from cornerstream.operators.workers import ExecutorWorkers
from tests.support.frames import bundled, metadata, read_frames
from tests.support.held_workers import HeldWorkers, collect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ID = ImageId.parse("test:1")
FILES = [
    "CT_small",
    "MR_small_bigendian",
    "MR_small_RLE",
    "MR_small_jpeg_ls_lossless",
    "JPEG2000",
    "SC_rgb_small_odd",
    "SC_rgb_jpeg_dcmtk",
    "SC_ybr_full_422_uncompressed",
    "examples_palette",
]
AT_ONCE = {"CT_small", "MR_small_bigendian", "SC_rgb_small_odd"}


@pytest.mark.parametrize("name", FILES)
async def test_the_image_is_that_of_the_three_operators(name: str) -> None:
    (frame,) = read_frames(bundled(name))
    with ThreadPoolExecutor(1) as pool:
        workers = ExecutorWorkers(pool)
        three = rx.just(frame).pipe(decompress(workers), to_rgb(workers), to_image(ID))
        (expected,), error = await collect(three)
        made = image_soon(frame, ID, workers)
        image = made if isinstance(made, Image) else await made
    assert error is None
    np.testing.assert_array_equal(image.pixels, expected.pixels)
    assert set(image.timings) == set(expected.timings)
    described = [repr(replace(one, timings={})) for one in (image, expected)]
    assert described[0] == described[1]
    assert (image.image_id, image.pixels.flags.writeable) == (ID, False)


@pytest.mark.parametrize("name", FILES)
def test_what_takes_less_than_the_way_to_a_worker_is_done_at_once(name: str) -> None:
    (frame,) = read_frames(bundled(name))

    class Nobody:
        def run(self, function: Callable[..., Any], /, *_: object, holds_lock: bool = False) -> Awaitable[Any]:
            raise AssertionError(f"asked a worker for {function.__name__}, {holds_lock=}")

    if name in AT_ONCE:
        assert isinstance(image_soon(frame, ID, Nobody()), Image)
    else:
        with pytest.raises(AssertionError, match="asked a worker for decode_image"):
            image_soon(frame, ID, Nobody())


async def test_workers_are_told_who_holds_the_lock() -> None:
    workers = HeldWorkers()
    workers.release()
    (frame,) = read_frames(bundled("JPEG2000"))
    for prefer in ("imagecodecs", "pylibjpeg-openjpeg"):
        made = image_soon(frame, ID, workers, prefer)
        assert not isinstance(made, Image)
        assert (await made).pixels.shape == (frame.metadata.rows, frame.metadata.columns)
    assert workers.asked == [False, True]


@pytest.mark.parametrize(
    ("name", "columns", "shared"),
    [
        ("SC_rgb_jpeg_dcmtk", None, True),
        ("MR_small_RLE", None, True),
        ("MR_small_jpeg_ls_lossless", None, False),  # which takes its time
        ("JPEG2000", None, False),
        ("MR_small_RLE", 65_000, False),  # a large one
    ],
)
async def test_small_frames_of_quick_codecs_go_where_they_share_the_way(
    name: str, columns: int | None, shared: bool
) -> None:
    (frame,) = read_frames(bundled(name))
    if columns is not None:
        frame = replace(frame, metadata=frame.metadata.changed({"columns": columns, "rows": columns}))
    workers, quick = HeldWorkers(), HeldWorkers()
    made = image_soon(frame, ID, workers, quick=quick)
    assert not isinstance(made, Image)
    task = asyncio.ensure_future(made)
    await asyncio.sleep(0)
    assert (len(workers.asked), len(quick.asked)) == (int(not shared), int(shared))
    task.cancel()


def test_errors_are_those_of_the_steps() -> None:
    (frame,) = read_frames(bundled("CT_small"))
    with pytest.raises(LimitError):
        decode_image(frame, ID, limits=Limits(frame_pixels=3))
    with pytest.raises(DecodeError):
        decode_image(replace(frame, data=frame.data[:-2]), ID)
    unknown = replace(frame, metadata=frame.metadata.changed({"transfer_syntax_uid": "1.2.3"}))
    with pytest.raises(UnsupportedTransferSyntaxError):
        image_soon(unknown, ID, HeldWorkers())
    palette = metadata(photometric_interpretation="PALETTE COLOR")
    with pytest.raises(DecodeError, match="no palette"):
        decode_image(EncodedFrame(palette, b"\1"), ID)


@pytest.mark.parametrize("travels", [False, True])
def test_a_frame_that_was_not_searched_is_searched_before_it_is_decoded(travels: bool) -> None:
    (frame,) = read_frames(bundled("JPEG2000"))
    item = bytes.fromhex("FEFF00E0") + (8).to_bytes(4, "little") + bytes(8)
    swallowed = replace(frame, data=bytes(frame.data) + item, searched=False)
    if travels:
        swallowed = pickle.loads(pickle.dumps(swallowed))
    with pytest.raises(SplitError, match="holds whole items"):
        decode_frame(swallowed)
    assert decode_frame(replace(frame, searched=False)).pixels.any()
