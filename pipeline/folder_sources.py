"""What there is to be listed besides folders: files of stores, members of archives, what a DICOMDIR refers to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cornerstream.folder_files import Found, in_order
from cornerstream.images.errors import FetchError, ImageLoadError
from cornerstream.operators.local_file import LocalFile
from cornerstream.operators.storage_address import in_archive

if TYPE_CHECKING:
    from cornerstream.images.limits import Limits
    from cornerstream.operators.byte_source import ByteSource
    from cornerstream.operators.storage import Stores

_HEAD = 1 << 12


def found_at(address: str, stores: Stores, limits: Limits) -> Found:
    """What lies at the URL of a store, or in an archive.

    Raises:
        ImageLoadError: It cannot be listed.
    """
    from cornerstream.operators.sources import source_at  # noqa: PLC0415 - keeps the import of a session light
    from cornerstream.operators.storage import checked_address, files_in_store  # noqa: PLC0415

    archived = in_archive(address)
    if archived is not None:
        return _members(source_at(archived.archive, stores), limits, archived.member)
    files = files_in_store(checked_address(address), stores)
    if [file.address for file in files] == [address]:
        return found_in_file(files[0], limits)
    return Found(files, {})


def found_in_file(source: ByteSource, limits: Limits) -> Found:
    """What a file leads to: the members of an archive, the files of a DICOMDIR, or itself.

    Raises:
        ImageLoadError: It is an archive or a DICOMDIR, and cannot be read.
    """
    from cornerstream.operators.dicomdir import is_dicomdir  # noqa: PLC0415 - keeps the import of a session light
    from cornerstream.operators.zip_directory import is_archive  # noqa: PLC0415

    try:
        with source.opened() as opened:
            head = opened.read(_HEAD, 0)
    except FetchError:  # reading it as an image says so
        return Found([source], {})
    if is_archive(head):
        return _members(source, limits)
    if isinstance(source, LocalFile) and is_dicomdir(head):
        return _referenced(source, limits)
    return Found([source], {})


def _members(source: ByteSource, limits: Limits, below: str = "") -> Found:
    from cornerstream.operators.zip_member import open_archive  # noqa: PLC0415 - only archives need it

    archive = open_archive(source, limits)
    members = [one for one in archive.members() if _is_below(one.member, below)]
    refused = archive.directory.refused.items()
    return Found(members, {f"{source.name}::{name}": error for name, error in refused if _is_below(name, below)})


def _referenced(source: LocalFile, limits: Limits) -> Found:
    from cornerstream.operators.dicomdir import read_file_ids, resolve_file_id  # noqa: PLC0415 - only these need it

    root = str(Path(source.path).parent)
    found: dict[str, LocalFile] = {}
    refused: dict[str, ImageLoadError] = {}
    with source.opened() as opened:
        file_ids = read_file_ids(opened, limits)
    for file_id in file_ids:
        try:
            path = resolve_file_id(root, file_id)
        except ImageLoadError as error:
            refused[file_id] = error
        else:
            found[path] = replace(source, path=path)
    return Found([found[path] for path in sorted(found, key=in_order)], refused)


def _is_below(name: str, folder: str) -> bool:
    folder = folder.strip("/")
    return not folder or name == folder or name.startswith(f"{folder}/")
