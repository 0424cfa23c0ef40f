"""A whole series over DICOMweb: `session.study` and `session.stream` against dicomweb-client and the bare socket."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.common import OURS, Contestant, race
from benchmarks.floors import fetch_frames, frame_places, raw_decoder
from benchmarks.observed import observed_server
from benchmarks.peers import (
    instance_frames_loop,
    iter_series_loop,
    pydicom_plugins,
    rows_of,
    sorted_by_position,
)
from cornerstream import Session

if TYPE_CHECKING:
    from benchmarks.common import Bench, Look
    from cornerstream.phantom import PhantomSeries

TITLE = "a whole series from a server in another process, time an image"


def run(bench: Bench) -> None:
    """One server and one table a transfer syntax."""
    study = bench.study()
    every = slice(None, None, len(study.series) - 1 if bench.quick else 1)  # the first and the last prove that it runs
    for series in map(sorted_by_position, study.series[every]):
        folder = series.files[0].parent
        with observed_server(folder, quick=bench.quick, latency_seconds=0, bytes_per_second=None) as server:
            contestants = _contestants(server.dicomweb, study.study_instance_uid, series)
            samples = race(contestants, bench.rounds, series.frames)
        plugins = pydicom_plugins(series.transfer_syntax_uid)
        note = f"pydicom decodes with: {plugins}. Ours lists first, and with the whole of its metadata; floors know every address."
        bench.table(f"{series.description}, {series.frames} images", samples, "ms", 2, note)


def _contestants(url: str, study_uid: str, series: PhantomSeries) -> dict[str, Contestant]:
    urls = frame_urls(url, study_uid, series)
    encoded = sum(length for _, _, length in frame_places(series))
    decode = raw_decoder(series.transfer_syntax_uid, rows_of(series))

    def bytes_only(look: Look) -> None:
        received = asyncio.run(fetch_frames(urls, None, look))
        assert encoded < received < encoded + 1024 * len(urls), "other bytes than the files have"

    return {
        OURS: Contestant(lambda look: asyncio.run(_stream(url, study_uid, look))),
        "cornerstream, session.study alone": Contestant(
            lambda _: asyncio.run(_list(url, study_uid, series.frames)), delivers=False
        ),
        "dicomweb-client iter_series + pixel_array": Contestant(
            partial(iter_series_loop, url, study_uid, series), ordered=False
        ),
        "dicomweb-client retrieve_instance_frames + pixel_array": Contestant(
            partial(instance_frames_loop, url, study_uid, series), ordered=False
        ),
        "floor: aiohttp 8 at once + codec on threads": Contestant(
            lambda look: asyncio.run(fetch_frames(urls, decode, look))
        ),
        "floor: aiohttp 8 at once, bytes only": Contestant(bytes_only, delivers=False),
    }


def frame_urls(url: str, study_uid: str, series: PhantomSeries) -> list[str]:
    """The address of every frame, in order."""
    root = f"{url}/studies/{study_uid}/series/{series.series_instance_uid}/instances"
    numbers = range(1, series.frames // len(series.files) + 1)
    return [f"{root}/{uid}/frames/{number}" for uid in series.sop_instance_uids for number in numbers]


async def _list(url: str, study_uid: str, frames: int) -> None:
    async with Session() as session:
        (series,) = await session.study(url, study_uid)
        assert len(series) == frames


async def _stream(url: str, study_uid: str, look: Look) -> None:
    async with Session() as session:
        (series,) = await session.study(url, study_uid)
        async for image in session.stream(series):
            look(image.pixels)
