"""Memory: how far the peak grows while a series streams, with a small budget, and into a volume."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from zlib import crc32

from benchmarks.coded import EXPLICIT, HTJ2K, one_coded
from benchmarks.common import OURS, Verdict
from benchmarks.prepared import prepare
from benchmarks.static_server import static_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.common import Bench

TITLE = "growth of the peak memory while a whole series streams"
BUDGET = 64 << 20
SLACK = 64 << 20
MIB = 1 << 20
SECONDS = 120.0


def run(bench: Bench) -> None:
    """Each in a process of its own; the checksums of what it read are compared with those of the bare codec."""
    for name in (EXPLICIT, HTJ2K):
        coded = one_coded(bench, name)
        decode = coded.decoder()
        expected, nbytes = 0, 0
        for frame in coded.frames():
            pixels = decode(frame)
            expected, nbytes = crc32(pixels.data, expected), nbytes + pixels.nbytes
        with TemporaryDirectory(prefix="prepared-", dir=bench.folder) as folder:
            prepare(Path(folder), coded)
            with static_server(Path(folder), quick=bench.quick) as served:
                grown = {
                    kind: _growth(bench, probe, expected, served.dicomweb, coded.study_uid)
                    for kind, probe in (("stream", probe_stream), ("volume", probe_volume))
                }
        limits = {"stream": BUDGET + SLACK, "volume": nbytes + SLACK}
        verdicts = [
            Verdict(f"{OURS}, {kind}", grown[kind] / MIB, round(limits[kind] / MIB, 1), "MiB", digits=0)
            for kind in grown
        ]
        note = f"{coded.images} images, {nbytes / MIB:.0f} MiB of pixels; stream: a budget of {BUDGET / MIB:.0f} MiB"
        bench.verdicts(f"memory, {name}: growth of the peak", verdicts, note)


def _growth(bench: Bench, probe: Callable[..., Any], expected: int, *where: str) -> int:
    from tests.support.memory import growth_of  # noqa: PLC0415 - the tests know how to measure it

    if bench.quick:
        found, nbytes = probe(lambda: None, *where), 0
    else:
        growth = growth_of(probe, *where, seconds=SECONDS)
        found, nbytes = growth.result, growth.nbytes
    assert found == expected, "other pixels than the bare codec's"
    return nbytes


def probe_stream(mark: Callable[[], None], url: str, study_uid: str) -> int:
    """Stream with a small budget; the checksum of all pixels."""
    return asyncio.run(_stream(mark, url, study_uid))


def probe_volume(mark: Callable[[], None], url: str, study_uid: str) -> int:
    """Stream into a volume; its checksum."""
    return asyncio.run(_volume(mark, url, study_uid))


async def _stream(mark: Callable[[], None], url: str, study_uid: str) -> int:
    from cornerstream import Session  # noqa: PLC0415 - in the fresh process

    checksum = 0
    async with Session(cache_bytes=BUDGET) as session:
        (series,) = await session.study(url, study_uid)
        await session.load(series[0])  # brings the codec in
        mark()
        async for image in session.stream(series):
            checksum = crc32(image.pixels.data, checksum)
    return checksum


async def _volume(mark: Callable[[], None], url: str, study_uid: str) -> int:
    import numpy as np  # noqa: PLC0415 - in the fresh process

    from cornerstream import Session  # noqa: PLC0415

    async with Session() as session:
        (series,) = await session.study(url, study_uid)
        first = (await session.load(series[0], keep=False)).pixels
        mark()
        volume = np.empty((len(series), *first.shape), first.dtype)
        async for _ in session.stream(series, out=volume):
            pass
    return crc32(volume.data)
