"""Storm: the wheel never rests, jumps included; what counts is the last index, and what was fetched for nobody."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.common import OURS, Verdict, fingerprint
from benchmarks.fifo import FifoClient
from benchmarks.observed import LINK
from benchmarks.viewer import Viewed, viewed

if TYPE_CHECKING:
    from benchmarks.common import Bench, Pixels
    from cornerstream.images.image import Image
    from cornerstream.scroll import Scroll

TITLE = "30 indexes a second for 10 seconds, with jumps and without a pause"
BAR_WAIT = 1.5
BAR_WASTE = 5.0
MOVES_PER_SECOND = 30
SECONDS = 10
IDLE_TIMES = 7
QUIET_SECONDS = 0.3
MARGIN = 10


@dataclass(frozen=True, slots=True)
class Storm:
    """What one storm came to.

    Attributes:
        wait: Milliseconds from the last move to its image.
        nbytes: Bytes that went over the link.
        wasted: Those of indexes that were never displayed and are not near the last one.
        seen: Those of indexes that were displayed.
        displayed: Different indexes that were shown.
        pixels: The last image.
    """

    wait: float
    nbytes: int
    wasted: int
    seen: int
    displayed: int
    pixels: Pixels


def run(bench: Bench) -> None:
    """Ours, the idle session, and the client that loads everything in order."""
    with viewed(bench) as one:
        path = storm_path(one.phantom.frames, 12 if bench.quick else MOVES_PER_SECOND * SECONDS)
        times = 1 if bench.quick else IDLE_TIMES
        idle = [asyncio.run(_idle(one, path[-1])) for _ in range(times)]
        scrolled = [asyncio.run(_idle(one, path[-1], scrolling=True)) for _ in range(times)]
        ours = asyncio.run(_scroll(one, path))
        theirs = asyncio.run(_fifo(one, path))
    assert fingerprint(ours.pixels) == fingerprint(theirs.pixels), "the clients got different images"
    other = "loads everything in order, first in, first out"
    waits = {
        OURS: [ours.wait],
        "cornerstream, idle: that one load": [median(idle)],
        "cornerstream, idle: one move": [median(scrolled)],
        other: [theirs.wait],
    }
    bench.table(f"from the last of {len(path)} moves to its image; {LINK}", waits, "ms", 1)
    megabytes = {OURS: [ours.nbytes / 1e6], other: [theirs.nbytes / 1e6]}
    note = f"ours displayed {ours.displayed} different indexes on the way, the other client nothing but the last"
    bench.table("the same storm, bytes over the link", megabytes, "MB", 1, note)
    share = 100 * ours.wasted / max(1, ours.nbytes)
    verdicts = [
        Verdict("from the last move to its image, over idle", ours.wait / median(idle), BAR_WAIT, "×"),
        Verdict("bytes of indexes never displayed and not in the last window", share, BAR_WASTE, "%"),
    ]
    strict = 100 * ours.wasted / max(1, ours.wasted + ours.seen)
    bench.verdicts("storm", verdicts, f"without the last window's own bytes in the sum, it is {strict:.1f} %")


def storm_path(count: int, moves: int, seed: int = 4) -> list[int]:
    """Indexes one after the other: runs of single steps in either direction, and jumps between them.

    It ends with a jump into the last quarter, where it has never been, so that nothing is there already.
    """
    visited = max(1, count * 3 // 4 - MARGIN)
    rng = random.Random(seed)  # the same storm for everybody
    path: list[int] = []
    while len(path) < moves - 1:
        position, step = rng.randrange(visited), rng.choice((1, -1))
        for _ in range(rng.randint(10, 45)):
            path.append(position)
            position = min(visited - 1, max(0, position + step))
    return [*path[: moves - 1], count * 5 // 6]


async def _idle(one: Viewed, index: int, *, scrolling: bool = False) -> float:
    """Milliseconds to an image where nothing else goes on; a scroll's neighbours share the link."""
    async with one.session() as (session, series):
        scroll = session.scroll(series)
        shown = asyncio.Event()
        scroll.images.subscribe(lambda _: shown.set())
        start = perf_counter()
        if scrolling:
            scroll.to(index)
            await shown.wait()
        else:
            await session.load(series[index])
        return (perf_counter() - start) * 1000


async def _scroll(one: Viewed, path: list[int]) -> Storm:
    async with one.session() as (session, series):
        one.server.forget()
        places = {image_id: index for index, image_id in enumerate(series)}
        shown: dict[int, Image] = {}
        arrived = asyncio.Event()
        scroll = session.scroll(series)

        def show(image: Image) -> None:
            shown[places[image.image_id]] = image
            if places[image.image_id] == scroll.index == path[-1]:
                arrived.set()

        scroll.images.subscribe(show)
        last = await _move(scroll, path, arrived)
        await arrived.wait()
        wait = (perf_counter() - last) * 1000
        await _settled(scroll)
        by_index = one.bytes_by_index()
        wanted = shown.keys() | _window(one, last)
        wasted = sum(nbytes for index, nbytes in by_index.items() if index not in wanted)
        seen = sum(nbytes for index, nbytes in by_index.items() if index in shown)
        return Storm(wait, sum(by_index.values()), wasted, seen, len(shown), shown[path[-1]].pixels)


async def _move(scroll: Scroll, path: list[int], arrived: asyncio.Event) -> float:
    """Turn the wheel at its pace, whatever has come; the moment of the last move."""
    begin = perf_counter()
    for number, index in enumerate(path):
        await asyncio.sleep(begin + number / MOVES_PER_SECOND - perf_counter())
        arrived.clear()
        last = perf_counter()
        scroll.to(index)
    return last


async def _settled(scroll: Scroll) -> None:
    """The neighbours of the last index count as well."""
    quiet_since = perf_counter()
    while perf_counter() - quiet_since < QUIET_SECONDS:
        await asyncio.sleep(0.01)
        if scroll.running:
            quiet_since = perf_counter()


def _window(one: Viewed, last: float) -> set[int]:
    """What was asked for since the last move: the wheel rests in a place where it has never been."""
    places = one.places
    return {places[one.instance_of(seen)] for seen in one.server.pixels() if seen.began >= last}


async def _fifo(one: Viewed, path: list[int]) -> Storm:
    async with FifoClient(one.decode) as client:
        one.server.forget()
        for url in one.urls:
            client.ask(url)
        await asyncio.sleep((len(path) - 1) / MOVES_PER_SECOND)
        start = perf_counter()
        pixels = await client.load(one.urls[path[-1]])
        wait = (perf_counter() - start) * 1000
        await client.finish()
        nbytes = one.server.bytes_sent()
        return Storm(wait, nbytes, 0, nbytes, 1, pixels)
