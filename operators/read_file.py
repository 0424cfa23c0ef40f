"""`read_file`: frames out of Part 10 files on disk, in stores or in archives, read and decoded on workers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cornerstream.images.image import Image
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.bridge import from_async_generator
from cornerstream.operators.concat_stage import concat_stage
from cornerstream.operators.decoder_table import NATIVE, decoder_for
from cornerstream.operators.decompress import decode_frame, is_quick, is_small, threads_for
from cornerstream.operators.frame_index import open_index
from cornerstream.operators.map_ordered import map_ordered
from cornerstream.operators.map_stage import map_stage
from cornerstream.operators.to_rgb import convert_to_rgb, needs_conversion

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from reactivex import Observable

    from cornerstream.images.frames import DecodedFrame, EncodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.pixel_target import PixelTarget
    from cornerstream.operators.decoder import Decoder
    from cornerstream.operators.frame_index import FrameIndex
    from cornerstream.operators.protocols import Workers


def read_current(index: FrameIndex, frame_number: int, image_id: ImageId | None = None) -> EncodedFrame:
    """See `FrameIndex.read_current`; importable by name, as workers ask for."""
    return index.read_current(frame_number, image_id)


def read_decoded(
    index: FrameIndex,
    image_id: ImageId,
    prefer: str | Decoder | None = None,
    limits: Limits = DEFAULT_LIMITS,
    target: PixelTarget | None = None,
    threads: int = 1,
) -> DecodedFrame:
    """Read an image's frame of the file as it is now, and decode it: two steps that share one way to a worker.

    Raises:
        ImageLoadError: As `FrameIndex.read_current` and `decode_frame`.
    """
    frame = index.read_current(image_id.number, image_id)
    if threads > 1 or target is not None:
        frame = replace(frame, target=target, threads=threads)
    return decode_frame(frame, prefer, limits)


def read_image(
    index: FrameIndex,
    image_id: ImageId,
    prefer: str | Decoder | None = None,
    limits: Limits = DEFAULT_LIMITS,
    target: PixelTarget | None = None,
    threads: int = 1,
) -> Image:
    """As `read_decoded`, and make the image of it, in RGB if it is in colour.

    Raises:
        ImageLoadError: As `read_decoded` and `convert_to_rgb`.
    """
    return Image.of(convert_to_rgb(read_decoded(index, image_id, prefer, limits, target, threads)), image_id)


def read_frame(
    frame_number: int, workers: Workers, image_id: ImageId | None = None
) -> Callable[[Observable[FrameIndex]], Observable[EncodedFrame]]:
    """Read one frame of each indexed file, as the file is now, on a worker.

    ::

        source   i────────j────|
        result   ────fi──────fj|     frame `frame_number` of i, of j

    Order is the source's; one read at a time; dispose drops a read that waits for a worker.

    Args:
        frame_number: Counts from 1.
        workers: Where reading may block.
        image_id: Errors name it.
    """
    return map_ordered(lambda index: workers.run(read_current, index, frame_number, image_id), 1)


def read_images(
    image_id: ImageId,
    workers: Workers,
    prefer: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    target: PixelTarget | None = None,
    brief: Workers | None = None,
) -> Callable[[Observable[FrameIndex]], Observable[Image]]:
    """Read one frame of each indexed file, decode it and make an image of it, in one go on one worker.

    ::

        source   i────────j────|
        result   ────di──────dj|     the image's frame of i, of j

    Order is the source's; one frame at a time; dispose drops what waits for a worker, and the result of what runs.

    Args:
        image_id: Names the frame; errors name it.
        workers: Where reading and decoding may take their time.
        prefer: Name of a decoder to take where it decodes a frame's transfer syntax.
        limits: `frame_pixels` bounds what is allocated.
        target: Where the pixels of the one frame are wanted.
        brief: Workers for what takes less time than the way to a worker, if there are such; they share memory with the
            loop. Without them the image is made on the loop, since it may have come from another process.
    """

    def read(index: FrameIndex) -> Awaitable[Image]:
        decoder = decoder_for(index.metadata.transfer_syntax_uid, prefer)
        arguments = (index, image_id, decoder, limits, target, threads_for(index.metadata.shared, workers))
        if brief is None or not decoder.releases_gil:
            return in_steps(arguments, holds_lock=not decoder.releases_gil)
        return (brief_for(index, decoder, brief) or workers).run(read_image, *arguments)

    async def in_steps(arguments: tuple[object, ...], *, holds_lock: bool) -> Image:
        """For workers that may be processes."""
        frame: DecodedFrame = await workers.run(read_decoded, *arguments, holds_lock=holds_lock)
        if needs_conversion(frame):
            frame = await workers.run(convert_to_rgb, frame)
        return Image.of(frame, image_id)

    images = map_ordered(read, 1)
    if target is None:
        return images

    def placed(image: Image) -> Image:
        return image.placed(target)

    return lambda source: source.pipe(images, map_stage(placed))


def brief_for(index: FrameIndex, decoder: Decoder, brief: Workers) -> Workers | None:
    """Workers for a frame that is read and decoded before the way to a worker and back would have paid.

    For a small native frame it is mostly Python's own work. For one of a quick codec it is the codec's, which keeps every
    core busy: it goes to `brief.coded`, if there is such.

    Args:
        index: Of the file.
        decoder: Of its frames.
        brief: Workers for what is brief.
    """
    metadata = index.metadata.shared
    if decoder.name == NATIVE and is_small(metadata):
        return None if index.layout is None else brief  # those of a deflated data set are not read alone
    return getattr(brief, "coded", None) if is_quick(metadata, decoder) else None


def read_file(
    workers: Workers, limits: Limits = DEFAULT_LIMITS
) -> Callable[[Observable[str]], Observable[EncodedFrame]]:
    """Read every frame of each file on a worker, one after the other.

    ::

        source   p────────────q──────|
        result   ──p1──p2──p3────q1──|

    Order is the source's and the files'; one read at a time; dispose drops a read that waits for a worker.

    Args:
        workers: Where reading may block.
        limits: Bounds for whatever the files claim.
    """
    return concat_stage(lambda path: from_async_generator(lambda: _all_frames(path, workers, limits)))


async def _all_frames(path: str, workers: Workers, limits: Limits) -> AsyncGenerator[EncodedFrame, None]:
    index = await workers.run(open_index, path, limits)
    for frame_number in range(1, index.metadata.number_of_frames + 1):
        yield await workers.run(index.read, frame_number)
