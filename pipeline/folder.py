"""Series of a folder: headers read in parallel on the workers, pixels untouched."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from cornerstream.images.errors import FetchError, ImageLoadError
from cornerstream.images.image_id import ImageId
from cornerstream.listing import Instance, make_series, together
from cornerstream.loaders.dicomfile import index_key
from cornerstream.ranks import Lane, Rank, RankCell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cornerstream.engine import Engine
    from cornerstream.images.limits import Limits
    from cornerstream.operators.part10 import AttributeReader
    from cornerstream.operators.frame_index import FrameIndex
    from cornerstream.series import Series

_BATCH = 16  # files a worker reads in one job: a header takes a fraction of a millisecond


async def list_folder(engine: Engine, path: str | os.PathLike[str], skipped: dict[str, ImageLoadError]) -> list[Series]:
    """List the series of the DICOM files below a folder, hidden files and folders left out.

    Args:
        engine: Whose workers and limits hold.
        path: The folder, or one file.
        skipped: Gets the files that are no DICOM images and the folders that cannot be read, with the reason of each.

    Raises:
        FetchError: There is no such folder.
    """
    rank = RankCell(Rank(Lane.INTERACTION))
    files, refused = await engine.workers.run(_files, Path(path), rank=rank)
    skipped.update(refused)
    limits = engine.options.limits
    read = await together(engine.workers.run(_read_headers, batch, limits, rank=rank) for batch in _batches(files))
    by_series: defaultdict[str, list[Instance]] = defaultdict(list)
    for file, found in chain.from_iterable(read):
        if isinstance(found, ImageLoadError):
            skipped[str(file)] = found
        else:
            engine.resources.put(index_key(str(file)), found, found.nbytes)  # the loads to come need not read it again
            metadata = found.metadata
            by_series[metadata.shared.series_instance_uid].append(Instance(_image_id(file), metadata))
    series = [_series(uid, instances) for uid, instances in by_series.items()]
    return sorted(series, key=lambda one: (one.study_instance_uid, one.series_number or 0, one.series_instance_uid))


def _image_id(file: Path) -> ImageId:
    """The path as it stands; as a URL where it has what would begin a query."""
    return ImageId("dicomfile", file.as_uri() if "?" in str(file) else str(file))


def _series(uid: str, instances: list[Instance]) -> Series:
    shared = instances[0].metadata.shared
    return make_series(
        instances,
        series_instance_uid=uid,
        modality=shared.modality,
        series_number=shared.series_number,
        series_description=shared.series_description,
    )


def _files(path: Path) -> tuple[list[Path], dict[str, ImageLoadError]]:
    """The files below a folder, sorted, and what could not be looked into."""
    path = path.absolute()
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, "strerror", None) or error
        raise FetchError(f"there is no folder {path} to be read: {reason}") from error
    if not is_folder:
        return [path], {}
    refused: dict[str, ImageLoadError] = {}
    return sorted(_walk(path, refused)), refused


def _walk(root: Path, refused: dict[str, ImageLoadError]) -> Iterator[Path]:
    """Every file that is not hidden; links to folders, which may lead round in circles, are not followed."""
    folders = [str(root)]
    while folders:  # as deep as a stranger nests them
        for entry in _entries(folders.pop(), refused):
            if entry.name.startswith("."):
                continue
            if _is_folder(entry) and entry.is_symlink():
                refused[entry.path] = FetchError(f"{entry.path} is a link to a folder, which is not followed")
            elif _is_folder(entry):
                folders.append(entry.path)
            else:
                yield Path(entry.path)


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


def _batches(files: Iterable[Path]) -> Iterator[list[Path]]:
    rest = iter(files)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _read_headers(files: list[Path], limits: Limits) -> list[tuple[Path, FrameIndex | ImageLoadError]]:
    from cornerstream.operators.metadata_memo import MetadataMemo  # noqa: PLC0415 - only folders need it

    memo = MetadataMemo()
    return [(file, _read_header(file, limits, memo)) for file in files]


def _read_header(file: Path, limits: Limits, reader: AttributeReader) -> FrameIndex | ImageLoadError:
    from cornerstream.operators.frame_index import open_index  # noqa: PLC0415 - only folders need it

    try:
        return open_index(file, limits, reader=reader)
    except ImageLoadError as error:
        return _without_traceback(error)


def _without_traceback(error: ImageLoadError) -> ImageLoadError:
    """The error alone: it is kept with the listing, and a traceback would keep what was read of the file as well."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error
