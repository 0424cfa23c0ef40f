"""`data:`: a picture or DICOM Part 10 file that is written into its image id, in base64 or percent-encoded (RFC 2397)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.images.load_object import ImageLoadObject
from cornerstream.operators.bridge import from_coroutine
from cornerstream.operators.data_url import open_data_url
from cornerstream.operators.held_frame import decode_held, held_nbytes
from cornerstream.operators.to_image import to_image

if TYPE_CHECKING:
    from reactivex import Observable

    from cornerstream.images.image_id import ImageId
    from cornerstream.loaders.context import LoadContext
    from cornerstream.operators.held_frame import HeldFile


def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    """Load one frame out of a `data:` URL; it is decoded from base64 once for all its frames."""

    def opened(shared: LoadContext) -> Observable[HeldFile]:
        return from_coroutine(lambda: shared.workers.run(open_data_url, image_id.address, shared.limits))

    return ImageLoadObject(
        image_id,
        context.resources.once(("data", image_id.address), opened, held_nbytes).pipe(
            decode_held(
                image_id, context.workers.run, context.workers, context.prefer_decoder, context.limits, context.target
            ),
            to_image(image_id, context.target),
        ),
    )
