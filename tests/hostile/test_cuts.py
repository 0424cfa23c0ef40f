"""A response cut at every byte, over every framing: all of it or a typed error, never a short frame."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest

from cornerstream.images.errors import ImageLoadError
from cornerstream.operators.fetch import Body
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.split_multipart import parts_of
from cornerstream.operators.transport import AiohttpTransport
from cornerstream.session import Session
from tests.support.hostile import DATA_SET, MULTIPART, PIXELS, Instance, multipart, serving, without_retries
from tests.support.leaks import nothing_left
from tests.support.part10 import RLE, encapsulated, native
from tests.support.raw_server import Step, chunked, head, ok, raw_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

FRAMES = [PIXELS, bytes(range(101, 109)), bytes(range(201, 209))]
KIND = "Content-Type: application/dicom"
FRAMINGS: dict[str, Callable[[bytes, str], bytes]] = {
    "Content-Length": ok,
    "chunked": lambda body, kind: head(200, kind, "Transfer-Encoding: chunked") + chunked(*thirds(body)),
    "close-delimited": lambda body, kind: head(200, kind, "Connection: close") + body,
    "HTTP/1.0": lambda body, kind: head(200, kind, version="HTTP/1.0") + body,
    "HTTP/1.0 with Content-Length": lambda body, kind: ok(body, kind, version="HTTP/1.0"),
}
UNFRAMED = {"close-delimited", "HTTP/1.0"}
framings = pytest.mark.parametrize("framing", FRAMINGS)


def thirds(body: bytes) -> list[bytes]:
    third = len(body) // 3
    return [body[:third], body[third : 2 * third], body[2 * third :]]


async def parts_before_the_end(http: AiohttpTransport, url: str) -> tuple[list[bytes], ImageLoadError | None]:
    """The parts of an answer, and how it ended."""
    found: list[bytes] = []
    try:
        async for part in parts_of(Body(HttpRequest(url), http)):
            found.append(bytes(part.data))  # noqa: PERF401 - what came before the error counts
    except ImageLoadError as error:
        return found, error
    return found, None


@framings
async def test_parts(framing: str) -> None:
    """Three parts: those before the cut are whole, and the end is an error unless everything is proven to be there."""
    wire = FRAMINGS[framing](multipart(*FRAMES), MULTIPART)
    proven = len(wire) - (2 if framing in UNFRAMED else 0)  # without framing, the closing boundary's own line end
    answer: list[bytes] = [b""]
    async with (
        nothing_left(),
        raw_server(choose=lambda _: (answer[0], Step.CLOSE)) as server,
        AiohttpTransport() as http,
    ):
        for cut in range(len(wire) + 1):
            answer[0] = wire[:cut]
            found, error = await parts_before_the_end(http, server.url())
            assert found == FRAMES[: len(found)], cut
            assert (error is None) == (found == FRAMES and cut >= proven), (cut, error)
    assert server.connections > len(wire)


@framings
async def test_a_frame_by_wado_rs(framing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_retries(monkeypatch)
    wire = FRAMINGS[framing](multipart(PIXELS), MULTIPART)
    proven = len(wire) - (2 if framing in UNFRAMED else 0)
    async with nothing_left(), serving(Instance()) as instance, Session() as session:
        for cut in range(len(wire) + 1):
            instance.frame = (wire[:cut], Step.CLOSE)
            assert await outcome(session, instance.wadors) == (PIXELS if cut >= proven else "error"), cut
        assert session.stats().running == 0


@framings
@pytest.mark.parametrize("resource", ["metadata", "series"])
async def test_metadata(framing: str, resource: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON ends where its brackets say so."""
    without_retries(monkeypatch)
    body = getattr(Instance(), resource)[0].partition(b"\r\n\r\n")[2]
    wire = FRAMINGS[framing](body, "Content-Type: application/dicom+json")
    async with nothing_left(), serving(Instance()) as instance:
        for cut in range(len(wire) - 25, len(wire) + 1):
            setattr(instance, resource, (wire[:cut], Step.CLOSE))
            async with Session() as session:
                if resource == "metadata":
                    assert await outcome(session, instance.wadors) == (PIXELS if cut == len(wire) else "error"), cut
                    continue
                try:
                    found = await session.study(instance.server.origin, "1")
                except ImageLoadError:
                    assert cut < len(wire)
                else:
                    assert (cut, len(found)) == (len(wire), 1)


def rle(pixels: bytes) -> bytes:
    """One segment, one literal run."""
    return struct.pack("<16I", 1, 64, *[0] * 14) + bytes([len(pixels) - 1]) + pixels + b"\0"


async def files(framing: str, name: str) -> int:
    """Each frame of a file cut at every byte; returns how many cuts gave all of them."""
    wire, whole = FRAMINGS[framing](FILES[name], KIND), 0
    async with nothing_left(), serving(Instance()) as instance, Session() as session:
        for cut in range(len(wire) + 1):
            instance.file = (wire[:cut], Step.CLOSE)
            ids = [f"{instance.wadouri}?{cut}&frame={number}" for number in (1, 2, 3)]
            found = await asyncio.gather(*(outcome(session, one) for one in ids))
            right = [one for one in found if one != "error"]
            assert right == FRAMES[: len(right)], cut
            whole += len(right) == 3
        assert session.stats().running == 0
    return whole


TRAILING = b"\x08\0\x05\0CS\0\0"
FILES = {
    "native": native(b"".join(FRAMES), NumberOfFrames=3) + TRAILING,
    "encapsulated": encapsulated([rle(frame) for frame in FRAMES], RLE),
}


async def test_a_file_by_wado_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    """All frames are right as soon as the bytes of the last one are there, whatever follows them (and is cut)."""
    without_retries(monkeypatch)
    assert await files("close-delimited", "native") == 1 + len(TRAILING)


@pytest.mark.long
@framings
@pytest.mark.parametrize("name", FILES)
async def test_files_by_wado_uri(framing: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_retries(monkeypatch)
    assert await files(framing, name) >= 1


async def outcome(session: Session, image_id: str) -> bytes | str:
    """The pixels of an image, or `error` for a typed one."""
    try:
        image = await session.load(image_id, keep=False)
    except ImageLoadError:
        return "error"
    return image.pixels.tobytes()


def codestreams(pixels: NDArray[np.uint8]) -> dict[str, tuple[str, str, bytes | bytearray]]:
    """Media type, transfer syntax and bytes of a frame, by each codec's own encoder."""
    literal = [bytes([len(run) - 1]) + run for run in map(bytes, pixels.reshape(-1, 96))]
    return {
        "JPEG": ("image/jpeg", "1.2.840.10008.1.2.4.50", imagecodecs.jpeg8_encode(pixels, level=90)),
        "JPEG lossless": ("image/jpeg", "1.2.840.10008.1.2.4.70", imagecodecs.jpeg8_encode(pixels, lossless=True)),
        "JPEG-LS": ("image/jls", "1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode(pixels)),
        "JPEG 2000": (
            "image/jp2",
            "1.2.840.10008.1.2.4.90",
            imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", reversible=True),
        ),
        "HTJ2K": ("image/jphc", "1.2.840.10008.1.2.4.201", imagecodecs.htj2k_encode(pixels)),
        "JPEG XL": (
            "image/jxl",
            "1.2.840.10008.1.2.4.110",
            imagecodecs.jpegxl_encode(pixels, lossless=True, usecontainer=False),
        ),
        "RLE": ("image/dicom-rle", RLE, struct.pack("<16I", 1, 64, *[0] * 14) + b"".join(literal)),
    }


async def lone_codestream(pixels: NDArray[np.uint8], codec: str) -> None:
    """A frame that is neither a part nor framed by HTTP: its own end marker or its decoder has to miss the rest."""
    media_type, transfer_syntax_uid, data = codestreams(pixels)[codec]
    rows, columns = pixels.shape
    described = DATA_SET | {
        "00280010": {"vr": "US", "Value": [rows]},
        "00280011": {"vr": "US", "Value": [columns]},
    }
    top = head(200, f"Content-Type: {media_type}; transfer-syntax={transfer_syntax_uid}", "Connection: close")
    instance = Instance(metadata=(ok(json.dumps(described).encode()),))
    async with nothing_left(), serving(instance), Session() as session:
        for cut in range(len(data)):
            instance.frame = (top + data[:cut], Step.CLOSE)
            assert await outcome(session, instance.wadors) == "error", cut
        instance.frame = (top + data, Step.CLOSE)
        assert len(await outcome(session, instance.wadors)) == pixels.size


CODECS = ["JPEG", "JPEG lossless", "JPEG-LS", "JPEG 2000", "HTJ2K", "JPEG XL", "RLE"]


@pytest.mark.parametrize("codec", CODECS)
async def test_a_lone_codestream_without_framing(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_retries(monkeypatch)
    await lone_codestream(np.add.outer(np.arange(12), 3 * np.arange(8)).astype(np.uint8), codec)


@pytest.mark.long
@pytest.mark.parametrize("codec", CODECS)
async def test_a_lone_codestream_of_noise_without_framing(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_retries(monkeypatch)
    await lone_codestream(np.random.default_rng(1).integers(0, 256, (24, 24)).astype(np.uint8), codec)
