"""From an address to the file it names: on disk, in a store, or a member of an archive in either."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.images.errors import ImageIdError
from cornerstream.operators.frame_index import open_source
from cornerstream.operators.local_file import LocalFile, path_of
from cornerstream.operators.storage import StoreFile, checked_address
from cornerstream.operators.storage_address import in_archive, is_url

if TYPE_CHECKING:
    from cornerstream.images.limits import Limits
    from cornerstream.operators.byte_source import ByteSource
    from cornerstream.operators.frame_index import FrameIndex
    from cornerstream.operators.storage import Stores
    from cornerstream.operators.zip_member import ZipArchive


def source_at(address: str, stores: Stores) -> ByteSource:
    """The file that an address names, which is not looked at yet; no member of an archive.

    Raises:
        ImageIdError: It is no path, no URL of a file, and no URL of a store.
    """
    if in_archive(address) is not None:
        raise ImageIdError("an archive inside of an archive is not read; take the inner one out")
    if is_url(address):
        return StoreFile(checked_address(address), stores)
    return LocalFile(path_of(address))


def open_member(archive: ZipArchive, name: str, limits: Limits) -> FrameIndex:
    """Find where the frames of a member lie, in the archive as it is now; raises as `open_source`."""
    return open_source(archive.current().member(name), limits)
