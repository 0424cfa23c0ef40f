"""First: the first image of a series while the rest streams behind it, against one bare request and one decode."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.coded import COLOUR, EXPLICIT, HTJ2K, JPEG_LS, coded_series
from benchmarks.common import OURS, fingerprint, interleave, ratio_verdict
from benchmarks.floors import PIXELS, only_part
from benchmarks.prepared import prepare
from benchmarks.series_race import frame_urls
from benchmarks.static_server import static_server
from cornerstream import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.coded import Coded
    from benchmarks.common import Bench, Pixels
    from benchmarks.served import Served

TITLE = "the first image of a series that streams"
BAR = 1.2
TIMES = 25
BEHIND = 20


def run(bench: Bench) -> None:
    """In turns with the bare request, many times, each with connections of its own that are open already."""
    for coded in coded_series(bench, (EXPLICIT, COLOUR) if bench.quick else (EXPLICIT, JPEG_LS, HTJ2K, COLOUR)):
        with TemporaryDirectory(prefix="prepared-", dir=bench.folder) as folder:
            prepare(Path(folder), coded)
            with static_server(Path(folder), quick=bench.quick) as served:
                samples = _race(served, coded, 1 if bench.quick else TIMES)
        note = f"{served.name}; the bare request goes over a connection that is open, and decodes on the same thread"
        bench.table(f"first image, {coded.name}", samples, "ms", 2, note)
        ours, bare = samples.values()
        bench.verdicts(f"first, {coded.name}", [ratio_verdict("over one request and one decode", ours, bare, BAR)])


def _race(served: Served, coded: Coded, times: int) -> dict[str, list[float]]:
    series_url = f"{served.dicomweb}/studies/{coded.study_uid}/series/{coded.series.series_instance_uid}"
    url, decode = frame_urls(series_url, coded)[0], coded.decoder()
    ours, bare = asyncio.run(_ours(served, coded)), asyncio.run(_bare(series_url, url, decode))
    assert fingerprint(ours[1]) == fingerprint(bare[1]), "other pixels than the bare codec's"
    actions = {
        OURS: lambda: asyncio.run(_ours(served, coded))[0],
        "one request, one decode": lambda: asyncio.run(_bare(series_url, url, decode))[0],
    }
    return interleave(actions, times)


async def _ours(served: Served, coded: Coded) -> tuple[float, Pixels]:
    """Milliseconds from asking for the stream of the whole series to its first image, and that image."""
    async with Session() as session:
        (series,) = await session.study(served.dicomweb, coded.study_uid)
        start = perf_counter()
        images = aiter(session.stream(series))
        first = await anext(images)
        elapsed = (perf_counter() - start) * 1000
        for _ in range(min(BEHIND, len(series) - 1)):  # it was the first of many
            await anext(images)
        await images.aclose()
        return elapsed, first.pixels


async def _bare(series_url: str, url: str, decode: Callable[[bytes], Pixels]) -> tuple[float, Pixels]:
    import aiohttp  # noqa: PLC0415 - heavy

    async with aiohttp.ClientSession(headers=PIXELS, raise_for_status=True) as http:
        async with http.get(f"{series_url}/metadata") as response:  # opens the connection, as a listing does
            await response.read()
        start = perf_counter()
        async with http.get(url) as response:
            body = await response.read()
        pixels = decode(only_part(body))
        return (perf_counter() - start) * 1000, pixels
