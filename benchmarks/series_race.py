"""Who loads a whole series from a server: us, the floors, and the peers, each with its wall time and processor time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import perf_counter, process_time
from typing import TYPE_CHECKING

from benchmarks.coded import HTJ2K, JPEG_2000
from benchmarks.common import OURS, Contestant, check_pixels, interleave
from benchmarks.floors import decode_memory, fetch_frames, fetch_whole, only_part
from benchmarks.machine import cores
from benchmarks.peers import instance_frames_loop, iter_series_loop
from benchmarks.served import EMBEDDED, ORTHANC
from cornerstream import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.coded import Coded
    from benchmarks.common import Look, Pixels
    from benchmarks.served import Served

SERIES_ALONE = "floor: download alone, one series retrieval"
FRAMES_ALONE = "floor: download alone, frames, 8 at once"
DECODE_ALONE = f"floor: decode alone, from memory, {cores()} threads"
ITER_SERIES = "dicomweb-client iter_series + pydicom"
EIGHT_AT_ONCE = "aiohttp, frames, 8 at once + pydicom"
SINGLE_FRAMES = "dicomweb-client, single frames + pydicom"
PEERS = (ITER_SERIES, EIGHT_AT_ONCE, SINGLE_FRAMES)
SINGLE_OBJECTS = (EIGHT_AT_ONCE, SINGLE_FRAMES)


@dataclass(frozen=True, slots=True)
class Span:
    """What one run cost.

    Attributes:
        wall: Seconds, from the moment the addresses were known.
        cpu: Processor seconds of this process in that time.
        server_cpu: Processor seconds of the server's process in that time.
        with_listing: Seconds with opening a session and listing; `wall` for whom is told the addresses.
    """

    wall: float
    cpu: float
    server_cpu: float
    with_listing: float


Spans = dict[str, list[Span]]


@dataclass(frozen=True, slots=True)
class Racer(Contestant):
    """A contestant that may measure itself.

    Attributes:
        measures: `run` returns its own Span, since not all of it counts.
    """

    measures: bool = False


def race_series(served: Served, coded: Coded, rounds: int) -> Spans:
    """Let everybody who can load a series from a server, in turns.

    Raises:
        AssertionError: Somebody delivered other pixels than we did, or another number of images.
    """
    racers = racers_for(served, coded)
    check_pixels(racers, coded.images)
    return interleave({name: _timed(served, racer) for name, racer in racers.items()}, rounds)


def racers_for(served: Served, coded: Coded) -> dict[str, Racer]:
    """Ours first; peers where a figure asks for them and the server can answer."""
    series_url = f"{served.dicomweb}/studies/{coded.study_uid}/series/{coded.series.series_instance_uid}"
    urls = frame_urls(series_url, coded)
    encoded = coded.frames()
    nbytes = sum(map(len, encoded))
    decode = coded.decoder()
    # Orthanc 1.10 answers 500: nobody but ours, which retrieves the instances then, goes that way.
    frames_answered = (served.name, coded.name) != (ORTHANC, HTJ2K)

    def whole(_: Look) -> None:
        received = asyncio.run(fetch_whole(series_url))
        assert received > nbytes, "not the whole series"

    def frames(look: Look) -> None:
        received = asyncio.run(fetch_frames(urls, None, look))
        assert nbytes < received < nbytes + 1024 * len(urls), "other bytes than the files have"

    found = {
        OURS: Racer(lambda look: asyncio.run(stream(served, coded, look)), measures=True),
        SERIES_ALONE: Racer(whole, delivers=False),
        DECODE_ALONE: Racer(partial(decode_memory, encoded, decode)),
    }
    if frames_answered:
        found[FRAMES_ALONE] = Racer(frames, delivers=False)
    if coded.name != JPEG_2000 and served.name != EMBEDDED:  # no figure compares these
        found |= _peers(served, coded, urls, frames_answered=frames_answered)
    return found


def frame_urls(series_url: str, coded: Coded) -> list[str]:
    """The address of every frame, in order."""
    numbers = range(1, coded.images // len(coded.series.files) + 1)
    return [
        f"{series_url}/instances/{uid}/frames/{number}" for uid in coded.series.sop_instance_uids for number in numbers
    ]


def _peers(served: Served, coded: Coded, urls: Sequence[str], *, frames_answered: bool) -> dict[str, Racer]:
    where = (served.dicomweb, coded.study_uid, coded.series)
    found = {ITER_SERIES: Racer(partial(iter_series_loop, *where), ordered=False)}
    if frames_answered:
        found[EIGHT_AT_ONCE] = Racer(lambda look: asyncio.run(fetch_with_pydicom(urls, coded, look)))
        found[SINGLE_FRAMES] = Racer(partial(instance_frames_loop, *where), ordered=False)
    return found


async def stream(served: Served, coded: Coded, look: Look) -> Span:
    """A session of ours: list the study, then stream the series; only the stream counts, the listing is told beside it."""
    start = perf_counter()
    async with Session() as session:
        listed = await session.study(served.dicomweb, coded.study_uid)
        (series,) = [one for one in listed if one.series_instance_uid == coded.series.series_instance_uid]
        wall, cpu, server = perf_counter(), process_time(), served.cpu_seconds()
        async for image in session.stream(series):
            look(image.pixels)
        return _span(wall, cpu, server, served.cpu_seconds(), start)


async def fetch_with_pydicom(urls: Sequence[str], coded: Coded, look: Look) -> None:
    """aiohttp as it is by default, so many requests at once, each frame decoded by pydicom on a thread, in order."""
    import aiohttp  # noqa: PLC0415 - heavy

    decode = _pydicom_frame(coded)
    slots = asyncio.Semaphore(8)
    accept = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(headers=accept, raise_for_status=True) as http:
        with ThreadPoolExecutor(cores()) as pool:

            async def one(url: str) -> Pixels:
                async with slots:
                    async with http.get(url) as response:
                        body = await response.read()
                    return await loop.run_in_executor(pool, decode, only_part(body))

            for task in [asyncio.create_task(one(url)) for url in urls]:
                look(await task)


def _pydicom_frame(coded: Coded) -> Callable[[bytes], Pixels]:
    from pydicom import Dataset, dcmread  # noqa: PLC0415 - heavy
    from pydicom.encaps import encapsulate  # noqa: PLC0415

    header = dcmread(coded.series.files[0], stop_before_pixels=True)
    header.NumberOfFrames = 1
    described = {element.tag: element for element in header if element.tag.group == 0x0028}
    encapsulated = header.file_meta.TransferSyntaxUID.is_encapsulated

    def decode(frame: bytes) -> Pixels:
        dataset = Dataset(dict(described))  # its own: frames are decoded on threads
        dataset.file_meta = header.file_meta
        dataset.add_new("PixelData", "OB" if encapsulated else "OW", encapsulate([frame]) if encapsulated else frame)
        return dataset.pixel_array

    return decode


def _timed(served: Served, racer: Racer) -> Callable[[], Span]:
    import numpy as np  # noqa: PLC0415 - for one function

    def run() -> Span:
        wall, cpu, server = perf_counter(), process_time(), served.cpu_seconds()
        own = racer.run(np.max)  # the least that a reader does: every pixel is looked at once
        return own if isinstance(own, Span) else _span(wall, cpu, server, served.cpu_seconds(), wall)

    return run


def _span(wall: float, cpu: float, server: float, server_now: float, start: float) -> Span:
    now = perf_counter()
    return Span(now - wall, process_time() - cpu, server_now - server, now - start)


def walls(spans: Mapping[str, Sequence[Span]]) -> dict[str, list[float]]:
    """Seconds of every run, by name."""
    return {name: [span.wall for span in found] for name, found in spans.items()}
