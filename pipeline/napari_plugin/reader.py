"""From paths and URLs to napari's layers: a dask array for each series, in millimetres and modality values.

Nothing but headers is read before napari shows a slice. Images are loaded by the
default session that has a thread of its own: napari waits for them, also in a notebook.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from cornerstream.defaults import blocking_session
from cornerstream.images.errors import FetchError
from cornerstream.images.image_id import ImageId
from cornerstream.operators.geometry import sort_by_position
from cornerstream.series import Series
from cornerstream.to_xarray import geometry_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cornerstream.images.metadata import FrameMetadata
    from cornerstream.session import Session

    Layer: TypeAlias = tuple[Any, dict[str, Any], str]

_STUDY = re.compile(r"(?P<base>https?://.+?)/studies/(?P<study>[^/?#]+)(?:/series/(?P<series>[^/?#]+))?/?$")
_IMAGE_ID = re.compile(r"(wadors|wadouri|dicomfile):")
_SUFFIXES = {".dcm", ".dicom", ".ima"}
_LOOKED_AT = 64  # files of a folder, to find out whether there is any DICOM in it


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[Layer]] | None:
    """The reader, if it can read all of that; `None` leaves it to others (npe2's reader contribution)."""
    return read_layers if all(map(_is_ours, _paths(path))) else None


def read_layers(path: str | Sequence[str]) -> list[Layer]:
    """A layer for each series.

    Args:
        path: A folder, a file, files that are read as one stack, the URL of a study or of a series of a DICOMweb server, or
            image ids.

    Returns:
        (data, keywords, "image"): `data` is a dask array, slices × rows × columns, or rows × columns of a single image, and
        with 3 samples at the end where it is RGB.

    Raises:
        FetchError: There are no images, or they cannot be listed.
    """
    session = blocking_session()
    series = _series_of(session, _paths(path))
    if not series:
        raise FetchError(f"there are no DICOM images in {path}")
    return [layer_of(session, one) for one in series]


def layer_of(session: Session, series: Series) -> Layer:
    """A series as a layer."""
    first = series.metadata or session.load(series[0]).result()
    is_grey = first.photometric_interpretation in {"MONOCHROME1", "MONOCHROME2"}
    data = session.dask(series, modality=is_grey)
    scale, units = _scale(series, first)
    keywords: dict[str, Any] = {
        "name": f"{series.modality} {series.series_description}".strip() or series.series_instance_uid or "DICOM",
        "metadata": _metadata(series),
        "rgb": not is_grey,
    }
    if is_grey:
        keywords["colormap"] = "gray_r" if first.photometric_interpretation == "MONOCHROME1" else "gray"
    if is_grey and first.windows:
        window = first.windows[0]
        keywords["contrast_limits"] = (window.center - window.width / 2, window.center + window.width / 2)
    if len(series) == 1:
        data, scale, units = data[0], scale[1:], units[1:]
    return data, {**keywords, "scale": scale, "units": units}, "image"


def _scale(series: Series, first: FrameMetadata) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Between slices, rows and columns; in millimetres as far as they are known."""
    geometry = geometry_of(series, series.places)
    if geometry is not None and geometry.is_even:
        return geometry.spacing[::-1], ("mm",) * 3
    if first.pixel_spacing is not None:
        return (1.0, *first.pixel_spacing), ("pixel", "mm", "mm")
    return (1.0,) * 3, ("pixel",) * 3


def _metadata(series: Series) -> dict[str, Any]:
    names = ("study_instance_uid", "series_instance_uid", "modality", "series_number", "series_description")
    geometry = geometry_of(series, series.places)
    found: dict[str, Any] = {name: getattr(series, name) for name in names}
    if geometry is not None and geometry.is_even:
        found["affine"] = geometry.affine  # from (column, row, slice) to LPS
    return {**found, "image_ids": [str(image_id) for image_id in series]}


def _paths(path: str | Sequence[str]) -> list[str]:
    return [path] if isinstance(path, str) else [str(one) for one in path]


def _is_ours(path: str) -> bool:
    if _STUDY.match(path) or _IMAGE_ID.match(path):
        return True
    if os.path.isdir(path):  # noqa: PTH112 - a path that the system cannot have is none, and no error
        return any(map(_is_dicom, islice(_files_below(path), _LOOKED_AT)))
    return Path(path).suffix.lower() in _SUFFIXES or _is_dicom(path)


def _files_below(folder: str) -> Iterable[str]:
    return (os.path.join(where, name) for where, _, names in os.walk(folder) for name in sorted(names))  # noqa: PTH118 - many


def _is_dicom(path: str) -> bool:
    """It has the mark of PS3.10 7.1."""
    try:
        with Path(path).open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except (OSError, ValueError):  # it cannot be read, so it is none that could be shown
        return False


def _series_of(session: Session, paths: Sequence[str]) -> list[Series]:
    if all(map(_IMAGE_ID.match, paths)):
        return [Series(tuple(map(ImageId.parse, paths)))]
    return _joined(chain.from_iterable(_listed(session, path) for path in paths))


def _listed(session: Session, path: str) -> Iterable[Series]:
    study = _STUDY.match(path)
    if study is None:
        return session.folder(path)
    wanted = study["series"]
    found = session.study(study["base"], study["study"])
    return [one for one in found if wanted in (None, one.series_instance_uid)]


def _joined(found: Iterable[Series]) -> list[Series]:
    """Files that were listed one by one, as the series they are of."""
    by_uid: defaultdict[str, list[Series]] = defaultdict(list)
    for one in found:
        by_uid[one.series_instance_uid].append(one)
    return [_join(parts) for parts in by_uid.values()]


def _join(parts: list[Series]) -> Series:
    if len(parts) == 1:
        return parts[0]
    ordered = sort_by_position(parts, key=_first)
    return replace(
        ordered[0],
        image_ids=tuple(chain.from_iterable(ordered)),
        places=tuple(chain.from_iterable(one.places for one in ordered)),
    )


def _first(series: Series) -> FrameMetadata:
    assert series.metadata is not None  # it was listed
    return series.metadata
