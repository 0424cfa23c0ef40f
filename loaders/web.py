"""`http:`, `https:`, `web:`, `file:`: a picture by URL or path: PNG, JPEG, JPEG 2000, TIFF, WebP, GIF or BMP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import reactivex as rx

from cornerstream.images.load_object import ImageLoadObject
from cornerstream.operators.bridge import from_coroutine
from cornerstream.operators.concat_stage import concat_stage
from cornerstream.operators.fetch import fetch
from cornerstream.operators.local_file import stat_file
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.retry_with_backoff import retry_with_backoff
from cornerstream.operators.to_image import to_image
from cornerstream.operators.web_address import web_address
from cornerstream.operators.web_image import decode_web_frame
from cornerstream.operators.web_source import open_bodies, open_local

if TYPE_CHECKING:
    from reactivex import Observable

    from cornerstream.images.image_id import ImageId
    from cornerstream.loaders.context import LoadContext
    from cornerstream.operators.byte_source import FileVersion
    from cornerstream.operators.web_image import WebFile

ACCEPT = "image/png, image/jpeg, image/jp2, image/tiff, image/webp, image/*;q=0.8, */*;q=0.5"


def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    """Load one page of a picture; all pages of a file that are wanted together cost one download."""
    address = web_address(image_id)
    file = _fetched(address.url, image_id, context) if address.url else _read(address.path, context)
    return ImageLoadObject(
        image_id,
        file.pipe(
            decode_web_frame(image_id.number, context.workers, context.target), to_image(image_id, context.target)
        ),
    )


def _fetched(url: str, image_id: ImageId, context: LoadContext) -> Observable[WebFile]:
    """The file behind a URL; what broke, or came short, is asked for again."""

    def fetched(shared: LoadContext) -> Observable[WebFile]:
        return rx.just(HttpRequest(url, {"Accept": ACCEPT}, image_id)).pipe(
            fetch(shared.http), open_bodies(shared.workers, shared.limits), retry_with_backoff()
        )

    return context.resources.once(("web", url), fetched, lambda file: file.nbytes)


def _read(path: str, context: LoadContext) -> Observable[WebFile]:
    """A local file, read again when it has changed."""

    def read(version: FileVersion) -> Observable[WebFile]:
        def opened(shared: LoadContext) -> Observable[WebFile]:
            return from_coroutine(lambda: shared.workers.run(open_local, path, shared.limits))

        return context.resources.once(("web", version), opened, lambda file: file.nbytes)

    return from_coroutine(lambda: context.workers.run(stat_file, path)).pipe(concat_stage(read))
