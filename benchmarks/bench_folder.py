"""A whole series from a folder: `session.folder` and `session.stream` against pydicom and against the bare codec."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.common import OURS, Contestant, race
from benchmarks.floors import decode_files, frame_places, raw_decoder
from benchmarks.machine import cores
from benchmarks.peers import (
    iter_pixels_loop,
    pixel_array_loop,
    pixel_array_threads,
    pydicom_plugins,
    rows_of,
    sorted_by_position,
)
from cornerstream import Session

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.common import Bench, Look
    from cornerstream.phantom import PhantomSeries

TITLE = "a whole series from files, time an image"


def run(bench: Bench) -> None:
    """One table a transfer syntax."""
    for series in map(sorted_by_position, bench.study().series):
        samples = race(_contestants(series), bench.rounds, series.frames)
        plugins = pydicom_plugins(series.transfer_syntax_uid)
        note = (
            f"pydicom decodes with: {plugins}. Ours lists and sorts the folder first; the others get the sorted paths."
        )
        bench.table(f"{series.description}, {series.frames} images", samples, "ms", 2, note)


def _contestants(series: PhantomSeries) -> dict[str, Contestant]:
    decode = raw_decoder(series.transfer_syntax_uid, rows_of(series))
    several = len(series.files) > 1
    second = (
        {f"pydicom dcmread().pixel_array, {cores()} threads": Contestant(partial(pixel_array_threads, series))}
        if several
        else {"pydicom iter_pixels": Contestant(partial(iter_pixels_loop, series))}
    )
    return {
        OURS: Contestant(lambda look: asyncio.run(_stream(series.files[0].parent, look))),
        "cornerstream, session.folder alone": Contestant(
            lambda _: asyncio.run(_list(series.files[0].parent, series.frames)), delivers=False
        ),
        "pydicom dcmread().pixel_array": Contestant(partial(pixel_array_loop, series)),
        **second,
        f"floor: codec alone, {cores()} threads": Contestant(partial(decode_files, frame_places(series), decode)),
    }


async def _list(folder: Path, frames: int) -> None:
    async with Session() as session:
        (series,) = await session.folder(folder)
        assert len(series) == frames


async def _stream(folder: Path, look: Look) -> None:
    async with Session() as session:
        (series,) = await session.folder(folder)
        async for image in session.stream(series):
            look(image.pixels)
