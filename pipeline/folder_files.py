"""What there is to be listed: the files below a local folder, hidden ones left out, links to folders not followed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cornerstream.images.errors import FetchError, ImageLoadError
from cornerstream.operators.local_file import LocalFile, local_file

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cornerstream.operators.byte_source import ByteSource

_FOLDERS = 64  # looked into by one job of a worker, which nothing can stop in between


class Found(NamedTuple):
    """Files to be read, in order, and what cannot be, with the reason of each."""

    sources: Sequence[ByteSource]
    skipped: dict[str, ImageLoadError]


class _Step(NamedTuple):
    files: list[str]
    folders: list[str]
    refused: dict[str, ImageLoadError]


def look_at(path: str | os.PathLike[str]) -> tuple[str, bool]:
    """The absolute path, and whether it is a folder.

    Raises:
        FetchError: It is not there, or may not be seen.
    """
    name = local_file(path).path
    try:
        return name, stat.S_ISDIR(Path(name).stat().st_mode)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or error
        raise FetchError(f"there is no folder {name} to be read: {reason}") from error


async def files_below(root: str, run: Callable[..., Awaitable[_Step]]) -> Found:
    """Every file below a folder, sorted by the names on its way.

    Args:
        root: An absolute path.
        run: Runs a function on a worker; it is given a few folders at a time.
    """
    files: list[str] = []
    refused: dict[str, ImageLoadError] = {}
    folders = [root]
    while folders:  # as deep as a stranger nests them
        some, folders = folders[:_FOLDERS], folders[_FOLDERS:]
        step = await run(look_into, some)
        files += step.files
        folders += step.folders
        refused |= step.refused
    files.sort(key=in_order)
    return Found([LocalFile(name) for name in files], refused)


def in_order(path: str) -> list[str]:
    """What paths are sorted by: the names on their way, as Paths are, without making them."""
    return path.split(os.sep)  # noqa: PTH206 - see above


def look_into(folders: Sequence[str]) -> _Step:
    """The files and the folders in some folders."""
    step = _Step([], [], {})
    for folder in folders:
        for entry in _entries(folder, step.refused):
            if not entry.name.startswith("."):
                _sort_in(entry, step)
    return step


def _sort_in(entry: os.DirEntry[str], step: _Step) -> None:
    if not _is_folder(entry):
        step.files.append(entry.path)
    elif entry.is_symlink():  # it may lead round in circles
        step.refused[entry.path] = FetchError(f"{entry.path} is a link to a folder, which is not followed")
    else:
        step.folders.append(entry.path)


def _entries(folder: str, refused: dict[str, ImageLoadError]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        refused[folder] = FetchError(f"cannot read the folder {folder}: {error.strerror or error}")
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself; reading it says so
        return False
