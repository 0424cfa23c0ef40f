"""Jump: all images are on their way, and the user asks for one near the end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.common import OURS, Verdict, fingerprint
from benchmarks.fifo import FifoClient
from benchmarks.observed import LINK
from benchmarks.viewer import Viewed, viewed
from cornerstream.ranks import Lane

if TYPE_CHECKING:
    from benchmarks.common import Bench, Pixels

TITLE = "ask for image 250 while all 300 are prefetched"
BAR = 1.5
ASKED = 20
WARM = 4


def run(bench: Bench) -> None:
    """Idle, then prefetching, in one fresh session each time; first in, first out once: its time is its queue's."""
    rounds = 1 if bench.quick else ASKED
    with viewed(bench) as one:
        asked = [asyncio.run(_ask(one)) for _ in range(rounds)]
        queued, pixels = asyncio.run(_ask_fifo(one))
    assert {fingerprint(found.pixels) for found in asked} == {fingerprint(pixels)}, "the clients got different images"
    samples = {
        OURS: [found.prefetching for found in asked],
        "cornerstream, idle": [found.idle for found in asked],
        "first in, first out: 8 at once, the place it has in the queue": [queued] * rounds,
    }
    bench.table(f"from asking to the image; {LINK}", samples, "ms", 1, f"{rounds} times; first in, first out once")
    ratio = median(samples[OURS]) / median(samples["cornerstream, idle"])
    bench.verdicts("jump", [Verdict("median over the median of the idle session", ratio, BAR, "×")])


@dataclass(frozen=True, slots=True)
class Asked:
    """Milliseconds from asking to the image, with and without a prefetch of all; and the image."""

    idle: float
    prefetching: float
    pixels: Pixels


def _wanted(one: Viewed) -> int:
    return one.phantom.frames * 5 // 6


async def _ask(one: Viewed) -> Asked:
    async with one.session() as (session, series):
        start = perf_counter()
        await session.load(series[_wanted(one) + 1])  # its neighbour, so that nothing of the wanted one is here
        idle = (perf_counter() - start) * 1000
        session.prefetch(series)
        await session.load(series[WARM], lane=Lane.PREFETCH, distance=WARM)
        start = perf_counter()
        image = await session.load(series[_wanted(one)])
        return Asked(idle, (perf_counter() - start) * 1000, image.pixels)


async def _ask_fifo(one: Viewed) -> tuple[float, Pixels]:
    async with FifoClient(one.decode) as client:
        for url in one.urls:
            client.ask(url)
        await client.load(one.urls[WARM])
        start = perf_counter()
        pixels = await client.load(one.urls[_wanted(one)])
        return (perf_counter() - start) * 1000, pixels
