"""Series of a folder: headers read in parallel on the workers, pixels untouched."""

from __future__ import annotations

import os
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
    from cornerstream.operators.read_file import FrameIndex
    from cornerstream.series import Series

_BATCH = 16  # files a worker reads in one job: a header takes a fraction of a millisecond


async def list_folder(engine: Engine, path: str | os.PathLike[str], skipped: dict[str, ImageLoadError]) -> list[Series]:
    """List the series of the DICOM files below a folder, hidden files and folders left out.

    Args:
        engine: Whose workers and limits hold.
        path: The folder, or one file.
        skipped: Gets the files that are no DICOM images, with the reason of each.

    Raises:
        FetchError: There is no such folder.
    """
    rank = RankCell(Rank(Lane.INTERACTION))
    files = await engine.workers.run(_files, Path(path), rank=rank)
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


def _files(path: Path) -> list[Path]:
    path = path.absolute()
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FetchError(f"there is no folder {path}")
    return sorted(_walk(path))


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def _batches(files: Iterable[Path]) -> Iterator[list[Path]]:
    rest = iter(files)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _read_headers(files: list[Path], limits: Limits) -> list[tuple[Path, FrameIndex | ImageLoadError]]:
    return [(file, _read_header(file, limits)) for file in files]


def _read_header(file: Path, limits: Limits) -> FrameIndex | ImageLoadError:
    from cornerstream.operators.read_file import open_index  # noqa: PLC0415 - only folders need it

    try:
        return open_index(file, limits)
    except ImageLoadError as error:
        return error
