"""`dicomfile:`: a Part 10 file by its path, its `file://` URL (RFC 8089) or the URL of a store, or a member of an archive.

Only the bytes of the frame are read, on workers or, where a store has to be waited for, on threads that may wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.images.errors import ImageIdError
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.operators.bridge import from_coroutine
from cornerstream.operators.decompress import decompress
from cornerstream.operators.frame_index import open_source
from cornerstream.operators.local_file import path_of
from cornerstream.operators.map_ordered import map_ordered
from cornerstream.operators.read_file import read_frame, read_images
from cornerstream.operators.sources import open_member, source_at
from cornerstream.operators.storage_address import in_archive, is_in_store, member_address
from cornerstream.operators.to_image import to_image
from cornerstream.operators.to_rgb import to_rgb
from cornerstream.operators.zip_member import open_archive

if TYPE_CHECKING:
    from reactivex import Observable

    from cornerstream.images.image_id import ImageId
    from cornerstream.loaders.context import LoadContext
    from cornerstream.operators.byte_source import ByteSource
    from cornerstream.operators.frame_index import FrameIndex
    from cornerstream.operators.protocols import Workers
    from cornerstream.operators.storage_address import ArchiveAddress
    from cornerstream.operators.zip_member import ZipArchive


def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    """Load one frame of a file; where its frames lie is found once, and again when the file has changed.

    What is on disk is read and decoded in one go; what comes from a store is waited for elsewhere than where is decoded.
    """
    index = index_of(image_id, context)
    prefer, limits, target = context.prefer_decoder, context.limits, context.target
    if is_in_store(image_id.address):
        images = index.pipe(
            read_frame(image_id.number, context.waiting_workers, image_id),
            decompress(context.workers, prefer=prefer, limits=limits, target=target),
            to_rgb(context.workers),
            to_image(image_id, target),
        )
    else:
        images = index.pipe(read_images(image_id, context.workers, prefer, limits, target, context.brief))
    return ImageLoadObject(image_id, images)


def index_of(image_id: ImageId, context: LoadContext) -> Observable[FrameIndex]:
    """Where the frames of an image's file lie, shared by all who load one of them.

    Raises:
        ImageIdError: The address names no file.
    """
    try:
        archived = in_archive(image_id.address)
        source = source_at(archived.archive if archived else image_id.address, context.stores)
        if archived is not None:
            return _of_member(source, archived, context)
    except ImageIdError as error:
        raise error.about(image_id) from None

    def index(shared: LoadContext) -> Observable[FrameIndex]:
        return from_coroutine(lambda: _readers(shared, source).run(open_source, source, shared.limits))

    return context.resources.once(index_key(source.address), index, lambda found: found.nbytes)


def _of_member(source: ByteSource, archived: ArchiveAddress, context: LoadContext) -> Observable[FrameIndex]:
    """The same of a member; the archive's directory is read once for all of them."""
    if not archived.member:
        raise ImageIdError("names an archive and no member; it reads dicomfile:zip://{member}::{archive}")

    def archive(shared: LoadContext) -> Observable[ZipArchive]:
        return from_coroutine(lambda: _readers(shared, source).run(open_archive, source, shared.limits))

    def index(shared: LoadContext) -> Observable[FrameIndex]:
        run, key = _readers(shared, source).run, ("archive", source.address)
        return shared.resources.once(key, archive, lambda found: found.directory.nbytes).pipe(
            map_ordered(lambda found: run(open_member, found, archived.member, shared.limits), 1)
        )

    key = index_key(member_address(source.address, archived.member))
    return context.resources.once(key, index, lambda found: found.nbytes)


def _readers(context: LoadContext, source: ByteSource) -> Workers:
    return context.waiting_workers if is_in_store(source.address) else context.workers


def index_key(address: str) -> tuple[str, str]:
    """Under which the index of a file is shared; whoever has read its header may leave it there."""
    return "dicomfile", address


def local_path(image_id: ImageId) -> str:
    """The absolute path that an image id means: as it stands, or out of a `file://` URL.

    Raises:
        ImageIdError: The URL names another machine, is not absolute, or has a query or fragment.

    >>> from cornerstream.images.image_id import ImageId
    >>> local_path(ImageId.parse("dicomfile:file:///scans/head%20ct.dcm?frame=2"))
    '/scans/head ct.dcm'
    """
    try:
        return path_of(image_id.address)
    except ImageIdError as error:
        raise error.about(image_id) from None
