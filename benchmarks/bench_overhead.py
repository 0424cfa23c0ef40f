"""Overhead: what the pipeline itself costs an image, on frames that cost nothing, or next to nothing, to decode."""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median
from time import perf_counter, thread_time
from typing import TYPE_CHECKING

import reactivex as rx

from benchmarks.common import OURS, Verdict, fingerprint, interleave
from benchmarks.machine import cores
from benchmarks.peers import sorted_by_position
from cornerstream import Session
from cornerstream.images.image_id import ImageId
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.operators.decompress import decode_frame, decompress
from cornerstream.operators.frame_index import open_index
from cornerstream.operators.map_ordered import Ready, map_ordered
from cornerstream.operators.to_image import to_image
from cornerstream.operators.to_rgb import to_rgb
from cornerstream.phantom import CT_SYNTAXES
from cornerstream.registry import LoaderRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path
    from typing import Any

    from benchmarks.common import Bench, Pixels
    from cornerstream.images.frames import DecodedFrame, EncodedFrame
    from cornerstream.loaders.context import ImageLoader, LoadContext
    from cornerstream.phantom import PhantomSeries

    Work = Callable[[list[Pixels]], Coroutine[Any, Any, float]]

TITLE = "cost of the pipeline itself, 64 × 64 native images"
AHEAD = 8
ENGINE_ROUNDS = 15
BAR_STREAM = 150.0
BAR_HIT = 25.0


def run(bench: Bench) -> None:
    """From memory and from files; the same functions on the same number of threads are the floor."""
    series = sorted_by_position(bench.study(slices=300, size=64, cine_frames=0, syntaxes=CT_SYNTAXES[:1]).series[0])
    frames = [open_index(path).read(1) for path in series.files]
    memory: dict[str, Work] = {
        OURS: lambda out: _stream_memory(frames, out),
        "floor: run_in_executor, the same decode function": lambda out: _executor(frames, decode_frame_pixels, out),
    }
    bench.table(f"from memory, {len(frames)} images", _compare(memory, bench.rounds, len(frames)), "µs")
    bench.verdicts(
        "engine: decoding is a function that does nothing, the bytes are in memory; processor time of the loop's thread",
        asyncio.run(_engine(frames, 1 if bench.quick else ENGINE_ROUNDS)),
        "the median of the rounds, since other programs' work does not count; no peer, no floor",
    )
    files: dict[str, Work] = {
        "cornerstream, listed before": lambda out: _stream_files(series, out),
        "cornerstream, listing alone": lambda out: _list_files(series, out),
        "floor: run_in_executor, the same read and decode functions": lambda out: _executor(
            series.files, read_and_decode, out
        ),
        "pydicom dcmread().pixel_array, no loop": lambda out: _pydicom(series.files, out),
    }
    bench.table(f"from files, {len(frames)} images", _compare(files, bench.rounds, len(frames)), "µs")


def decode_frame_pixels(frame: EncodedFrame) -> Pixels:
    """Decode and check one frame."""
    return decode_frame(frame).pixels


def read_and_decode(path: Path) -> Pixels:
    """Parse, read, decode and check the one frame of a file."""
    return decode_frame(open_index(path).read(1)).pixels


async def _engine(frames: Sequence[EncodedFrame], rounds: int) -> list[Verdict]:
    """Microseconds of the loop's thread for each image streamed, with real and with no decoding, and each cache hit."""
    registry = LoaderRegistry()
    decoded = decode_frame(frames[0])

    async def nothing(_: EncodedFrame) -> DecodedFrame:
        return decoded

    def ready(_: EncodedFrame) -> Ready[DecodedFrame]:
        return Ready(decoded)

    def loader(decode: Callable[[LoadContext], Callable[[Any], Any]]) -> ImageLoader:
        def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
            source = rx.just(frames[int(image_id.address)])
            return ImageLoadObject(image_id, source.pipe(decode(context), to_rgb(context.workers), to_image(image_id)))

        return load

    registry.register("ready", loader(lambda _: map_ordered(nothing, at_once=ready)))
    registry.register("worker", loader(lambda context: map_ordered(partial(context.workers.run, lambda _: decoded))))
    registry.register("native", loader(lambda context: decompress(context.workers)))
    figures: dict[str, list[float]] = {}
    for _ in range(rounds):
        for scheme in ("ready", "worker", "native"):
            async with Session(registry=registry) as session:
                ids = [ImageId(scheme, str(index)) for index in range(len(frames))]
                figures.setdefault(scheme, []).append(await _stream_time(session, ids))
                figures.setdefault("hit", []).append(await _hit_time(session, ids))
    stream, worker, native, hit = (median(figures[name]) for name in ("ready", "worker", "native", "hit"))
    return [
        Verdict("stream, an image", stream, BAR_STREAM, "µs", digits=0),
        Verdict("the same, by way of a worker thread", worker, BAR_STREAM, "µs", digits=0),
        Verdict("the same, with the decode of a native frame", native, BAR_STREAM, "µs", digits=0),
        Verdict("a cache hit, awaited on the loop", hit, BAR_HIT, "µs", digits=1),
    ]


async def _stream_time(session: Session, ids: Sequence[ImageId]) -> float:
    gc.collect()
    start, count = thread_time(), 0
    async for _ in session.stream(ids, ahead=AHEAD):
        count += 1
    assert count == len(ids)
    return (thread_time() - start) * 1e6 / count


async def _hit_time(session: Session, ids: Sequence[ImageId]) -> float:
    hits, start = session.stats().cache_hits, thread_time()
    for image_id in ids:
        await session.load(image_id)
    seconds = thread_time() - start
    assert session.stats().cache_hits == hits + len(ids)
    return seconds * 1e6 / len(ids)


def _compare(works: dict[str, Work], rounds: int, images: int) -> dict[str, list[float]]:
    expected: list[tuple[object, ...]] = []
    for name, work in works.items():
        out: list[Pixels] = []
        asyncio.run(work(out))
        found = [fingerprint(pixels) for pixels in out]
        expected = expected or found
        assert found in (expected, []), f"{name} delivered other pixels"
    assert len(expected) == images
    return interleave({name: _per_image(work, images) for name, work in works.items()}, rounds)


def _per_image(work: Work, images: int) -> Callable[[], float]:
    return lambda: asyncio.run(work([])) * 1e6 / images


async def _stream_memory(frames: Sequence[EncodedFrame], out: list[Pixels]) -> float:
    def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        source = rx.just(frames[int(image_id.address)])
        return ImageLoadObject(
            image_id, source.pipe(decompress(context.workers), to_rgb(context.workers), to_image(image_id))
        )

    registry = LoaderRegistry()
    registry.register("memory", load)
    async with Session(registry=registry) as session:
        return await _drain(session, [ImageId("memory", str(index)) for index in range(len(frames))], out)


async def _stream_files(series: PhantomSeries, out: list[Pixels]) -> float:
    async with Session() as session:
        (found,) = await session.folder(series.files[0].parent)
        return await _drain(session, found.image_ids, out)


async def _list_files(series: PhantomSeries, _: list[Pixels]) -> float:
    async with Session() as session:
        start = perf_counter()
        (found,) = await session.folder(series.files[0].parent)
        assert len(found) == series.frames
        return perf_counter() - start


async def _drain(session: Session, image_ids: Sequence[ImageId], out: list[Pixels]) -> float:
    start = perf_counter()
    async for image in session.stream(image_ids, ahead=AHEAD):
        out.append(image.pixels)  # noqa: PERF401 - as a reader would
    return perf_counter() - start


async def _executor(items: Sequence[Any], function: Callable[[Any], Pixels], out: list[Pixels]) -> float:
    """The bare shape: a window of calls on threads, results in order."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(cores()) as pool:
        start = perf_counter()
        window: deque[asyncio.Future[Pixels]] = deque()
        for item in items:
            if len(window) == AHEAD:
                out.append(await window.popleft())
            window.append(loop.run_in_executor(pool, function, item))
        out.extend([await future for future in window])
        return perf_counter() - start


async def _pydicom(paths: Sequence[Path], out: list[Pixels]) -> float:
    from pydicom import dcmread  # noqa: PLC0415 - heavy

    start = perf_counter()
    out.extend([dcmread(path).pixel_array for path in paths])
    return perf_counter() - start
