"""Images of local files: read, decoded and made in one go on a worker, or step by step where workers are processes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pydicom.data
import pytest
import reactivex as rx

from cornerstream.images.errors import DecodeError, FetchError, TruncatedError
from cornerstream.images.image_id import ImageId
from cornerstream.images.pixel_target import PixelTarget
from cornerstream.operators.decoder_table import decoder_for
from cornerstream.operators.frame_index import open_index
from cornerstream.operators.read_file import brief_for, read_image, read_images
from tests.support.held_workers import HeldWorkers, collect
from tests.support.part10 import DEFLATED, native

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerstream.images.image import Image
    from cornerstream.operators.frame_index import FrameIndex

T = TypeVar("T")
FILES = Path(pydicom.data.__file__).parent / "test_files"
NAMES = [
    "CT_small.dcm",
    "MR_small_RLE.dcm",
    "examples_palette.dcm",
    "SC_rgb_small_odd.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
]


class CodedWorkers(HeldWorkers):
    """Workers for what is brief, and for small frames of quick codecs."""

    def __init__(self) -> None:
        super().__init__()
        self.coded = HeldWorkers()
        self.release()
        self.coded.release()


def indexed(name: str) -> tuple[FrameIndex, ImageId]:
    return open_index(FILES / name), ImageId("dicomfile", str(FILES / name), 1)


async def only_image(index: FrameIndex, image_id: ImageId, workers: HeldWorkers, **how: Any) -> Image:
    workers.release()
    images, error = await collect(rx.just(index).pipe(read_images(image_id, workers, **how)))
    if error is not None:
        raise error
    (image,) = images
    return image


@pytest.mark.parametrize("name", NAMES)
async def test_in_one_go_and_in_steps_the_image_is_the_same(name: str) -> None:
    index, image_id = indexed(name)
    brief = CodedWorkers()
    together = await only_image(index, image_id, HeldWorkers(), brief=brief)
    in_steps = await only_image(index, image_id, HeldWorkers())
    assert {**vars(together), "pixels": 0, "timings": 0} == {**vars(in_steps), "pixels": 0, "timings": 0}
    np.testing.assert_array_equal(together.pixels, in_steps.pixels)
    assert not together.pixels.flags.writeable
    assert not in_steps.pixels.flags.writeable
    assert set(together.timings) == set(in_steps.timings) >= {"fetch", "decompress"}
    assert together.photometric_interpretation in {"MONOCHROME2", "RGB"}


@pytest.mark.parametrize("name", ["CT_small.dcm", "SC_ybr_full_422_uncompressed.dcm"])
@pytest.mark.parametrize("brief", [None, "brief"])
async def test_pixels_go_where_they_are_wanted(name: str, brief: str | None) -> None:
    index, image_id = indexed(name)
    wanted = read_image(index, image_id).pixels
    out = np.zeros_like(wanted)
    image = await only_image(
        index, image_id, HeldWorkers(), target=PixelTarget(out), brief=CodedWorkers() if brief else None
    )
    np.testing.assert_array_equal(out, wanted)
    assert np.shares_memory(image.pixels, out)
    assert out.flags.writeable


async def test_what_holds_the_lock_goes_in_steps_and_says_so() -> None:
    index, image_id = indexed("MR_small_RLE.dcm")
    workers, brief = HeldWorkers(), CodedWorkers()
    await only_image(index, image_id, workers, prefer="pylibjpeg-rle", brief=brief)
    assert (workers.asked, brief.asked, brief.coded.asked) == ([True], [], [])


async def test_colour_is_converted_on_a_worker_in_steps_too() -> None:
    workers = HeldWorkers()
    await only_image(*indexed("examples_palette.dcm"), workers)
    assert len(workers.asked) == 2


def brief_way(index: FrameIndex) -> str:
    brief = CodedWorkers()
    way = brief_for(index, decoder_for(index.metadata.transfer_syntax_uid), brief)
    ways = ((None, "none"), (brief, "brief"), (brief.coded, "coded"))
    return next(name for one, name in ways if one is way)


async def test_only_small_frames_of_quick_decoders_are_brief(tmp_path: Path) -> None:
    assert brief_way(open_index(FILES / "CT_small.dcm")) == "brief"
    assert brief_way(open_index(FILES / "MR_small_RLE.dcm")) == "coded"
    assert brief_way(open_index(FILES / "JPEG2000.dcm")) == "none"
    large = tmp_path / "large.dcm"
    large.write_bytes(native(bytes((1 << 20) + 1024), Rows=1025, Columns=1024))
    assert brief_way(open_index(large)) == "none"
    deflated = tmp_path / "deflated.dcm"
    deflated.write_bytes(native(bytes(8), DEFLATED))
    assert brief_way(open_index(deflated)) == "none"
    index = open_index(FILES / "MR_small_RLE.dcm")
    assert brief_for(index, decoder_for(index.metadata.transfer_syntax_uid), HeldWorkers()) is None


@pytest.mark.parametrize("brief", [None, "brief"])
async def test_errors_are_typed_and_name_the_image(brief: str | None, tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(native(bytes(8)))
    index, image_id = open_index(path), ImageId("dicomfile", str(path), 1)
    ways = {"brief": CodedWorkers() if brief else None}
    path.write_bytes(native(bytes(8))[:-2])
    with pytest.raises(TruncatedError) as caught:
        await only_image(index, image_id, HeldWorkers(), **ways)
    assert caught.value.image_id == image_id
    path.unlink()
    with pytest.raises(FetchError):
        await only_image(index, image_id, HeldWorkers(), **ways)
    path.write_bytes(native(bytes(8), PhotometricInterpretation="HSV"))
    with pytest.raises(DecodeError):
        await only_image(open_index(path), image_id, HeldWorkers(), **ways)


async def test_a_file_that_changed_since_it_was_listed_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(native(bytes(8)))
    index = open_index(path)
    path.write_bytes(native(bytes([7]) * 6, Rows=2, Columns=3))
    image = await only_image(index, ImageId("dicomfile", str(path), 1), HeldWorkers(), brief=CodedWorkers())
    assert image.pixels.tolist() == [[7, 7, 7]] * 2


async def test_empty_and_broken_sources() -> None:
    _, image_id = indexed("CT_small.dcm")
    assert await collect(rx.empty().pipe(read_images(image_id, HeldWorkers()))) == ([], None)
    _, error = await collect(rx.throw(LookupError()).pipe(read_images(image_id, HeldWorkers())))
    assert isinstance(error, LookupError)


@pytest.mark.parametrize("coded", ["CT_small.dcm", "examples_palette.dcm"])
@pytest.mark.parametrize("brief", [None, "brief"])
async def test_disposed_midway_nothing_is_delivered_and_what_waits_is_dropped(coded: str, brief: str | None) -> None:
    index, image_id = indexed(coded)
    workers, held = HeldWorkers(), HeldWorkers()
    heard: list[object] = []
    source: rx.Subject[FrameIndex] = rx.Subject()
    subscription = source.pipe(read_images(image_id, workers, brief=held if brief else None)).subscribe(
        heard.append, heard.append, lambda: heard.append("completed")
    )
    source.on_next(index)
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(workers.asked) + len(held.asked) == 1
    subscription.dispose()
    assert not source.observers
    for _ in range(3):
        await asyncio.sleep(0)
    assert workers.cancelled + held.cancelled == 1
    assert heard == []


@pytest.mark.parametrize("brief", [None, "brief"])
async def test_disposed_in_the_same_turn_nothing_is_run(brief: str | None) -> None:
    index, image_id = indexed("examples_palette.dcm")
    ran: list[object] = []

    class Noting:
        def run(self, function: Callable[..., T], /, *args: object, holds_lock: bool = False) -> asyncio.Future[T]:
            ran.append((function, args, holds_lock))
            return asyncio.get_running_loop().create_future()

    workers = Noting()
    subscription = rx.just(index).pipe(read_images(image_id, workers, brief=workers if brief else None)).subscribe()
    subscription.dispose()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(ran) == bool(brief)
