"""Cancel: from dispose to the moment at which the server has seen the socket close."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter
from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks.common import OURS, ratio_of
from cornerstream import Session
from cornerstream.server import FAULTS, LEDGER, create_app, running_app

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.common import Bench
    from cornerstream.phantom import PhantomStudy
    from cornerstream.server.ledger import Ledger, OpenRequest
    from cornerstream.server.running import ServerAddress

TITLE = "dispose → the server sees the socket closed (server and client on one loop)"
HELD_BYTES = 700


def run(bench: Bench) -> None:
    """One after the other, and all at once, on both routes, beside a bare socket."""
    loads = 10 if bench.quick else 200
    study = bench.study(slices=8, size=64, cine_frames=4)
    for route in ("wadors", "wadouri"):
        single, together = asyncio.run(_measure(study, route, loads))
        _table(bench, f"{route}, {loads} loads in the middle of their bodies, one after the other", single)
        _table(bench, f"{route}, {loads} loads in the middle of their bodies, all at once", together)


@dataclass(frozen=True, slots=True)
class Held:
    """A server that holds every body back after its first bytes.

    Attributes:
        ids: Image ids of one route, as many as are needed.
        targets: Paths of the same answers.
    """

    address: ServerAddress
    ledger: Ledger
    ids: Sequence[str]
    targets: Sequence[str]

    async def until_held(self, count: int) -> None:
        """Wait until so many requests, and no others, are open and have sent what they will send."""

        def reached(ledger: Ledger) -> bool:
            return len(ledger.open) == count and all(map(_is_held, ledger.open))

        await self.ledger.wait_until(reached)

    async def closings(self, close: Callable[[], object]) -> list[float]:
        """Milliseconds from closing until the server has seen each open request's end."""
        moments: list[float] = []
        count = len(self.ledger.open)
        start = perf_counter()
        close()

        def noted(ledger: Ledger) -> bool:
            ended = count - len(ledger.open)
            moments.extend([(perf_counter() - start) * 1000] * (ended - len(moments)))
            return ended == count

        await self.ledger.wait_until(noted)
        return moments


def _is_held(request: OpenRequest) -> bool:
    return request.bytes_sent == HELD_BYTES


async def _measure(
    study: PhantomStudy, route: str, loads: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    app = create_app(study.folder, faults=True)
    app[FAULTS].rules["/frames/|/wado"] = f"hold-body:{HELD_BYTES}"
    single: dict[str, list[float]] = {OURS: [], "floor: a bare socket": []}
    together: dict[str, list[float]] = {OURS: [], "floor: a bare socket": []}
    async with running_app(app) as address, Session(max_requests=2 * loads) as session:
        held = _held(address, app[LEDGER], study, route, loads)
        for number in range(loads):
            single[OURS] += await _cancel_loads(session, held, [number])
            single["floor: a bare socket"] += await _close_sockets(held, [number])
        together[OURS] += await _cancel_loads(session, held, range(loads))
        together["floor: a bare socket"] += await _close_sockets(held, range(loads))
        stats = session.stats()
        assert (stats.running, stats.open_requests, stats.cached_bytes) == (0, 0, 0), f"something is left: {stats}"
        assert {one.outcome for one in app[LEDGER].served if _is_pixels(one.url)} == {"client gone"}
    return single, together


async def _cancel_loads(session: Session, held: Held, numbers: Sequence[int]) -> list[float]:
    images: list[object] = []
    subscriptions = [session.load(held.ids[number]).observable.subscribe(images.append) for number in numbers]
    await held.until_held(len(numbers))

    def dispose() -> None:
        for subscription in subscriptions:
            subscription.dispose()

    moments = await held.closings(dispose)
    assert not images
    return moments


async def _close_sockets(held: Held, numbers: Sequence[int]) -> list[float]:
    url = held.address.origin.removeprefix("http://")
    host, _, port = url.partition(":")
    opened = [await asyncio.open_connection(host, int(port)) for _ in numbers]
    for number, (_, writer) in zip(numbers, opened, strict=True):
        accept = 'multipart/related; type="application/octet-stream"; transfer-syntax=*, application/dicom'
        writer.write(f"GET {held.targets[number]} HTTP/1.1\r\nHost: {url}\r\nAccept: {accept}\r\n\r\n".encode())
    await held.until_held(len(numbers))

    def close() -> None:
        for _, writer in opened:
            writer.close()

    moments = await held.closings(close)
    for _, writer in opened:
        await writer.wait_closed()
    return moments


def _held(address: ServerAddress, ledger: Ledger, study: PhantomStudy, route: str, loads: int) -> Held:
    series = study.series[0]
    uids = [series.sop_instance_uids[number % series.frames] for number in range(loads)]
    if route == "wadors":
        root = f"/studies/{study.study_instance_uid}/series/{series.series_instance_uid}/instances"
        paths = [f"{root}/{uid}/frames/1?n={number}" for number, uid in enumerate(uids)]
        ids = [f"wadors:{address.dicomweb}{path}" for path in paths]
        return Held(address, ledger, ids, [f"/dicom-web{path}" for path in paths])
    query = f"requestType=WADO&studyUID={study.study_instance_uid}&seriesUID={series.series_instance_uid}"
    targets = [
        f"/wado?{query}&objectUID={uid}&contentType=application%2Fdicom&n={number}" for number, uid in enumerate(uids)
    ]
    return Held(address, ledger, [f"wadouri:{address.origin}{target}" for target in targets], targets)


def _is_pixels(url: str) -> bool:
    return "/frames/" in url or url.startswith("/wado")


def _table(bench: Bench, title: str, samples: dict[str, list[float]]) -> None:
    table = Table("", "p50 ms", "p99 ms", "most ms", "ours ÷ this (p50)", title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, figures in samples.items():
        p50, p99 = median(figures), quantiles(figures, n=100, method="inclusive")[-1]
        ratio = "" if name == OURS else f"{ratio_of([median(samples[OURS])], [p50]):.2f}"
        table.add_row(name, f"{p50:.2f}", f"{p99:.2f}", f"{max(figures):.2f}", ratio)
    bench.console.print(table)
