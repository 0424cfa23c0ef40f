"""Heartbeat: what is left of a task that wakes every millisecond while a large frame is decoded beside it."""

from __future__ import annotations

import asyncio
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from benchmarks.common import OURS, fingerprint
from benchmarks.peers import pydicom_plugins
from cornerstream import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from benchmarks.common import Bench, Pixels

TITLE = "rate of a 1 ms task on the loop while a JPEG 2000 frame decodes"
JPEG_2000 = "1.2.840.10008.1.2.4.90"


def run(bench: Bench) -> None:
    """One table: the share of the undisturbed rate that is kept."""
    size = 256 if bench.quick else 2048
    path = bench.folder / f"large{size}.dcm"
    codestream = write_large_frame(path, size)
    shares = asyncio.run(_measure(path, codestream, bench.rounds))
    table = Table("decoding", "median rate kept", "least – most", title=f"{size} × {size}, 12 bits of 16")
    for name, figures in shares.items():
        ordered = sorted(figures)
        table.add_row(name, f"{ordered[len(ordered) // 2]:.0%}", f"{ordered[0]:.0%} – {ordered[-1]:.0%}")
    table.caption = f"pydicom decodes with: {pydicom_plugins(JPEG_2000)}"
    bench.console.print(table)


def write_large_frame(path: Path, size: int) -> bytes:
    """Write a 12-bit frame, smooth with noise on it, as a Part 10 file; returns its codestream."""
    import imagecodecs  # noqa: PLC0415 - heavy
    from pydicom import Dataset  # noqa: PLC0415 - heavy
    from pydicom.dataset import FileMetaDataset  # noqa: PLC0415 - heavy
    from pydicom.encaps import encapsulate  # noqa: PLC0415 - heavy
    from pydicom.uid import UID, ComputedRadiographyImageStorage  # noqa: PLC0415 - heavy

    across = np.linspace(0, np.pi, size)
    smooth = 1800 * np.outer(np.sin(across), np.sin(across))
    noise = np.random.default_rng(1).normal(200, 40, (size, size))
    pixels = np.clip(smooth + noise, 0, 4095).astype(np.uint16)
    codestream = bytes(imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", bitspersample=12))
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(JPEG_2000)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID("2.25.1")
    dataset.Rows = dataset.Columns = size
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelData = encapsulate([codestream])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path, enforce_file_format=True)
    return codestream


async def _measure(path: Path, codestream: bytes, rounds: int) -> dict[str, list[float]]:
    async with Session() as session:
        decoders = _decoders(session, path, codestream)
        expected = [fingerprint(await decode()) for decode in decoders.values()]
        assert len(set(expected)) == 1, "the decoders disagree"
        loop = asyncio.get_running_loop()
        shares: dict[str, list[float]] = {name: [] for name in decoders}
        for _ in range(rounds):
            for name, decode in decoders.items():
                start = loop.time()
                disturbed = await _rate_during(decode)
                seconds = loop.time() - start
                shares[name].append(disturbed / await _rate_during(partial(asyncio.sleep, max(seconds, 0.05))))
        return shares


def _decoders(session: Session, path: Path, codestream: bytes) -> dict[str, Callable[[], Awaitable[Pixels]]]:
    async def ours() -> Pixels:
        return (await session.load(f"dicomfile:{path}", keep=False)).pixels

    async def openjpeg() -> Pixels:
        from openjpeg.utils import decode  # noqa: PLC0415 - heavy

        pixels: Pixels = await asyncio.to_thread(decode, codestream, j2k_format=0)
        return pixels

    async def pydicom() -> Pixels:
        from pydicom import dcmread  # noqa: PLC0415 - heavy

        return await asyncio.to_thread(lambda: dcmread(path).pixel_array)

    return {
        OURS: ours,
        "pylibjpeg-openjpeg in a thread": openjpeg,
        "pydicom pixel_array in a thread": pydicom,
    }


async def _rate_during(function: Callable[[], Awaitable[object]]) -> float:
    """Beats a second while something runs."""
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.001)
            beats += 1

    heart = asyncio.create_task(beat())
    start = perf_counter()
    try:
        await function()
        return beats / (perf_counter() - start)
    finally:
        heart.cancel()
        await asyncio.wait([heart])
