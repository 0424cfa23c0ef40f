"""Whole series from a static server, from Orthanc and from the embedded server: wall and processor time over the floors."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.table import Table

from benchmarks.coded import COLOUR, EXPLICIT, HTJ2K, JPEG_2000, JPEG_LS, NAMES, RLE, coded_series
from benchmarks.common import OURS, Verdict, ratio_of, ratio_verdict
from benchmarks.machine import cores
from benchmarks.prepared import prepare
from benchmarks.series_race import (
    DECODE_ALONE,
    FRAMES_ALONE,
    PEERS,
    SERIES_ALONE,
    SINGLE_OBJECTS,
    race_series,
    walls,
)
from benchmarks.served import EMBEDDED, ORTHANC, embedded_server, orthanc_missing, orthanc_server
from benchmarks.static_server import static_server
from cornerstream.images.errors import ImageLoadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from benchmarks.coded import Coded
    from benchmarks.common import Bench
    from benchmarks.series_race import Spans
    from benchmarks.served import Served

TITLE = "a whole series from a server: over the floors and against peers"
STATIC = "static"
BAR_FLOORS = {JPEG_LS: 1.25, JPEG_2000: 1.25, COLOUR: 1.25, HTJ2K: 1.4, EXPLICIT: 1.8, RLE: 1.8}
BAR_ORTHANC = 1.3
BAR_PEERS = {JPEG_LS: 2.2, HTJ2K: 3.5, EXPLICIT: 1.4, RLE: 1.4, COLOUR: 10.0}
BAR_SINGLE_OBJECTS = 10.0
BAR_CPU = 1.25


def run(bench: Bench) -> None:
    """One table for each transfer syntax and server; the figures behind each."""
    missing = orthanc_missing()
    if missing:
        bench.console.print(f"without Orthanc: {missing}")
    for coded in coded_series(bench, (EXPLICIT, RLE, COLOUR) if bench.quick else NAMES):
        for kind, running in _servers(bench, coded, orthanc=not missing):
            with running as served:
                try:
                    report(bench, kind, served, coded, race_series(served, coded, bench.rounds))
                except ImageLoadError as error:  # a server that answers some requests only
                    bench.verdicts(f"series, {kind}, {coded.name}", [Verdict("loads", 0, 1, at_least=True)], str(error))


def _servers(bench: Bench, coded: Coded, *, orthanc: bool) -> Iterator[tuple[str, AbstractContextManager[Served]]]:
    """Every server in turn, not started yet; in quick runs the static one alone."""
    with TemporaryDirectory(prefix="prepared-", dir=bench.folder) as folder:
        prepare(Path(folder), coded)
        yield STATIC, static_server(Path(folder), quick=bench.quick)
    if bench.quick:
        return
    if orthanc:
        with TemporaryDirectory(prefix="orthanc-", dir=bench.folder) as folder:
            yield ORTHANC, orthanc_server(Path(folder), coded)
    yield EMBEDDED, embedded_server(coded)


def report(bench: Bench, kind: str, served: Served, coded: Coded, spans: Spans) -> None:
    """Print the runs, and hold them against the bars."""
    bench.console.print(_table(served, coded, spans))
    found = list(figures(kind, coded.name, spans))
    if found:
        bench.verdicts(f"series, {kind}, {coded.name}", found)


def figures(kind: str, name: str, spans: Spans) -> Iterator[Verdict]:
    """The figures of one transfer syntax and one server."""
    times = walls(spans)
    ours = times[OURS]
    if kind == STATIC:
        yield ratio_verdict("wall over the slower floor", ours, slower_floor(times), BAR_FLOORS[name])
        cpu, bare = ([span.cpu for span in spans[who]] for who in (OURS, DECODE_ALONE))
        yield ratio_verdict("processor time over the bare decode's", cpu, bare, BAR_CPU)
    if kind == ORTHANC:
        yield ratio_verdict("wall over the slowest of three", ours, orthanc_floor(spans), BAR_ORTHANC)
    peers = {peer: times[peer] for peer in PEERS if peer in times}
    if peers and name in BAR_PEERS:
        yield ratio_verdict("the fastest peer's wall over ours", fastest(peers), ours, BAR_PEERS[name], at_least=True)
    singles = {peer: times[peer] for peer in SINGLE_OBJECTS if peer in times}
    if kind == ORTHANC and name == EXPLICIT and singles:
        yield ratio_verdict(
            "the fastest peer of single objects over ours", fastest(singles), ours, BAR_SINGLE_OBJECTS, at_least=True
        )


def fastest(times: Mapping[str, Sequence[float]]) -> Sequence[float]:
    """The runs of whoever has the least median."""
    return min(times.values(), key=median)


def slower_floor(times: Mapping[str, Sequence[float]]) -> list[float]:
    """Of each round the slower of decoding alone and of the faster way to download."""
    download = fastest({name: times[name] for name in (SERIES_ALONE, FRAMES_ALONE) if name in times})
    return [max(pair) for pair in zip(download, times[DECODE_ALONE], strict=True)]


def orthanc_floor(spans: Spans) -> list[float]:
    """Of each round the slowest of: the series retrieval; decoding; the work of both, shared by all cores."""
    pairs = zip(spans[SERIES_ALONE], spans[DECODE_ALONE], strict=True)
    return [max(load.wall, decode.wall, (load.server_cpu + decode.cpu) / cores()) for load, decode in pairs]


def _table(served: Served, coded: Coded, spans: Spans) -> Table:
    with_listing = _ms([span.with_listing for span in spans[OURS]], coded.images)
    table = Table(
        *("ms an image", "median", "least – most", "ours ÷ this", "processor", "server's"),
        title=f"{coded.name}, {coded.images} images, {served.name}",
        caption=f"ours with opening a session and listing: {with_listing}; processor time is that of all threads",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    times = walls(spans)
    for name, found in spans.items():
        ratio = "" if name == OURS else f"{ratio_of(times[OURS], times[name]):.2f}"
        spread = f"{_ms([min(times[name])], coded.images)} – {_ms([max(times[name])], coded.images)}"
        costs = (
            _ms([span.cpu for span in found], coded.images),
            _ms([span.server_cpu for span in found], coded.images),
        )
        table.add_row(name, _ms(times[name], coded.images), spread, ratio, *costs)
    return table


def _ms(seconds: Sequence[float], images: int) -> str:
    return f"{1000 * median(seconds) / images:.2f}"
