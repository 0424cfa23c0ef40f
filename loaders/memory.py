"""`memory:`: an array, bytes or an open file object that `session.memory` holds, DICOM Part 10 or a picture."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import reactivex as rx

from cornerstream.images.array_frames import ArrayFrames
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.operators.bridge import from_coroutine
from cornerstream.operators.decompress import decompress
from cornerstream.operators.frame_index import open_source
from cornerstream.operators.held_image import not_held
from cornerstream.operators.map_ordered import map_ordered
from cornerstream.operators.map_stage import map_stage
from cornerstream.operators.to_image import to_image
from cornerstream.operators.to_rgb import to_rgb

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from reactivex import Observable
    from reactivex.abc import SchedulerBase

    from cornerstream.images.frames import DecodedFrame, EncodedFrame
    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.loaders.context import LoadContext, MemoryImages
    from cornerstream.operators.frame_index import FrameIndex
    from cornerstream.operators.held_image import HeldImage


def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    """Load one frame of what is held in memory; removed meanwhile, it ends in an error that says so."""

    def images(_: SchedulerBase) -> Observable[Image]:
        memory = context.memory
        if memory is None:
            raise not_held(image_id.address)
        held = memory.find(image_id)
        frame = _array_frame if isinstance(held.source, ArrayFrames) else _file_frame
        return frame(image_id, context, memory, held).pipe(to_image(image_id, context.target), held.while_held())

    return ImageLoadObject(image_id, rx.defer(images))


def _array_frame(
    image_id: ImageId, context: LoadContext, memory: MemoryImages, held: HeldImage
) -> Observable[DecodedFrame]:
    """One frame of an array: a view."""
    del context, memory
    array = held.source
    assert isinstance(array, ArrayFrames)
    return rx.just(array.frame(image_id.number))


def _file_frame(
    image_id: ImageId, context: LoadContext, memory: MemoryImages, held: HeldImage
) -> Observable[DecodedFrame]:
    """One frame of a Part 10 file: where its frames lie is found once."""
    source = held.source
    assert not isinstance(source, ArrayFrames)

    def index(shared: LoadContext) -> Observable[FrameIndex]:
        return from_coroutine(lambda: memory.run(open_source, source, shared.limits))

    def read(found: FrameIndex) -> Awaitable[EncodedFrame]:
        return memory.run(found.read_current, image_id.number, image_id)

    def described(frame: EncodedFrame) -> EncodedFrame:
        return replace(frame, metadata=frame.metadata.changed(held.attributes)) if held.attributes else frame

    return context.resources.once(held.index_key, index, lambda found: found.nbytes).pipe(
        map_ordered(read, 1),
        map_stage(described),
        decompress(context.workers, prefer=context.prefer_decoder, limits=context.limits, target=context.target),
        to_rgb(context.workers),
    )
