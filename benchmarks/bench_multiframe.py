"""Multi-frame: all 2,000 frames of one instance over DICOMweb, beside a bare download and a decode from memory."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.common import OURS, Verdict, interleave
from benchmarks.floors import raw_decoder
from benchmarks.machine import cores
from benchmarks.observed import LINK, observed_server
from benchmarks.peers import rows_of
from cornerstream import Session
from cornerstream.operators.frame_index import open_index
from cornerstream.phantom import CT_SYNTAXES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.common import Bench, Pixels
    from benchmarks.observed import ObservedServer
    from cornerstream.phantom import PhantomSeries, PhantomStudy

TITLE = "2,000 frames of one instance"
BAR_REQUESTS = 20
BAR_SPEED = 0.9
BAR_FIRST = 1.0
FRAMES = 2000
DIFFERENT = 50
ROUNDS = 2


@dataclass(slots=True)
class Runs:
    """What our runs came to, apart from their time: requests for pixels, and bytes at the first frame."""

    requests: int = 0
    first_percent: float = 0.0


def run(bench: Bench) -> None:
    """Uncompressed, where the link decides, and JPEG 2000, where the cores do."""
    frames = 16 if bench.quick else FRAMES
    for syntax, size in ((CT_SYNTAXES[0], 128), (CT_SYNTAXES[1], 256)):
        study = bench.study(slices=DIFFERENT, size=size, cine_frames=0, syntaxes=(syntax,))
        series = study.series[0]
        folder = bench.folder / f"multiframe{size}"
        folder.mkdir(exist_ok=True)
        encoded = write_multiframe(series, folder / "all.dcm", frames)
        with observed_server(folder, quick=bench.quick) as server:
            _race(bench, server, study, encoded, raw_decoder(series.transfer_syntax_uid, rows_of(series)))


def write_multiframe(series: PhantomSeries, path: Path, frames: int) -> list[bytes]:
    """One instance of so many frames, those of a series over and over; its encoded frames."""
    from pydicom import dcmread  # noqa: PLC0415 - heavy
    from pydicom.encaps import encapsulate  # noqa: PLC0415
    from pydicom.uid import UID  # noqa: PLC0415

    dataset = dcmread(series.files[0])
    different = [bytes(open_index(file).read(1).data) for file in series.files]
    encoded = [different[number % len(different)] for number in range(frames)]
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7.3")
    dataset.NumberOfFrames = frames
    native = not dataset.file_meta.TransferSyntaxUID.is_compressed
    dataset.PixelData = b"".join(encoded) if native else encapsulate(encoded, has_bot=True)
    dataset["PixelData"].VR = "OW" if native else "OB"
    dataset.save_as(path, enforce_file_format=True)
    return encoded


def _race(
    bench: Bench, server: ObservedServer, study: PhantomStudy, encoded: list[bytes], decode: Callable[[bytes], Pixels]
) -> None:
    runs = Runs()
    series = study.series[0]
    url = f"{server.dicomweb}/studies/{study.study_instance_uid}/series/{series.series_instance_uid}"
    actions: dict[str, Callable[[], float]] = {
        OURS: lambda: asyncio.run(_stream(server, study, encoded, runs)),
        "download alone: one GET of the instance": lambda: asyncio.run(_download(url, sum(map(len, encoded)))),
        f"decode alone: from memory, {cores()} threads": lambda: _decode(encoded, decode),
    }
    samples = interleave(actions, 1 if bench.quick else ROUNDS)
    nbytes = sum(map(len, encoded))
    bench.table(f"{series.description}, {len(encoded)} frames, {nbytes / 1e6:.0f} MB; {LINK}", samples, "s", 2)
    slower = max(median(figures) for name, figures in samples.items() if name != OURS)
    verdicts = [
        Verdict("requests for pixels", runs.requests, BAR_REQUESTS, digits=0),
        Verdict("speed over the slower of the two", slower / median(samples[OURS]), BAR_SPEED, "×", at_least=True),
        Verdict("bytes that had arrived at the first frame", runs.first_percent, BAR_FIRST, "%"),
    ]
    bench.verdicts(f"multi-frame, {series.description}", verdicts)


async def _stream(server: ObservedServer, study: PhantomStudy, encoded: list[bytes], runs: Runs) -> float:
    """Seconds for all frames, the session's listing not included."""
    async with Session() as session:
        (series,) = await session.study(server.dicomweb, study.study_instance_uid)
        server.forget()
        before = session.stats().bytes_received
        count, start = 0, perf_counter()
        async for image in session.stream(series):
            if not count:
                arrived = session.stats().bytes_received - before
            int(image.pixels[0, 0])
            count += 1
        seconds = perf_counter() - start
    assert count == len(encoded), f"{count} of {len(encoded)} frames"
    runs.requests = max(runs.requests, len(server.pixels()))
    runs.first_percent = max(runs.first_percent, 100 * arrived / sum(map(len, encoded)))
    return seconds


async def _download(url: str, least: int) -> float:
    import aiohttp  # noqa: PLC0415 - heavy

    start = perf_counter()
    accept = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    async with aiohttp.ClientSession(raise_for_status=True) as http, http.get(url, headers=accept) as response:
        received = sum([len(chunk) async for chunk in response.content.iter_any()])
    assert received > least, "not the whole instance"
    return perf_counter() - start


def _decode(encoded: list[bytes], decode: Callable[[bytes], Pixels]) -> float:
    start = perf_counter()
    with ThreadPoolExecutor(cores()) as pool:
        for pixels in pool.map(decode, encoded):
            assert isinstance(pixels, np.ndarray)
    return perf_counter() - start
