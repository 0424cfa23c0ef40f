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
from cornerstream.policies import Situation, Window

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


@dataclass(frozen=True, slots=True)
class Storm:
    """What one storm came to.

    Attributes:
        wait: Milliseconds from the last move to its image.
        nbytes: Bytes that went over the link.
        wasted: Those of indexes that were never displayed and are not near the last one.
        displayed: Different indexes that were shown.
        pixels: The last image.
    """

    wait: float
    nbytes: int
    wasted: int
    displayed: int
    pixels: Pixels


def run(bench: Bench) -> None:
    """Ours, the idle session, and the client that loads everything in order."""
    with viewed(bench) as one:
        path = storm_path(one.phantom.frames, 12 if bench.quick else MOVES_PER_SECOND * SECONDS)
        idle = [asyncio.run(_idle(one, path[-1])) for _ in range(1 if bench.quick else IDLE_TIMES)]
        ours = asyncio.run(_scroll(one, path))
        theirs = asyncio.run(_fifo(one, path))
    assert fingerprint(ours.pixels) == fingerprint(theirs.pixels), "the clients got different images"
    other = "loads everything in order, first in, first out"
    waits = {OURS: [ours.wait], "cornerstream, idle": [median(idle)], other: [theirs.wait]}
    bench.table(f"from the last of {len(path)} moves to its image; {LINK}", waits, "ms", 1)
    megabytes = {OURS: [ours.nbytes / 1e6], other: [theirs.nbytes / 1e6]}
    note = f"ours displayed {ours.displayed} different indexes on the way, the other client nothing but the last"
    bench.table("the same storm, bytes over the link", megabytes, "MB", 1, note)
    share = 100 * ours.wasted / max(1, ours.nbytes)
    verdicts = [
        Verdict("from the last move to its image, over idle", ours.wait / median(idle), BAR_WAIT, "×"),
        Verdict("bytes of indexes never displayed and not in the last window", share, BAR_WASTE, "%"),
    ]
    bench.verdicts("storm", verdicts)


def storm_path(count: int, moves: int, seed: int = 4) -> list[int]:
    """Indexes one after the other: runs of single steps in either direction, and jumps between them; ends with a jump."""
    rng = random.Random(seed)  # the same storm for everybody
    path: list[int] = []
    while len(path) < moves - 1:
        position, step = rng.randrange(count), rng.choice((1, -1))
        for _ in range(rng.randint(10, 45)):
            path.append(position)
            position = min(count - 1, max(0, position + step))
    return [*path[: moves - 1], count * 5 // 6]


async def _idle(one: Viewed, index: int) -> float:
    async with one.session() as (session, series):
        scroll = session.scroll(series)
        shown = asyncio.Event()
        scroll.images.subscribe(lambda _: shown.set())
        start = perf_counter()
        scroll.to(index)
        await shown.wait()
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
        wanted = shown.keys() | _window(scroll, path)
        wasted = sum(nbytes for index, nbytes in by_index.items() if index not in wanted)
        return Storm(wait, sum(by_index.values()), wasted, len(shown), shown[path[-1]].pixels)


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


def _window(scroll: Scroll, path: list[int]) -> set[int]:
    """What the policy wishes for at the last index."""
    direction = 1 if path[-1] > path[-2] else -1
    return set(Window()(Situation(len(scroll.series), path[-1], direction, scroll.series.image_bytes, 1 << 29)))


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
        return Storm(wait, nbytes, 0, 1, pixels)
