"""Part 10 files with one byte of their framing changed, or cut at every byte: an error, or exactly the right frames."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING

import pytest

from cornerstream.images.errors import ImageLoadError
from cornerstream.operators.frame_index import open_index
from cornerstream.operators.split_frames import FrameSplitter
from tests.support.mutations import FRAMINGS
from tests.support.part10 import DEFLATED, end_of_meta, native

if TYPE_CHECKING:
    from pathlib import Path

    from cornerstream.images.frames import EncodedFrame

# Where tables and fragments leave most in the dark.
DARKEST = [
    "one frame of fragments",
    "one frame of fragments, no table",
    "deflated frames",
    "JPEG without end",
    "RLE, fragmented",
    "JPEG XL, fragmented",
    "JPEG XL, fragmented, extended",
    "implicit",
    "big endian",
]


def from_stream(body: bytes, chunk: int = 1 << 20) -> tuple[list[bytes], ImageLoadError | None]:
    """The frames that came, and the error that ended them."""
    splitter = FrameSplitter()
    frames: list[EncodedFrame] = []
    error: ImageLoadError | None = None
    try:
        for start in range(0, len(body), chunk):
            frames += splitter.feed(body[start : start + chunk])
        frames += splitter.close()
    except ImageLoadError as caught:
        error = caught
    return [bytes(frame.data) for frame in frames], error


def from_file(path: Path) -> tuple[list[bytes], ImageLoadError | None]:
    frames: list[bytes] = []
    try:
        index = open_index(path)
        for number in range(1, index.metadata.number_of_frames + 1):
            frames.append(bytes(index.read(number).data))  # noqa: PERF401 - those before the error count
    except ImageLoadError as caught:
        return frames, caught
    return frames, None


def wrong(found: tuple[list[bytes], ImageLoadError | None], frames: tuple[bytes, ...]) -> bool:
    """Other frames, or fewer without an error."""
    given, error = found
    return tuple(given) != frames[: len(given)] or (error is None and len(given) != len(frames))


@pytest.mark.parametrize("name", FRAMINGS)
def test_the_files_are_right(name: str, tmp_path: Path) -> None:
    framed = FRAMINGS[name]
    path = tmp_path / "x.dcm"
    path.write_bytes(framed.body)
    assert from_stream(framed.body) == from_file(path) == (list(framed.frames), None)


@pytest.mark.parametrize("name", FRAMINGS)
def test_one_changed_byte_of_the_framing_in_a_stream(name: str) -> None:
    framed = FRAMINGS[name]
    silent = [place for place, body in framed.mutations(every=False) if wrong(from_stream(body), framed.frames)]
    assert silent == []


@pytest.mark.parametrize("name", DARKEST)
def test_one_changed_byte_of_the_framing_in_a_file(name: str, tmp_path: Path) -> None:
    framed = FRAMINGS[name]
    path = tmp_path / "x.dcm"
    path.write_bytes(framed.body)
    silent = []
    with path.open("r+b", buffering=0) as stream:
        for place, body in framed.mutations(every=False):
            os.pwrite(stream.fileno(), body[place : place + 1], place)
            silent += [place] if wrong(from_file(path), framed.frames) else []
            os.pwrite(stream.fileno(), framed.body[place : place + 1], place)
    assert silent == []


@pytest.mark.long
@pytest.mark.parametrize("name", DARKEST)
def test_every_value_of_every_byte_of_the_framing(name: str) -> None:
    framed = FRAMINGS[name]
    silent = [place for place, body in framed.mutations(every=True) if wrong(from_stream(body), framed.frames)]
    assert silent == []


DEFLATED_BODY = native(bytes(range(24)), DEFLATED, NumberOfFrames=3)
CUT = {name: (FRAMINGS[name].body, FRAMINGS[name].frames) for name in FRAMINGS if "fragmented" not in name} | {
    "deflated": (DEFLATED_BODY, (bytes(range(8)), bytes(range(8, 16)), bytes(range(16, 24))))
}


@pytest.mark.parametrize("name", CUT)
def test_a_stream_cut_at_every_byte(name: str) -> None:
    body, frames = CUT[name]
    for cut in range(len(body)):
        given, error = from_stream(body[:cut], 61)
        assert tuple(given) == frames[: len(given)]
        assert error is not None or len(given) == len(frames)


@pytest.mark.parametrize("name", CUT)
def test_a_file_cut_at_every_byte(name: str, tmp_path: Path) -> None:
    body, frames = CUT[name]
    path = tmp_path / "x.dcm"
    path.write_bytes(body)
    for cut in reversed(range(len(body))):
        os.truncate(path, cut)
        assert not wrong(from_file(path), frames)


def test_a_stream_that_comes_byte_by_byte_is_the_same() -> None:
    for framed in FRAMINGS.values():
        for place, body in list(framed.mutations(every=False))[::97]:
            whole, bytewise = from_stream(body), from_stream(body, 1)
            assert whole[0] == bytewise[0], place
            assert type(whole[1]) is type(bytewise[1]), place


@pytest.mark.parametrize("rest", [b"\0", b"more", bytes(3000)])
def test_a_deflate_stream_with_more_behind_its_end(rest: bytes, tmp_path: Path) -> None:
    frames = CUT["deflated"][1]
    path = tmp_path / "x.dcm"
    path.write_bytes(DEFLATED_BODY + rest)
    assert from_stream(DEFLATED_BODY + rest, 50) == from_file(path) == (list(frames), None)


def test_a_deflate_stream_that_ends_early_is_an_error_whatever_follows(tmp_path: Path) -> None:
    body = native(bytes(range(16)), DEFLATED, NumberOfFrames=2)
    start = end_of_meta(body)
    inflated = zlib.decompressobj(-15).decompress(body[start:])
    packer = zlib.compressobj(wbits=-15)
    short = body[:start] + packer.compress(inflated[:-10]) + packer.flush() + inflated[-10:] * 500
    path = tmp_path / "x.dcm"
    path.write_bytes(short)
    for given, error in (from_stream(short, 64), from_file(path)):
        assert given == [bytes(range(8))][: len(given)]
        assert "too early" in str(error)


def test_every_flipped_byte_of_a_deflate_stream_is_an_error_or_changes_no_count() -> None:
    start = end_of_meta(DEFLATED_BODY)
    for place in range(start, len(DEFLATED_BODY)):
        body = bytearray(DEFLATED_BODY)
        body[place] ^= 0x10
        given, error = from_stream(bytes(body))
        # Raw deflate has no checksum (RFC 1951): a changed byte may be another pixel, but never fewer frames.
        assert error is not None or (given and len({len(frame) for frame in given}) == 1)
