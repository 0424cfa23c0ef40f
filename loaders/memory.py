"""`memory:`: an array, bytes or an open file object that `session.memory` holds, DICOM Part 10 or a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import reactivex as rx

from cornerstream.images.array_frames import ArrayFrames
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.operators.bridge import from_coroutine
from cornerstream.operators.held_frame import decode_held, open_held, with_attributes
from cornerstream.operators.held_image import not_held
from cornerstream.operators.to_image import to_image

if TYPE_CHECKING:
    from reactivex import Observable
    from reactivex.abc import SchedulerBase

    from cornerstream.images.frames import DecodedFrame
    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.loaders.context import LoadContext, MemoryImages
    from cornerstream.operators.held_frame import HeldFile
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
    """One frame of a file: where its frames lie is found once."""
    source = held.source
    assert not isinstance(source, ArrayFrames)

    def opened(shared: LoadContext) -> Observable[HeldFile]:
        return from_coroutine(lambda: memory.run(open_held, source, "", shared.limits))

    return context.resources.once(held.index_key, opened, lambda file: file.nbytes).pipe(
        decode_held(image_id, memory.run, context.workers, context.prefer_decoder, context.limits, context.target),
        with_attributes(held.attributes),
    )
