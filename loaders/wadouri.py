"""`wadouri:` and `dicomweb:`: any HTTP GET of a Part 10 file (WADO-URI, PS3.18 section 9, or a plain file server)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import reactivex as rx

from cornerstream.images.load_object import ImageLoadObject
from cornerstream.operators.decompress import decompress
from cornerstream.operators.fetch import fetch
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.read_wanted import read_wanted
from cornerstream.operators.retry_with_backoff import retry_with_backoff
from cornerstream.operators.to_image import to_image
from cornerstream.operators.to_rgb import to_rgb

if TYPE_CHECKING:
    from reactivex import Observable

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.loaders.context import LoadContext

ACCEPT = "application/dicom, application/octet-stream;q=0.5, */*;q=0.1"


def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    """Load one frame of a Part 10 file; all frames of a file that are wanted together cost one download.

    Frames are decoded as they arrive, before the file is complete. One that is far from coming is asked for by its own
    bytes, where the server has ranges (RFC 9110 section 14).
    """
    url = image_id.address

    def frames(shared: LoadContext) -> Observable[EncodedFrame]:
        return rx.just(HttpRequest(url, {"Accept": ACCEPT}, image_id)).pipe(
            fetch(shared.http), read_wanted(shared.limits, shared.wish), retry_with_backoff()
        )

    frame = context.resources.frame(("part10", url), frames, image_id.number)
    return ImageLoadObject(
        image_id,
        context.resources.encoded(image_id, frame, with_its_file=True).pipe(
            decompress(context.workers, prefer=context.prefer_decoder, limits=context.limits, target=context.target),
            to_rgb(context.workers),
            to_image(image_id, context.target),
        ),
    )
