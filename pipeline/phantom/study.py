"""The phantom as a DICOM study: three CT series in different transfer syntaxes and one colour cine."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from os import cpu_count
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.phantom.cine import rotating_view
from cornerstream.phantom.encoding import CT_SYNTAXES, JPEG_BASELINE, Syntax, encode_colour
from cornerstream.phantom.part10 import CtSlice, cine_dataset, ct_dataset, write_part10
from cornerstream.phantom.volume import Phantom

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_UID_ROOT = "2.25"


@dataclass(frozen=True, slots=True)
class PhantomSeries:
    """One series as it was written.

    Attributes:
        files: In order of position, from the apex of the lungs down; a multi-frame series has one.
        frames: Number of images.
    """

    series_instance_uid: str
    description: str
    transfer_syntax_uid: str
    files: tuple[Path, ...] = field(repr=False)
    sop_instance_uids: tuple[str, ...] = field(repr=False)
    frames: int


@dataclass(frozen=True, slots=True)
class PhantomStudy:
    """A study as it was written."""

    folder: Path
    study_instance_uid: str
    series: tuple[PhantomSeries, ...]

    @property
    def frames(self) -> int:
        """Images of all series."""
        return sum(one.frames for one in self.series)

    @property
    def nbytes(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for one in self.series for path in one.files)


def write_study(
    folder: Path,
    *,
    slices: int = 208,
    size: int = 512,
    cine_frames: int = 60,
    seed: int = 7,
    syntaxes: Sequence[Syntax] = CT_SYNTAXES,
) -> PhantomStudy:
    """Compute the phantom and write it; blocks, on as many threads as there are processors.

    File names say nothing about the order of the slices, nor does their Instance Number follow the names.

    Args:
        folder: Made if need be; one subfolder a series.
        slices: Slices of each CT series.
        size: Rows and columns.
        cine_frames: Frames of the colour cine; 0 writes none.
        seed: The same numbers give the same study, UIDs and pixels.
        syntaxes: One CT series is written in each.

    Raises:
        OSError: The folder cannot be written.
    """
    phantom = Phantom(slices, size, seed)
    volume = phantom.volume()
    study = PhantomStudy(folder, _uid("study", slices, size, seed), ())
    written = [_write_ct(study, phantom, volume, syntax, number) for number, syntax in enumerate(syntaxes, 1)]
    if cine_frames:
        written.append(_write_cine(study, phantom, rotating_view(volume, cine_frames, size), len(written) + 1))
    return replace(study, series=tuple(written))


def _write_ct(
    study: PhantomStudy, phantom: Phantom, volume: NDArray[np.int16], syntax: Syntax, number: int
) -> PhantomSeries:
    series_uid = _uid(study.study_instance_uid, number)
    folder = study.folder / f"series{number}"
    folder.mkdir(parents=True, exist_ok=True)
    names = np.random.default_rng(number).permutation(
        phantom.slices
    )  # the order of the files is not that of the slices
    paths = tuple(folder / f"im{name:04d}.dcm" for name in names)
    uids = tuple(_uid(series_uid, index) for index in range(phantom.slices))

    place = _uid(study.study_instance_uid, "frame of reference")  # the series show the same body in the same place

    def write(index: int) -> None:
        one = CtSlice(study.study_instance_uid, series_uid, uids[index], place, number, index, phantom)
        write_part10(ct_dataset(one, volume[index], syntax), syntax.transfer_syntax_uid, paths[index])

    syntax.encode(
        syntax.stored(volume[0])
    )  # OpenJPH makes its tables at the first encode, and not for two threads at once
    _in_threads(write, phantom.slices)
    return PhantomSeries(series_uid, syntax.description, syntax.transfer_syntax_uid, paths, uids, phantom.slices)


def _write_cine(study: PhantomStudy, phantom: Phantom, frames: NDArray[np.uint8], number: int) -> PhantomSeries:
    series_uid = _uid(study.study_instance_uid, number)
    folder = study.folder / f"series{number}"
    folder.mkdir(parents=True, exist_ok=True)
    one = CtSlice(study.study_instance_uid, series_uid, _uid(series_uid, 0), "", number, 0, phantom)
    with ThreadPoolExecutor(cpu_count() or 1, thread_name_prefix="cornerstream-phantom") as pool:
        encoded = list(pool.map(encode_colour, frames))
    path = folder / "cine.dcm"
    write_part10(cine_dataset(one, encoded, phantom.size), JPEG_BASELINE, path)
    return PhantomSeries(series_uid, "Rotating view", JPEG_BASELINE, (path,), (one.sop_instance_uid,), len(frames))


def _in_threads(function: Callable[[int], None], count: int) -> None:
    with ThreadPoolExecutor(cpu_count() or 1, thread_name_prefix="cornerstream-phantom") as pool:
        for _ in pool.map(function, range(count)):
            pass


def _uid(*parts: object) -> str:
    """A UID made of a UUID (PS3.5 annex B.2), the same for the same parts."""
    digest = hashlib.sha256(":".join(map(str, parts)).encode()).digest()
    return f"{_UID_ROOT}.{int.from_bytes(digest[:16])}"
