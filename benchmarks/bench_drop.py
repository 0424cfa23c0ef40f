"""Drop: 300 running loads are cancelled at once; when sockets, server and workers are free again, and what still comes."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import inf
from statistics import median, quantiles
from time import perf_counter
from typing import TYPE_CHECKING
from unittest.mock import patch

import aiohttp
import reactivex as rx
from rich.table import Table

from benchmarks.common import OURS, Verdict
from benchmarks.machine import cores
from benchmarks.observed import LINK
from benchmarks.viewer import SLICES, Viewed, viewed
from cornerstream import Session
from cornerstream.images.image_id import ImageId
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.operators.decompress import decode_frame, decompress
from cornerstream.operators.frame_index import open_index
from cornerstream.operators.to_image import to_image
from cornerstream.phantom import CT_SYNTAXES
from cornerstream.ranks import Lane
from cornerstream.registry import LoaderRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import SimpleNamespace

    from benchmarks.common import Bench
    from benchmarks.observed import Seen
    from cornerstream.images.frames import EncodedFrame
    from cornerstream.load import Load
    from cornerstream.loaders.context import ImageLoader, LoadContext

TITLE = "all of 300 running loads are cancelled"
BAR_SOCKETS = 50.0
BAR_DECODES = 1.0
TIMES = 5
RUNNING_SECONDS = 0.4
LISTENING_SECONDS = 0.3


@dataclass(slots=True)
class Dropped:
    """What several rounds came to.

    Attributes:
        server: Milliseconds from the first cancel until the server had seen each open request's end.
        client: Milliseconds until the session had no open request and no task of a load.
        calls: Milliseconds that the cancelling itself took.
        late: Images, errors and completions after the last cancel returned.
        requests_after: Requests for pixels that the server saw, and that were not on their way when it returned.
        read_late: Milliseconds after it at which the server read those that were on their way.
    """

    server: list[float] = field(default_factory=list)
    client: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    late: int = 0
    requests_after: int = 0
    read_late: list[float] = field(default_factory=list)

    def rows(self) -> dict[str, list[float]]:
        """What a table shows of it."""
        rows = {"server": self.server, "session": self.client, "calls": self.calls}
        return rows | ({f"{len(self.read_late)} read late": self.read_late} if self.read_late else {})

    def compare(self, seen: Sequence[Seen], written: dict[str, float], returned: float) -> None:
        """Tell what was begun after the last cancel from what the server had in its sockets, and read after it.

        Args:
            seen: The requests for pixels as the server saw them.
            written: When the client wrote the head of each.
            returned: When the last cancel had returned.
        """
        self.requests_after += sum(written.get(one.url, inf) > returned for one in seen)
        self.read_late += [
            (one.began - returned) * 1000 for one in seen if written.get(one.url, inf) <= returned < one.began
        ]


def run(bench: Bench) -> None:
    """Behind the session's usual slots, with every request open at once, and in the middle of decodes."""
    times = 1 if bench.quick else TIMES
    verdicts = []
    table = Table("", "p50 ms", "p99 ms", "most ms", title=f"from the first cancel on, {times} times; {LINK}")
    with viewed(bench) as one:
        for name, slots in (("8 requests at once", 8), (f"{SLICES} requests at once", SLICES)):
            dropped = asyncio.run(_drop(one, slots, times))
            for who, figures in dropped.rows().items():
                table.add_row(f"{OURS}, {name}: {who}", *(f"{figure:.2f}" for figure in _spread(figures)))
            verdicts += [
                Verdict(f"{name}: every socket closed or reusable, p99", _spread(dropped.server)[1], BAR_SOCKETS, "ms"),
                Verdict(f"{name}: delivered, or begun, after it", dropped.late + dropped.requests_after, 0, digits=0),
            ]
    bench.console.print(table)
    verdicts.append(Verdict("workers idle, in decodes", asyncio.run(_drop_decodes(bench, times)), BAR_DECODES))
    bench.verdicts("drop", verdicts)


def _spread(figures: Sequence[float]) -> tuple[float, float, float]:
    several = [*figures, *figures]  # quantiles wants two at least
    return median(figures), quantiles(several, n=100, method="inclusive")[-1], max(figures)


async def _drop(one: Viewed, slots: int, times: int) -> Dropped:
    dropped = Dropped()
    with _written() as written:
        async with Session(max_requests=slots) as session:
            (series,) = await session.study(one.server.dicomweb, one.study.study_instance_uid)
            for _ in range(times):
                loads = [session.load(one_id, lane=Lane.INTERACTION, keep=False) for one_id in series]
                await _drop_once(one, session, loads, dropped, written)
    return dropped


@contextmanager
def _written() -> Iterator[dict[str, float]]:
    """When the head of each request was written to its socket, by path and query, as aiohttp tells it."""
    moments: dict[str, float] = {}

    async def note(_: aiohttp.ClientSession, __: SimpleNamespace, sent: aiohttp.TraceRequestHeadersSentParams) -> None:
        moments[sent.url.raw_path_qs] = perf_counter()

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(note)
    with patch("aiohttp.ClientSession", partial(aiohttp.ClientSession, trace_configs=[trace])):
        yield moments


async def _drop_once(
    one: Viewed, session: Session, loads: list[Load], dropped: Dropped, written: dict[str, float]
) -> None:
    signals: list[object] = []
    one.server.forget()
    written.clear()
    for load in loads:
        load.observable.subscribe(signals.append, signals.append, lambda: signals.append(None))
    await asyncio.sleep(RUNNING_SECONDS if len(loads) > 10 else 0)
    start = perf_counter()
    for load in loads:
        load.cancel()
    returned = perf_counter()
    dropped.calls.append((returned - start) * 1000)
    before = len(signals)
    while (stats := session.stats()).open_requests or stats.queued_requests or stats.tasks:  # noqa: ASYNC110 - nothing tells, and each turn counts
        await asyncio.sleep(0)
    dropped.client.append((perf_counter() - start) * 1000)
    await asyncio.sleep(LISTENING_SECONDS)
    dropped.late += len(signals) - before
    seen = one.server.pixels()
    assert all(request.ended is not None for request in seen), "the server still answers"
    ends = [(request.ended - start) * 1000 for request in seen if request.ended is not None and request.ended > start]
    dropped.server += ends or [dropped.client[-1]]  # nothing was open just then: the session's own figure counts
    dropped.compare(seen, written, returned)


async def _drop_decodes(bench: Bench, times: int) -> float:
    """How long workers stay busy after everything was cancelled, in times of one decode; the longest of several."""
    study = bench.study(slices=2, size=512, cine_frames=0, syntaxes=CT_SYNTAXES[1:2])
    frame = open_index(study.series[0].files[0]).read(1)
    with ThreadPoolExecutor(cores()) as pool:  # as long as one takes while the other cores decode as well
        list(pool.map(decode_frame, [frame] * cores()))  # the first ones import the decoder
        once = max(decoded.timings["decompress"] for decoded in pool.map(decode_frame, [frame] * 4 * cores()))
    registry = LoaderRegistry()
    registry.register("memory", _decoding(frame))
    async with Session(registry=registry) as session:
        return max([await _idle_after(session, number) for number in range(times)]) / once


async def _idle_after(session: Session, number: int) -> float:
    images: list[object] = []
    loads = [session.load(ImageId("memory", f"{number}-{index}"), keep=False) for index in range(SLICES)]
    for load in loads:
        load.observable.subscribe(images.append)
    while not images:  # noqa: ASYNC110 - until the workers are in the middle of it
        await asyncio.sleep(0.001)
    start = perf_counter()
    for load in loads:
        load.cancel()
    delivered = len(images)
    while session.stats().busy_workers or session.stats().queued_work:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.001)  # a loop that spins would take a core from the decoders that it waits for
    idle = perf_counter() - start
    await asyncio.sleep(0.05)
    assert len(images) == delivered, "an image came after the cancel"
    return idle


def _decoding(frame: EncodedFrame) -> ImageLoader:
    def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        return ImageLoadObject(image_id, rx.just(frame).pipe(decompress(context.workers), to_image(image_id)))

    return load
