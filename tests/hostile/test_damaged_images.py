"""Damaged frames through the whole pipeline, decoded in processes: an image of the declared shape, or a typed error."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from cornerstream.images.errors import DecodeError, ImageLoadError, LimitError
from cornerstream.images.limits import MIB, Limits
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.operators.bridge import from_coroutine
from cornerstream.registry import LoaderRegistry
from cornerstream.session import Session
from tests.support import calls
from tests.support.damage import samples, variant
from tests.support.fakes import make_image
from tests.support.leaks import nothing_left
from tests.support.part10 import IMPLICIT, item, native, table, with_items

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.loaders.context import LoadContext
    from cornerstream.phantom import PhantomStudy

LIMITS = Limits(decode_seconds=10, decode_bytes=512 * MIB)
CODECS = ("jpeg-lossless", "jpeg", "jpegls", "j2k", "htj2k", "jpegxl", "rle", "deflated", "native")


def codec_of(name: str) -> str:
    """The codec of a sample, the longest name that fits."""
    return max((codec for codec in CODECS if f"{name}-".startswith(f"{codec}-")), key=len)


def flavours(codec: str) -> list[EncodedFrame]:
    """The samples of one codec."""
    return [frame for name, frame in samples().items() if codec_of(name) == codec]


def file_of(frame: EncodedFrame, data: bytes) -> bytes:
    """A Part 10 file of one frame, its offset table right."""
    metadata = frame.metadata
    colour = metadata.samples_per_pixel == 3
    attributes: dict[str, Any] = {
        "Rows": metadata.rows,
        "Columns": metadata.columns,
        "SamplesPerPixel": metadata.samples_per_pixel,
        "PhotometricInterpretation": metadata.photometric_interpretation,
        "PlanarConfiguration": metadata.planar_configuration if colour else None,
        "BitsAllocated": metadata.bits_allocated,
        "BitsStored": metadata.bits_stored,
        "HighBit": metadata.high_bit,
        "PixelRepresentation": metadata.pixel_representation,
    }
    if metadata.transfer_syntax_uid in {IMPLICIT, "1.2.840.10008.1.2.1"}:
        return native(data + bytes(len(data) % 2), metadata.transfer_syntax_uid, "OW", **attributes)
    fragment = data + bytes(len(data) % 2)
    return with_items([table(0), item(fragment)], 1, metadata.transfer_syntax_uid, **attributes)


def shape_of(frame: EncodedFrame) -> tuple[int, ...]:
    size = frame.metadata.rows, frame.metadata.columns
    return (*size, 3) if frame.metadata.samples_per_pixel == 3 else size


async def outcome(session: Session, frame: EncodedFrame, path: Path) -> str:
    """How a load ended."""
    try:
        image = await session.load(f"dicomfile:{path}", keep=False)
    except ImageLoadError as error:
        return type(error).__name__ if str(path) in str(error) else f"{error!r} names no image"
    assert image.pixels.shape == shape_of(frame)
    return "image"


async def outcomes(session: Session, codec: str, folder: Path, count: int, seed: int) -> AsyncIterator[str]:
    """Variants of a codec's samples in turn, eight loads at a time."""
    frames = flavours(codec)
    for first in range(0, count, 8):
        paths = []
        for index in range(first, min(first + 8, count)):
            frame = frames[index % len(frames)]
            path = folder / f"{codec}-{index}.dcm"
            path.write_bytes(file_of(frame, variant(bytes(frame.data), seed, index)))
            paths.append((frame, path))
        for one in await asyncio.gather(*(outcome(session, *each) for each in paths)):
            yield one
        for _, path in paths:
            path.unlink()


async def run(codec: str, folder: Path, count: int, seed: int) -> Counter[str]:
    """Load variants; the pool serves a whole frame afterwards, and nothing is left."""
    async with nothing_left(), Session(isolated=True, max_workers=2, limits=LIMITS) as session:
        found = Counter([one async for one in outcomes(session, codec, folder, count, seed)])
        for index, frame in enumerate(flavours(codec)):
            path = folder / f"whole-{index}.dcm"
            path.write_bytes(file_of(frame, bytes(frame.data)))
            assert await outcome(session, frame, path) == "image"
        assert session.stats().running == 0
        processes = session.workers._pools.processes
        assert processes is not None
        held = [psutil.Process(number).memory_info().rss for number in processes.process_ids]
        assert max(held) < LIMITS.decode_bytes
    assert sum(found.values()) == count
    return found


def test_every_sample_belongs_to_one_codec() -> None:
    assert sum(len(flavours(codec)) for codec in CODECS) == len(samples())
    assert all(flavours(codec) for codec in CODECS)


@pytest.mark.parametrize("codec", CODECS)
async def test_damaged_frames(codec: str, tmp_path: Path) -> None:
    found = await run(codec, tmp_path, count=24, seed=3)
    assert set(found) <= {"image", "DecodeError", "SplitError", "TruncatedError"}, found


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("codec", CODECS)
async def test_three_hundred_damaged_frames(codec: str, tmp_path: Path) -> None:
    found = await run(codec, tmp_path, count=300, seed=4)
    assert set(found) <= {"image", "DecodeError", "SplitError", "TruncatedError", "LimitError"}, found
    assert found["DecodeError"] >= 30 or codec == "native", found


_BAD: dict[str, tuple[Callable[[Any], object], Any]] = {
    "crash": (calls.die, signal.SIGSEGV),
    "memory": (calls.take, LIMITS.decode_bytes * 2),
    "hang": (calls.spend, 1000.0),
}


def crashing(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    """A loader whose decoder dies, hangs or takes all memory, as its image id says."""
    function, argument = _BAD[image_id.address]

    async def decode() -> Image:
        await context.workers.run(function, argument)
        return make_image(image_id)

    return ImageLoadObject(image_id, from_coroutine(decode))


async def test_a_decoder_that_dies_costs_its_image_alone(small_study: PhantomStudy) -> None:
    registry = LoaderRegistry()
    registry.register("bad", crashing)
    limits = Limits(decode_seconds=4, decode_bytes=LIMITS.decode_bytes)  # its first decode imports a codec
    good = [f"dicomfile:{path}" for series in small_study.series[:3] for path in series.files]
    bad = ["bad:crash", "bad:memory", "bad:hang"]
    async with nothing_left(), Session(isolated=True, max_workers=2, limits=limits, registry=registry) as session:
        ids = [*good[:2], *bad, *good[2:]]
        loads = [session.load(image_id, keep=False) for image_id in ids]
        ended = dict(zip(ids, await asyncio.gather(*loads, return_exceptions=True), strict=True))
        assert [one for one in good if isinstance(ended[one], BaseException)] == []
        assert isinstance(ended["bad:crash"], DecodeError)
        assert "SIGSEGV" in str(ended["bad:crash"])
        assert isinstance(ended["bad:memory"], LimitError)
        assert "decode_bytes" in str(ended["bad:memory"])
        assert isinstance(ended["bad:hang"], LimitError)
        assert "decode_seconds" in str(ended["bad:hang"])
        assert session.stats().busy_workers == 0
