"""Codestreams whose header disagrees with the data set: refused before anything is allocated, in milliseconds."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import EncodedFrame
from cornerstream.operators.decompress import decode_frame
from tests.support.damage import samples
from tests.support.headers import with_jpegxl_size, with_siz, with_sof
from tests.support.memory import MIB, growth_of
from tests.support.trials import decoders_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerstream.images.metadata import FrameMetadata

HUGE = {"rows": 60_000, "columns": 60_000}
HUGE_SIZ = {"x1": 60_000, "y1": 60_000, "tile_x": 60_000, "tile_y": 60_000}
JPEGS = [
    "jpeg-8",
    "jpeg-colour",
    "jpeg-12",
    "jpeg-progressive",
    "jpeg-lossless-16",
    "jpeg-lossless-12",
    "jpegls-8",
    "jpegls-16",
    "jpegls-colour",
    "jpegls-near",
]
JPEGS_2000 = [
    "j2k-16",
    "j2k-colour",
    "j2k-tiles",
    "j2k-lossy",
    "htj2k-16",
    "htj2k-colour",
    "htj2k-tiles",
    "htj2k-lossy",
]


def boxed(codestream: bytes) -> bytes:
    """In a JPEG XL container, as the second half of which the codestream is."""
    head = b"\x00\x00\x00\x0cJXL \r\n\x87\n\x00\x00\x00\x14ftypjxl \0\0\0\0jxl "
    return head + (len(codestream) + 8).to_bytes(4, "big") + b"jxlc" + codestream


def in_parts(codestream: bytes) -> bytes:
    """In a container that holds it in two parts, as encoders write them behind each other."""
    head = b"\x00\x00\x00\x0cJXL \r\n\x87\n\x00\x00\x00\x14ftypjxl \0\0\0\0jxl "
    parts = (b"\0\0\0\0" + codestream[:50], b"\x80\0\0\1" + codestream[50:])
    return head + b"".join((len(part) + 8).to_bytes(4, "big") + b"jxlp" + part for part in parts)


def with_boxed_siz(codestream: bytes, **values: int) -> bytes:
    """SIZ of a codestream inside JP2 boxes; they say the size themselves and are not believed."""
    at = codestream.index(b"\xff\x4f\xff\x51")
    return codestream[:at] + with_siz(codestream[at:], **values)


def huge() -> dict[str, tuple[str, bytes]]:
    """A lie of 60,000 × 60,000 for each codec: the name of its sample, and the codestream."""
    frames = {name: bytes(frame.data) for name, frame in samples().items()}
    lies = {name: (name, with_sof(frames[name], **HUGE)) for name in JPEGS}
    lies |= {name: (name, with_siz(frames[name], **HUGE_SIZ)) for name in JPEGS_2000}
    lies["j2k-boxes"] = "j2k-boxes", with_boxed_siz(frames["j2k-boxes"], **HUGE_SIZ)
    xl = with_jpegxl_size(frames["jpegxl-16"], 60_000, 60_000)
    return lies | {f"jpegxl {i}": ("jpegxl-16", data) for i, data in enumerate((xl, boxed(xl), in_parts(xl)))}


def huge_descriptions() -> dict[str, EncodedFrame]:
    """What has no size of its own, or the size of the lie: the data set says 16,384 × 16,384."""
    names = ("rle-8", "rle-16", "rle-colour", "deflated", "native")
    frames = {name: (samples()[name].metadata, bytes(samples()[name].data)) for name in names}
    for name in ("jpeg-8", "jpeg-lossless-16"):  # header and data set agree, and the scan cannot be theirs
        data = with_sof(bytes(samples()[name].data), rows=16_384, columns=16_384)
        frames[name] = samples()[name].metadata, data
    return {name: EncodedFrame(_larger(metadata), data) for name, (metadata, data) in frames.items()}


def _larger(metadata: FrameMetadata) -> FrameMetadata:
    return replace(metadata, rows=16_384, columns=16_384)


def refusals(mark: Callable[[], None]) -> dict[str, float]:
    """Seconds of processor time to each refusal, the best of three; 99 where nothing is refused."""
    found = {f"{name} {decoder}": decode for name, decoder, decode in _decodings()}
    for name, frame in samples().items():
        if not name.endswith("clinical"):
            decode_frame(frame)  # whatever is imported is imported now
    mark()
    return {name: min(_seconds(decode) for _ in range(3)) for name, decode in found.items()}


def _decodings() -> list[tuple[str, str, tuple[EncodedFrame, str]]]:
    frames = {name: EncodedFrame(samples()[sample].metadata, lie) for name, (sample, lie) in huge().items()}
    frames |= {f"data set of {name}": frame for name, frame in huge_descriptions().items()}
    return [(name, decoder, (frame, decoder)) for name, frame in frames.items() for decoder in decoders_of(frame)]


def _seconds(decode: tuple[EncodedFrame, str]) -> float:
    start = time.thread_time()
    try:
        decode_frame(*decode)
    except DecodeError:
        return time.thread_time() - start
    return 99.0


def test_headers_of_60000_by_60000_are_refused_within_5_ms_and_32_mib() -> None:
    growth = growth_of(refusals)
    assert len(growth.result) > 35
    assert {name: seconds for name, seconds in growth.result.items() if seconds > 0.005} == {}
    assert growth.nbytes < 32 * MIB


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize(
    "values",
    [
        {"rows": 0},  # said behind the first scan, in a DNL segment
        {"rows": 97},
        {"columns": 129},
        {"components": 2},
        {"components": 4},
        {"components": 0},
        {"precision": 17},
        {"precision": 0},
        {"sampling": 0x00},
        {"sampling": 0x51},
    ],
    ids=str,
)
def test_frame_headers_of_jpeg_and_jpeg_ls(name: str, values: dict[str, int]) -> None:
    frame = samples()[name]
    with pytest.raises(DecodeError):
        decode_frame(EncodedFrame(frame.metadata, with_sof(bytes(frame.data), **values)))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # what imagecodecs drops of OpenJPH
@pytest.mark.parametrize("name", JPEGS_2000)
@pytest.mark.parametrize(
    "values",
    [
        {"x1": 129},
        {"y1": 1},
        {"x0": 1},
        {"x0": 1, "x1": 129},  # as many columns, from another place of the tile on: not what was encoded
        {"x1": 0},
        {"components": 2},
        {"components": 4},
        {"components": 16_384},
        {"tile_x": 0},
        {"tile_x": 1, "tile_y": 1},
        {"tile_x0": 1},
        {"tile_y0": 0xFFFFFFFF},
        {"x0": 0xFFFFFF00, "x1": 0xFFFFFF80, "tile_x0": 0xFFFFFF00},
    ],
    ids=str,
)
def test_siz_of_jpeg_2000_and_htj2k(name: str, values: dict[str, int]) -> None:
    frame = samples()[name]
    lie = EncodedFrame(frame.metadata, with_siz(bytes(frame.data), **values))
    for decoder in decoders_of(frame):
        try:
            assert decode_frame(lie, decoder).pixels.shape == decode_frame(frame).pixels.shape
        except DecodeError:
            continue
        assert values == {"x0": 1, "x1": 129}, "nothing else can be an image of that size"
        assert decoder != "pylibjpeg-openjpeg"


@pytest.mark.parametrize("name", ["jpegxl-16", "jpegxl-colour", "jpegxl-lossy"])
def test_sizes_of_jpeg_xl_bare_and_in_containers(name: str) -> None:
    frame = samples()[name]
    bare, rows, columns = bytes(frame.data), frame.metadata.rows, frame.metadata.columns
    for wrapped in (bytes, boxed, in_parts):
        same = decode_frame(EncodedFrame(frame.metadata, wrapped(bare)))
        assert (same.pixels == decode_frame(frame).pixels).all()
        for size in ((rows + 1, columns), (rows, columns - 1), (columns * 8, rows * 8), (1 << 30, 1 << 30)):
            with pytest.raises(DecodeError, match="the codestream has rows × columns × samples"):
                decode_frame(EncodedFrame(frame.metadata, wrapped(with_jpegxl_size(bare, *size))))


@pytest.mark.parametrize(
    "name", ["jpeg-8", "jpeg-lossless-16", "jpegls-16", "j2k-16", "htj2k-16", "jpegxl-16", "rle-16"]
)
def test_what_is_refused_is_not_copied_before(name: str) -> None:
    """64 MiB of a larger body, seen through a memoryview: a copy alone would take longer."""
    frame = samples()[name]
    body = bytes(7) + bytes(frame.data) + bytes(64 * MIB) + b"\xff\xd9"
    lie = EncodedFrame(replace(frame.metadata, rows=300, samples_per_pixel=3), memoryview(body)[7:])
    assert min(_seconds((lie, decoder)) for decoder in decoders_of(frame) for _ in range(3)) < 0.005
