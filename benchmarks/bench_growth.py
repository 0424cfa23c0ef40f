"""Growth: what an image costs in streams of 300, 3,000 and 30,000, and what a scroll costs among 1, 10 and 100."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from functools import partial
from statistics import median
from time import process_time
from typing import TYPE_CHECKING

import reactivex as rx

from benchmarks.common import OURS, fingerprint, interleave, ratio_verdict
from benchmarks.peers import sorted_by_position
from cornerstream import Session
from cornerstream.images.image_id import ImageId
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.operators.decompress import decode_frame, decompress
from cornerstream.operators.frame_index import open_index
from cornerstream.operators.to_image import to_image
from cornerstream.operators.to_rgb import to_rgb
from cornerstream.phantom import CT_SYNTAXES
from cornerstream.registry import LoaderRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from typing import Any

    from benchmarks.common import Bench
    from cornerstream.images.frames import EncodedFrame
    from cornerstream.loaders.context import LoadContext

    Work = Callable[[], Coroutine[Any, Any, float]]

TITLE = "cost of an image and of a scroll, as their number grows"
BAR = 1.15
IMAGES = (300, 3_000, 30_000)
SCROLLS = (1, 10, 100)
SIZE = 32
CACHE = 8 << 20
WARM = 300
MOVES = 40
SCROLLED = 60


def run(bench: Bench) -> None:
    """Small native images from memory: decoding them costs nothing, so that what is left is ours."""
    series = sorted_by_position(bench.study(slices=30, size=SIZE, cine_frames=0, syntaxes=CT_SYNTAXES[:1]).series[0])
    frames = [open_index(path).read(1) for path in series.files]
    registry = memory_registry(frames)
    asyncio.run(_check(registry, frames))
    counts, scrolls, rounds = ((10, 100), (1, 3), 1) if bench.quick else (IMAGES, SCROLLS, min(3, bench.rounds))
    costs = {n: partial(typical_cost, registry, n, 1 if bench.quick else 9) for n in counts}
    _report(bench, "stream, processor time of an image", "images", costs, "µs", rounds)
    held = {n: partial(memory_cost, registry, n) for n in counts}
    _report(bench, "stream, memory of an image beyond the cache", "images", held, "bytes", 1)
    moves = {n: partial(typical_move, registry, n, 1 if bench.quick else 9) for n in scrolls}
    _report(bench, "scrolls, processor time of a move", "scrolls", moves, "µs", rounds)


def _report(bench: Bench, title: str, what: str, works: Mapping[int, Work], unit: str, rounds: int) -> None:
    """The ratio of each to the fewest."""
    actions = {f"{n:,} {what}": partial(_run, work) for n, work in works.items()}
    samples = interleave(actions, rounds)
    bench.table(f"{OURS}: {title}", samples, unit, 1)
    (first, fewest), *more = samples.items()
    bench.verdicts(
        f"growth: {title}", [ratio_verdict(f"{name} over {first}", some, fewest, BAR) for name, some in more]
    )


def _run(work: Work) -> float:
    return asyncio.run(work())


def memory_registry(frames: Sequence[EncodedFrame]) -> LoaderRegistry:
    """Loads `memory:…/N`: encoded frame N, from the start again behind the last."""

    def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        source = rx.just(frames[int(image_id.address.rpartition("/")[2]) % len(frames)])
        return ImageLoadObject(
            image_id, source.pipe(decompress(context.workers), to_rgb(context.workers), to_image(image_id))
        )

    registry = LoaderRegistry()
    registry.register("memory", load)
    return registry


def memory_ids(name: str, count: int) -> list[ImageId]:
    """So many image ids that no other name has."""
    return [ImageId("memory", f"{name}/{index}") for index in range(count)]


async def typical_cost(registry: LoaderRegistry, count: int, most: int) -> float:
    """The median of a few short streams, or one long one: a short one alone says little."""
    return median([await stream_cost(registry, count) for _ in range(max(1, min(most, IMAGES[1] // count)))])


async def stream_cost(registry: LoaderRegistry, count: int) -> float:
    """Microseconds of processor time for each of so many images, all threads together."""
    async with Session(registry=registry, cache_bytes=CACHE) as session:
        await _drain(session, memory_ids("warm", min(WARM, 3 * count)))
        ids = memory_ids("series", count)
        gc.collect()
        start = process_time()
        await _drain(session, ids)
        return (process_time() - start) * 1e6 / count


async def memory_cost(registry: LoaderRegistry, count: int) -> float:
    """Bytes that stay for each of so many images, beyond those that the cache accounts for; the ids themselves left out."""
    async with Session(registry=registry, cache_bytes=CACHE) as session:
        await _drain(session, memory_ids("warm", min(WARM, 3 * count)))
        ids = memory_ids("series", count)
        tracemalloc.start()
        try:
            kept = _kept(session)
            await _drain(session, ids)
            gc.collect()
            held, _ = tracemalloc.get_traced_memory()
            return (held - (_kept(session) - kept)) / count
        finally:
            tracemalloc.stop()


async def typical_move(registry: LoaderRegistry, count: int, most: int) -> float:
    """The same for few scrolls, which make few moves."""
    return median([await scroll_cost(registry, count) for _ in range(max(1, min(most, SCROLLS[-1] // count)))])


async def scroll_cost(registry: LoaderRegistry, count: int) -> float:
    """Microseconds of processor time for each move of so many scrolls that are all alive, until all show it."""
    async with Session(registry=registry) as session:
        await _drain(session, memory_ids("warm", min(WARM, 3 * count)))
        scrolls = [session.scroll(memory_ids(f"scroll{number}", SCROLLED)) for number in range(count)]
        shown: asyncio.Queue[ImageId] = asyncio.Queue()
        for scroll in scrolls:
            scroll.images.subscribe(lambda image: shown.put_nowait(image.image_id))
        gc.collect()
        start = process_time()
        for index in range(MOVES):
            missing = {scroll.series[index] for scroll in scrolls}
            for scroll in scrolls:
                scroll.to(index)
            while missing:
                missing.discard(await shown.get())
        elapsed = process_time() - start
        for scroll in scrolls:
            scroll.dispose()
        return elapsed * 1e6 / count / MOVES


def _kept(session: Session) -> int:
    stats = session.stats()
    return stats.cached_bytes + stats.frame_bytes + stats.file_bytes


async def _drain(session: Session, ids: Sequence[ImageId]) -> None:
    count = 0
    async for _ in session.stream(ids):
        count += 1
    assert count == len(ids), f"{count} of {len(ids)} images"


async def _check(registry: LoaderRegistry, frames: Sequence[EncodedFrame]) -> None:
    async with Session(registry=registry) as session:
        async for image in session.stream(memory_ids("check", len(frames))):
            number = int(image.image_id.address.rpartition("/")[2])
            assert fingerprint(image.pixels) == fingerprint(decode_frame(frames[number]).pixels), "other pixels"
