"""Slow: a reader a hundred times slower than the server over a series of 2 GB; what memory and the server do meanwhile."""

from __future__ import annotations

import asyncio
import multiprocessing
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.common import OURS, Verdict
from benchmarks.observed import ObservedServer, observed_server
from cornerstream import Session
from cornerstream.phantom import CT_SYNTAXES

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from pydicom import FileDataset

    from benchmarks.common import Bench

TITLE = "a reader 100 × slower than the server, over a series of 2 GB"
BUDGET = 128 << 20
SLACK = 64 << 20
BAR_STILL = 90.0
SLOWER = 100
IMAGES = 1024
SIZE = 1024
HEADER_SIZE = 64
WARM = 40
TAKEN = 20
LOOK_SECONDS = 0.01


def run(bench: Bench) -> None:
    """Read a few images of the series slowly, in a fresh process, and watch the server and the memory."""
    images, size = (12, 64) if bench.quick else (IMAGES, SIZE)
    taken = 2 if bench.quick else TAKEN
    study_uid = write_sparse_series(bench, bench.folder / "sparse", images, size)
    with observed_server(
        bench.folder / "sparse", quick=bench.quick, latency_seconds=0, bytes_per_second=None
    ) as server:
        one, looks, growth = _watched(bench, server, study_uid, min(WARM, images // 2), taken)
    window = [nbytes for moment, nbytes in looks if moment >= one["filled"]]
    still = 100 * sum(a == b for a, b in pairwise(window)) / max(1, len(window) - 1)
    read = one["taken"] * size * size * 2
    samples = {OURS: [one["fast"] * 1000], "the slow reader": [one["pause"] * 1000]}
    note = (
        f"{images} images of {size} × {size} × 16 bits, {images * size * size * 2 / 1e9:.2f} GB; stopped after "
        f"{one['taken']:.0f} images taken slowly: the reader had {read / 1e6:.0f} MB, the server had sent {window[-1] / 1e6:.0f} MB"
    )
    bench.table("time an image", samples, "ms", 1, note)
    mib = 1 << 20
    verdicts = [
        Verdict("growth of peak memory", growth / mib, (BUDGET + SLACK) / mib, "MiB", digits=0),
        Verdict("looks at which the server's bytes stood still", still, BAR_STILL, "%", at_least=True),
    ]
    bench.verdicts(f"slow: a budget of {BUDGET / mib:.0f} MiB and 64 MiB more", verdicts)


def write_sparse_series(bench: Bench, folder: Path, images: int, size: int) -> str:
    """A series whose pixels are holes in its files: gigabytes that take no room on the disk; its Study Instance UID."""
    from pydicom import dcmread  # noqa: PLC0415 - heavy
    from pydicom.uid import UID  # noqa: PLC0415

    source = bench.study(slices=2, size=HEADER_SIZE, cine_frames=0, syntaxes=CT_SYNTAXES[:1])
    dataset = dcmread(source.series[0].files[0])
    dataset.Rows = dataset.Columns = size
    dataset.PixelData = b""
    folder.mkdir(exist_ok=True)
    for number in range(images):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"2.25.{number + 1}")
        dataset.InstanceNumber = number + 1
        dataset.ImagePositionPatient = [0, 0, number]
        _write_sparse(dataset, folder / f"{number:05}.dcm", size * size * 2)
    return str(dataset.StudyInstanceUID)


def _write_sparse(dataset: FileDataset, path: Path, nbytes: int) -> None:
    dataset.save_as(path, enforce_file_format=True)
    with path.open("r+b") as file:
        file.seek(-4, 2)  # Pixel Data is the last element, its length the last field
        file.write(nbytes.to_bytes(4, "little"))
        file.truncate(file.tell() + nbytes)


def _watched(
    bench: Bench, server: ObservedServer, study_uid: str, warm: int, taken: int
) -> tuple[dict[str, float], list[tuple[float, int]], int]:
    """What the reader measured, the server's bytes by moment, and the growth of the reader's peak memory."""
    if bench.quick:
        return asyncio.run(read_slowly(server.dicomweb, study_uid, warm, taken, lambda: None)), [(1e9, 0)] * 2, 0
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_in_process, args=(server.dicomweb, study_uid, warm, taken, theirs), daemon=True)
    process.start()
    theirs.close()
    looks: list[tuple[float, int]] = []
    while not ours.poll(LOOK_SECONDS):
        looks.append((perf_counter(), server.bytes_sent()))
    one, growth = ours.recv()
    process.join()
    return one, looks, growth


def _in_process(url: str, study_uid: str, warm: int, taken: int, pipe: Connection) -> None:
    start = []

    def mark() -> None:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak becomes what is resident now
        start.append(_peak())

    one = asyncio.run(read_slowly(url, study_uid, warm, taken, mark))
    pipe.send((one, _peak() - start[0]))


async def read_slowly(url: str, study_uid: str, warm: int, taken: int, mark: Callable[[], None]) -> dict[str, float]:
    """Find out how fast images can come, then take them a hundred times slower.

    Returns:
        Seconds an image at full speed and between two slow takes; the moment at which the stream had had the time to
        fill what it fills; images taken.
    """
    async with Session(cache_bytes=BUDGET) as session:
        (series,) = await session.study(url, study_uid)
        mark()
        before = perf_counter()
        async for image in session.stream(series.image_ids[:warm]):
            int(image.pixels.max())
        fast = (perf_counter() - before) / warm
        pause = SLOWER * fast
        images = aiter(session.stream(series.image_ids[warm:]))
        await anext(images)
        await asyncio.sleep(pause)
        filled, count = perf_counter(), 1
        while count < taken:
            image = await anext(images)
            count += 1
            int(image.pixels.max())
            del image
            await asyncio.sleep(pause)
        await images.aclose()
        return {"fast": fast, "pause": pause, "filled": filled, "taken": count}


def _peak() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))
