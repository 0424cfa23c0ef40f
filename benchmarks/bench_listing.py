"""Thousands of files: `session.folder` against pydicom reading the same headers, and how soon a cancel is the end."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.common import OURS, Contestant, Verdict, race, ratio_verdict
from benchmarks.machine import cores
from benchmarks.many_files import ELEMENTS, many_files
from cornerstream import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pydicom import Dataset

    from benchmarks.common import Bench
    from cornerstream.folder import FolderListing

TITLE = "listing a folder of thousands of files, time a file"
FILES, SERIES = 5000, 10
BAR = 1.5
BAR_CANCEL = 50.0
HEAD = 1 << 13


def run(bench: Bench) -> None:
    """One table, and its figures; series and order are compared with those that pydicom's headers give."""
    count = 60 if bench.quick else FILES
    folder = bench.folder / f"many-{count}"
    paths = many_files(folder, count, SERIES)
    check(folder, paths)
    threads = f"pydicom dcmread(stop_before_pixels=True), {cores()} threads"
    samples = race(
        {
            OURS: Contestant(lambda _: asyncio.run(_list(folder, count)), delivers=False),
            threads: Contestant(lambda _: _in_threads(_header, paths), delivers=False),
            f"floor: the first {HEAD >> 10} KiB of each file, {cores()} threads": Contestant(
                lambda _: _in_threads(_head, paths), delivers=False
            ),
        },
        bench.rounds,
        count,
    )
    note = f"headers of {ELEMENTS} elements, {SERIES} series; ours finds the files, sorts them into series by position"
    bench.table(f"{count} files", samples, "ms", 3, note)
    cancels = [asyncio.run(_cancelled(folder)) for _ in range(bench.rounds)]
    bench.verdicts(
        f"listing {count} files",
        [
            ratio_verdict("our time over pydicom's in threads", samples[OURS], samples[threads], BAR),
            Verdict("from cancel to the end, the session closed", max(cancels), BAR_CANCEL, "ms", digits=1),
        ],
    )


def check(folder: Path, paths: Sequence[Path]) -> None:
    """Compare the series, and the order in each, with what pydicom reads.

    Raises:
        AssertionError: They are others.
    """
    expected = defaultdict(list)
    for path in paths:
        header = _header(path)
        expected[str(header.SeriesInstanceUID)].append(
            (float(header.ImagePositionPatient[2]), f"dicomfile:{path}?frame=1")
        )
    found = asyncio.run(_list(folder, len(paths)))
    assert found == {uid: [name for _, name in sorted(files)] for uid, files in expected.items()}


async def _list(folder: Path, count: int) -> dict[str, list[str]]:
    async with Session() as session:
        series = await session.folder(folder)
        assert sum(map(len, series)) == count
        return {one.series_instance_uid: [str(image_id) for image_id in one.image_ids] for one in series}


async def _cancelled(folder: Path) -> float:
    """Milliseconds from the cancel of a listing in its middle until its session is closed."""
    async with Session() as session:
        listing = session.folder(folder)
        begun = asyncio.Event()
        listing.progress.subscribe(lambda progress: begun.set() if progress.files_done else None)
        waiting = asyncio.ensure_future(_waited(listing))
        await begun.wait()
        start = perf_counter()
        listing.cancel()
        await waiting
    assert not asyncio.all_tasks() - {asyncio.current_task()}
    return (perf_counter() - start) * 1000


async def _waited(listing: FolderListing) -> None:
    try:
        await listing
    except asyncio.CancelledError:
        return
    raise AssertionError("the listing went on")


def _in_threads(function: Callable[[Path], object], paths: Sequence[Path]) -> None:
    with ThreadPoolExecutor(cores()) as pool:
        assert sum(1 for _ in pool.map(function, paths)) == len(paths)


def _header(path: Path) -> Dataset:
    from pydicom import dcmread  # noqa: PLC0415 - heavy

    return dcmread(path, stop_before_pixels=True)


def _head(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.pread(descriptor, HEAD, 0)
    finally:
        os.close(descriptor)
