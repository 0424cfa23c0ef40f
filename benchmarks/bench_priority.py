"""Priority: the image that is asked for while everything is prefetched, and the bytes of a scroll storm."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.bench_dicomweb import frame_urls
from benchmarks.common import OURS, fingerprint, interleave
from benchmarks.fifo import FifoClient
from benchmarks.floors import raw_decoder
from benchmarks.observed import observed_server
from benchmarks.peers import rows_of, sorted_by_position
from cornerstream import Session
from cornerstream.phantom import CT_SYNTAXES
from cornerstream.ranks import Lane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from typing import Any

    from benchmarks.common import Bench, Pixels
    from cornerstream.images.image import Image
    from cornerstream.phantom import PhantomSeries, PhantomStudy
    from cornerstream.series import Series

TITLE = "ask for one image while all are on their way; scroll through them"
LATENCY_SECONDS = 0.01
BYTES_PER_SECOND = 8e6
STEP_SECONDS = 0.002
WARM = 6


def run(bench: Bench) -> None:
    """Two tables over one link: when the wanted image is there, and what a scroll storm costs."""
    study = bench.study(slices=300, size=256, cine_frames=0, syntaxes=CT_SYNTAXES[2:])
    series = sorted_by_position(study.series[0])
    link = f"{BYTES_PER_SECOND / 1e6:.0f} MB/s, {LATENCY_SECONDS * 1000:.0f} ms before every answer"
    with observed_server(
        study.folder, quick=bench.quick, latency_seconds=LATENCY_SECONDS, bytes_per_second=BYTES_PER_SECOND
    ) as server:
        race = Race(server.dicomweb, study, series)
        wanted = race.wanted
        asked = race.time_to_wanted(bench.rounds)
        bench.table(f"all {series.frames} prefetched, image {wanted} asked for after {WARM}; {link}", asked, "ms", 1)
        waits, megabytes = race.storm(bench.rounds)
    steps = f"down to {wanted} and back to {wanted * 4 // 5}, {STEP_SECONDS * 1000:.0f} ms a step"
    bench.table(f"scroll storm {steps}: from the last step to its image", waits, "ms", 1)
    bench.table("the same storm, all that was fetched for it", megabytes, "MB", 2)


class Race:
    """The two clients on one server.

    Attributes:
        wanted: The index asked for.
    """

    def __init__(self, url: str, study: PhantomStudy, series: PhantomSeries) -> None:
        self._url = url
        self._study_uid = study.study_instance_uid
        self._urls = frame_urls(url, study.study_instance_uid, series)
        self._decode = raw_decoder(series.transfer_syntax_uid, rows_of(series))
        self.wanted = series.frames * 5 // 6

    def time_to_wanted(self, rounds: int) -> dict[str, list[float]]:
        """Milliseconds from asking to the image."""
        found: list[Pixels] = []

        def timed(work: Callable[[], Coroutine[Any, Any, tuple[float, Pixels]]]) -> Callable[[], float]:
            def one() -> float:
                milliseconds, pixels = asyncio.run(work())
                found.append(pixels)
                return milliseconds

            return one

        samples = interleave(
            {
                OURS: timed(lambda: self._ask(prefetching=True)),
                "cornerstream, idle": timed(lambda: self._ask(prefetching=False)),
                "first in, first out: 8 at once, the place it has in the queue": timed(self._ask_fifo),
            },
            rounds,
        )
        assert len({fingerprint(pixels) for pixels in found}) == 1, "the clients got different images"
        return samples

    def storm(self, rounds: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
        """Milliseconds to the last image, and megabytes fetched."""
        megabytes: dict[str, list[float]] = {}
        found: list[Pixels] = []

        def timed(name: str, work: Callable[[], Coroutine[Any, Any, tuple[float, int, Pixels]]]) -> Callable[[], float]:
            def one() -> float:
                milliseconds, nbytes, pixels = asyncio.run(work())
                megabytes.setdefault(name, []).append(nbytes / 1e6)
                found.append(pixels)
                return milliseconds

            return one

        clients = {OURS: self._scroll, "loads whatever was passed, first in, first out": self._scroll_fifo}
        waits = interleave({name: timed(name, work) for name, work in clients.items()}, rounds)
        assert len({fingerprint(pixels) for pixels in found}) == 1, "the clients got different images"
        return waits, {name: megabytes[name] for name in clients}

    async def _ask(self, *, prefetching: bool) -> tuple[float, Pixels]:
        async with self._warm_session() as (session, series):
            if prefetching:
                session.prefetch(series)
                await session.load(series[WARM - 1], lane=Lane.PREFETCH, distance=WARM)
            start = perf_counter()
            image = await session.load(series[self.wanted])
            return (perf_counter() - start) * 1000, image.pixels

    async def _ask_fifo(self) -> tuple[float, Pixels]:
        async with FifoClient(self._decode) as client:
            await client.load(self._urls[0])
            for url in self._urls:
                client.ask(url)
            await client.load(self._urls[WARM - 1])
            start = perf_counter()
            pixels = await client.load(self._urls[self.wanted])
            return (perf_counter() - start) * 1000, pixels

    async def _scroll(self) -> tuple[float, int, Pixels]:
        async with self._warm_session() as (session, series):
            before = session.stats().bytes_received
            shown: list[Image] = []
            arrived = asyncio.Event()

            def show(image: Image) -> None:
                shown.append(image)
                if image.image_id == series[last]:
                    arrived.set()

            scroll = session.scroll(series)
            scroll.images.subscribe(show)
            *path, last = self._path()
            for index in path:
                scroll.to(index)
                await asyncio.sleep(STEP_SECONDS)
            arrived.clear()
            start = perf_counter()
            scroll.to(last)
            await arrived.wait()
            waited = (perf_counter() - start) * 1000
            while scroll.running:  # noqa: ASYNC110 - its neighbours count as well, and nothing tells when they are there
                await asyncio.sleep(0.001)
            return waited, session.stats().bytes_received - before, shown[-1].pixels

    async def _scroll_fifo(self) -> tuple[float, int, Pixels]:
        async with FifoClient(self._decode) as client:
            await client.load(self._urls[0])
            before = client.bytes_received
            *path, last = self._path()
            for index in path:
                client.ask(self._urls[index])
                await asyncio.sleep(STEP_SECONDS)
            start = perf_counter()
            pixels = await client.load(self._urls[last])
            waited = (perf_counter() - start) * 1000
            await client.finish()
            return waited, client.bytes_received - before, pixels

    def _path(self) -> list[int]:
        """Down to the wanted index and a fifth of the way back, one index a step."""
        return [*range(1, self.wanted), *range(self.wanted, self.wanted * 4 // 5 - 1, -1)]

    @asynccontextmanager
    async def _warm_session(self) -> AsyncIterator[tuple[Session, Series]]:
        async with Session() as session:
            (series,) = await session.study(self._url, self._study_uid)
            await session.load(series[0])
            yield session, series
