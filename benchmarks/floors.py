"""Floors: the codecs and the socket with nothing around them."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import numpy as np

from benchmarks.machine import cores
from cornerstream.operators.frame_index import open_index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.common import Look, Pixels
    from cornerstream.operators.frame_index import FrameIndex
    from cornerstream.phantom import PhantomSeries

    Place = tuple[str, int, int]

PIXELS = MappingProxyType(
    {
        "Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*',
        "Accept-Encoding": "identity",  # some servers compress every answer otherwise, which no floor waits for
    }
)
FILES = MappingProxyType(
    {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*', "Accept-Encoding": "identity"}
)


def frame_places(series: PhantomSeries) -> list[Place]:
    """Path, offset and length of every frame, in order."""
    return [place for path in series.files for place in _places(open_index(path))]


def raw_decoder(transfer_syntax_uid: str, size: int) -> Callable[[bytes], Pixels]:
    """The codec that cornerstream takes for a phantom's transfer syntax, called directly.

    Args:
        transfer_syntax_uid: Of the series.
        size: Rows and columns.
    """
    import imagecodecs  # noqa: PLC0415 - heavy

    decoders = {
        "1.2.840.10008.1.2.1": lambda data: np.frombuffer(data, "<u2").reshape(size, size),
        "1.2.840.10008.1.2.4.90": partial(imagecodecs.jpeg2k_decode, numthreads=1),
        "1.2.840.10008.1.2.4.201": imagecodecs.htj2k_decode,
        "1.2.840.10008.1.2.4.50": imagecodecs.jpeg8_decode,
        "1.2.840.10008.1.2.4.80": imagecodecs.jpegls_decode,
        "1.2.840.10008.1.2.5": lambda data: np.frombuffer(imagecodecs.dicomrle_decode(data, "<u2"), "<u2").reshape(
            size, size
        ),
    }
    return cast("Callable[[bytes], Pixels]", decoders[transfer_syntax_uid])


def decode_files(places: Sequence[Place], decode: Callable[[bytes], Pixels], look: Look) -> None:
    """Read and decode on one thread a core: nothing is parsed, checked, cached or cancelled."""
    with ThreadPoolExecutor(cores()) as pool:
        for pixels in pool.map(lambda place: decode(read_place(place)), places):
            look(pixels)


def decode_memory(frames: Sequence[bytes], decode: Callable[[bytes], Pixels], look: Look) -> None:
    """Decode what is in memory on one thread a core."""
    with ThreadPoolExecutor(cores()) as pool:
        for pixels in pool.map(decode, frames):
            look(pixels)


async def fetch_whole(url: str, headers: Mapping[str, str] = FILES) -> int:
    """GET one resource and drop its bytes as they come; returns how many."""
    import aiohttp  # noqa: PLC0415 - heavy

    async with aiohttp.ClientSession(raise_for_status=True) as http, http.get(url, headers=headers) as response:
        return sum([len(chunk) async for chunk in response.content.iter_any()])


async def fetch_frames(
    urls: Sequence[str], decode: Callable[[bytes], Pixels] | None, look: Look, at_once: int = 8
) -> int:
    """GET every URL, so many at once; decode the one part of each answer on threads, if wanted.

    Returns:
        Bytes of all bodies.
    """
    import aiohttp  # noqa: PLC0415 - heavy

    slots = asyncio.Semaphore(at_once)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=PIXELS, raise_for_status=True) as http:
        with ThreadPoolExecutor(cores()) as pool:

            async def one(url: str) -> tuple[int, Pixels | None]:
                async with slots:
                    async with http.get(url) as response:
                        body = await response.read()
                    if decode is None:
                        return len(body), None
                    loop = asyncio.get_running_loop()
                    return len(body), await loop.run_in_executor(pool, decode, only_part(body))

            total = 0
            for task in [asyncio.create_task(one(url)) for url in urls]:
                nbytes, pixels = await task
                total += nbytes
                if pixels is not None:
                    look(pixels)
            return total


def only_part(body: bytes) -> bytes:
    """The content of a multipart body of one part, taken on trust."""
    return body[body.index(b"\r\n\r\n") + 4 : body.rindex(b"\r\n--")]


def _places(index: FrameIndex) -> list[Place]:
    path = index.version.path
    if index.layout is not None:
        return [(path, *index.layout.place(number)) for number in range(index.metadata.number_of_frames)]
    return [(path, *fragment) for (fragment,) in index.fragments]


def read_place(place: Place) -> bytes:
    """One encoded frame, out of its file."""
    path, offset, length = place
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.pread(descriptor, length, offset)
    finally:
        os.close(descriptor)
