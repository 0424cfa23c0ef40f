"""Jump: all images are on their way, and the user asks for one near the end."""

from __future__ import annotations

import asyncio
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.common import OURS, Verdict, fingerprint, interleave
from benchmarks.fifo import FifoClient
from benchmarks.observed import LINK
from benchmarks.viewer import Viewed, viewed
from cornerstream.ranks import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from benchmarks.common import Bench, Pixels

TITLE = "ask for image 250 while all 300 are prefetched"
BAR = 1.5
ASKED = 20
WARM = 4


def run(bench: Bench) -> None:
    """Prefetching and idle in turns; first in, first out once, since its time is its queue's."""
    rounds = 1 if bench.quick else ASKED
    with viewed(bench) as one:
        found: list[Pixels] = []
        actions = {
            OURS: _timed(found, lambda: _ask(one, prefetching=True)),
            "cornerstream, idle": _timed(found, lambda: _ask(one, prefetching=False)),
        }
        samples = interleave(actions, rounds)
        queued = _timed(found, lambda: _ask_fifo(one))()
        samples["first in, first out: 8 at once, the place it has in the queue"] = [queued] * rounds
    assert len({fingerprint(pixels) for pixels in found}) == 1, "the clients got different images"
    bench.table(f"from asking to the image; {LINK}", samples, "ms", 1, f"{rounds} times; first in, first out once")
    ratio = median(samples[OURS]) / median(samples["cornerstream, idle"])
    bench.verdicts("jump", [Verdict("median over the median of the idle session", ratio, BAR, "×")])


def _timed(found: list[Pixels], work: Callable[[], Coroutine[Any, Any, tuple[float, Pixels]]]) -> Callable[[], float]:
    def one() -> float:
        milliseconds, pixels = asyncio.run(work())
        found.append(pixels)
        return milliseconds

    return one


def _wanted(one: Viewed) -> int:
    return one.phantom.frames * 5 // 6


async def _ask(one: Viewed, *, prefetching: bool) -> tuple[float, Pixels]:
    async with one.session() as (session, series):
        if prefetching:
            session.prefetch(series)
            await session.load(series[WARM], lane=Lane.PREFETCH, distance=WARM)
        start = perf_counter()
        image = await session.load(series[_wanted(one)])
        return (perf_counter() - start) * 1000, image.pixels


async def _ask_fifo(one: Viewed) -> tuple[float, Pixels]:
    async with FifoClient(one.decode) as client:
        for url in one.urls:
            client.ask(url)
        await client.load(one.urls[WARM])
        start = perf_counter()
        pixels = await client.load(one.urls[_wanted(one)])
        return (perf_counter() - start) * 1000, pixels
