"""A whole series from a folder: `session.folder` and `session.stream` against pydicom and against the bare codec."""

from __future__ import annotations

import asyncio
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING
from zlib import crc32

from benchmarks.coded import COLOUR, EXPLICIT, HTJ2K, JPEG_2000, JPEG_LS, RLE, one_coded
from benchmarks.common import OURS, Contestant, Verdict, race, ratio_verdict
from benchmarks.floors import decode_files, frame_places
from benchmarks.machine import cores
from benchmarks.peers import iter_pixels_loop, pixel_array_loop, pixel_array_threads, pydicom_plugins, simple_itk
from cornerstream import Session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.coded import Coded
    from benchmarks.common import Bench, Look, Pixels, Samples

TITLE = "a whole series from files, time an image"
PYDICOM = "pydicom dcmread().pixel_array"
SIMPLE_ITK = "SimpleITK series reader"
SLICES = {EXPLICIT: 300, JPEG_LS: 300, JPEG_2000: 60, HTJ2K: 300, RLE: 300, COLOUR: 0}
READ_BY_ITK = (EXPLICIT, JPEG_LS, JPEG_2000, RLE)
BAR_PYDICOM = {EXPLICIT: 1.5, JPEG_LS: 2.5, HTJ2K: 3.5, COLOUR: 20.0}
BAR_ITK = 1.0


def run(bench: Bench) -> None:
    """One table a transfer syntax, and its figures."""
    for name, slices in SLICES.items():
        if bench.quick and name not in (EXPLICIT, JPEG_LS, COLOUR):  # one of each kind proves that it runs
            continue
        coded = one_coded(bench, name, slices)
        contestants = _contestants(coded)
        if SIMPLE_ITK in contestants:
            check_simple_itk(coded)
        samples = race(contestants, bench.rounds, coded.images)
        plugins = pydicom_plugins(coded.series.transfer_syntax_uid)
        note = (
            f"pydicom decodes with: {plugins}. Ours lists and sorts the folder first; the others get the sorted paths."
        )
        bench.table(f"{name}, {coded.images} images", samples, "ms", 2, note)
        bench.verdicts(f"folder, {name}", list(_figures(name, samples)))


def _figures(name: str, samples: Samples) -> Iterator[Verdict]:
    if name in BAR_PYDICOM:
        bar = BAR_PYDICOM[name]
        yield ratio_verdict("pydicom's time over ours", samples[PYDICOM], samples[OURS], bar, at_least=True)
    if SIMPLE_ITK in samples:
        yield ratio_verdict("SimpleITK's time over ours", samples[SIMPLE_ITK], samples[OURS], BAR_ITK, at_least=True)


def _contestants(coded: Coded) -> dict[str, Contestant]:
    series = coded.series
    several = len(series.files) > 1
    second = (
        {f"pydicom dcmread().pixel_array, {cores()} threads": Contestant(partial(pixel_array_threads, series))}
        if several
        else {"pydicom iter_pixels": Contestant(partial(iter_pixels_loop, series))}
    )
    itk = {SIMPLE_ITK: Contestant(partial(simple_itk, series), delivers=False)}
    return {
        OURS: Contestant(lambda look: asyncio.run(_stream(coded.folder, look))),
        "cornerstream, session.folder alone": Contestant(
            lambda _: asyncio.run(_list(coded.folder, coded.images)), delivers=False
        ),
        PYDICOM: Contestant(partial(pixel_array_loop, series)),
        **second,
        **(itk if coded.name in READ_BY_ITK and find_spec("SimpleITK") else {}),
        f"floor: codec alone, {cores()} threads": Contestant(
            partial(decode_files, frame_places(series), coded.decoder())
        ),
    }


def check_simple_itk(coded: Coded) -> None:
    """SimpleITK applies the rescale, so that its pixels are compared without it.

    Raises:
        AssertionError: They are others than the codec's.
    """
    from pydicom import dcmread  # noqa: PLC0415 - heavy

    stored, expected = [], []
    header = dcmread(coded.series.files[0], stop_before_pixels=True)
    slope, intercept = header.RescaleSlope, int(header.RescaleIntercept)
    assert slope == 1
    simple_itk(coded.series, lambda pixels: stored.append(crc32((pixels.astype("<i4") - intercept).tobytes())))
    decode_files(
        frame_places(coded.series),
        coded.decoder(),
        lambda pixels: expected.append(crc32(_signed(pixels, header.PixelRepresentation).astype("<i4").tobytes())),
    )
    assert stored == expected, "SimpleITK delivered other pixels"


def _signed(pixels: Pixels, representation: int) -> Pixels:
    return pixels.view("<i2") if representation else pixels


async def _list(folder: Path, frames: int) -> None:
    async with Session() as session:
        (series,) = await session.folder(folder)
        assert len(series) == frames


async def _stream(folder: Path, look: Look) -> None:
    async with Session() as session:
        (series,) = await session.folder(folder)
        async for image in session.stream(series):
            look(image.pixels)
