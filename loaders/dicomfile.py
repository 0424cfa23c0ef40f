"""`dicomfile:`: one frame of a local Part 10 file, by path or `file://` URL (RFC 8089); only its own bytes are read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

from cornerstream.images.errors import ImageIdError
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.operators.bridge import from_coroutine
from cornerstream.operators.frame_index import open_source
from cornerstream.operators.local_file import LocalFile
from cornerstream.operators.read_file import read_and_decompress
from cornerstream.operators.to_image import to_image
from cornerstream.operators.to_rgb import to_rgb

if TYPE_CHECKING:
    from reactivex import Observable

    from cornerstream.images.image_id import ImageId
    from cornerstream.loaders.context import LoadContext
    from cornerstream.operators.byte_source import ByteSource
    from cornerstream.operators.frame_index import FrameIndex


def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    """Load one frame of a local file; where its frames lie is found once, and again when the file has changed."""
    source = LocalFile(local_path(image_id))

    def index(shared: LoadContext) -> Observable[FrameIndex]:
        return from_coroutine(lambda: shared.workers.run(open_source, source, shared.limits))

    return ImageLoadObject(
        image_id,
        context.resources.once(index_key(source), index, lambda found: found.nbytes).pipe(
            read_and_decompress(image_id, context.workers, context.prefer_decoder, context.limits, context.target),
            to_rgb(context.workers),
            to_image(image_id, context.target),
        ),
    )


def index_key(source: ByteSource) -> tuple[str, str]:
    """Under which the index of a file is shared; whoever has read its header may leave it there."""
    return "dicomfile", source.address


def local_path(image_id: ImageId) -> str:
    """The absolute path that an image id means: as it stands, or out of a `file://` URL.

    Raises:
        ImageIdError: The URL names another machine, is not absolute, or has a query or fragment.

    >>> from cornerstream.images.image_id import ImageId
    >>> local_path(ImageId.parse("dicomfile:file:///scans/head%20ct.dcm?frame=2"))
    '/scans/head ct.dcm'
    """
    if image_id.address[:5].lower() != "file:":
        return str(Path(image_id.address).absolute())
    url = urlsplit(image_id.address)
    if url.netloc not in {"", "localhost"} or not url.path.startswith("/"):
        raise ImageIdError("not a local file: a file URL reads file:///absolute/path", image_id=image_id)
    if url.query or url.fragment:
        raise ImageIdError("a file URL has no query or fragment; write ? as %3F and # as %23", image_id=image_id)
    return os.fsdecode(unquote_to_bytes(url.path))
