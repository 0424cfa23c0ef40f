"""Small answers that expand, and large ones that say nothing: refused at the limit, with memory for the limit at most."""

from __future__ import annotations

import asyncio
import gzip
import struct
import tracemalloc
import zlib
from time import process_time
from typing import TYPE_CHECKING

import pytest

from cornerstream.images.errors import ImageLoadError, LimitError, SplitError, TruncatedError
from cornerstream.images.limits import Limits
from cornerstream.operators.content_encoding import Inflater
from cornerstream.operators.dicom_json import parse_instances
from cornerstream.operators.fetch import read_whole
from cornerstream.session import Session
from tests.support.hostile import MULTIPART, PIXELS, Instance, multipart, serving, without_retries
from tests.support.leaks import nothing_left
from tests.support.memory import MIB, growth_of
from tests.support.part10 import native
from tests.support.raw_server import Script, Step, chunked, head, ok

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

LIMIT = 32 * MIB
PACKED = {"gzip": 31, "x-gzip": 31, "deflate": 15, "Deflate": -15}
RESOURCES = {
    "pixels": (b"--b\r\nContent-Type: application/octet-stream\r\n\r\n", MULTIPART),
    "a frame alone": (b"", "Content-Type: application/octet-stream"),
    "preamble": (b"", MULTIPART),
    "metadata": (b'[{"', "Content-Type: application/dicom+json"),
    "series": (b'[{"', "Content-Type: application/dicom+json"),
    "file": (
        native(b"", Rows=8192, Columns=32768)[:-4] + struct.pack("<I", 256 * MIB),
        "Content-Type: application/dicom",
    ),
}


def packed(top: bytes, coding: str) -> bytes:
    """256 MiB of zeros behind some bytes, in about 256 KiB; the end, which nobody gets to, is left out."""
    packer = zlib.compressobj(wbits=PACKED[coding])
    begin = packer.compress(top) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(16 * MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return begin + 16 * zeros


def bombs(mark: Callable[[], None], coding: str) -> list[str]:
    """What each resource ends in when its answer expands to 256 MiB."""
    scripts = {
        name: (ok(packed(top, coding), kind, f"Content-Encoding: {coding}"),) for name, (top, kind) in RESOURCES.items()
    }
    return asyncio.run(ends(scripts, mark))


async def ends(scripts: Mapping[str, Script], mark: Callable[[], None]) -> list[str]:
    limits = Limits(response_bytes=LIMIT, metadata_bytes=LIMIT, part_bytes=LIMIT)
    async with serving(Instance()) as instance, Session(limits=limits) as session:
        await session.load(instance.wadors, keep=False)
        mark()
        # Twice: what failed must not be held by the error that somebody keeps, or by its traceback.
        return [await end(name, script, instance, limits) for name, script in [*scripts.items()] * 2]


async def end(name: str, script: Script, instance: Instance, limits: Limits) -> str:
    fresh = Instance()
    instance.frame, instance.metadata, instance.series, instance.file = (
        fresh.frame,
        fresh.metadata,
        fresh.series,
        fresh.file,
    )
    setattr(instance, name if name in {"metadata", "series", "file"} else "frame", script)
    async with Session(limits=limits) as session:
        try:
            if name == "series":
                await session.study(instance.server.origin, "1")
            else:
                await session.load(instance.wadouri if name == "file" else instance.wadors)
        except ImageLoadError as error:
            return type(error).__name__
    return "nothing"


@pytest.mark.parametrize("coding", ["gzip", pytest.param("deflate", marks=pytest.mark.long)])
def test_256_mib_in_256_kib(coding: str) -> None:
    growth = growth_of(bombs, coding)
    assert growth.result == [LimitError.__name__] * 2 * len(RESOURCES)
    assert growth.nbytes <= LIMIT + 64 * MIB


def floods(mark: Callable[[], None]) -> list[str]:
    """100 MiB in front of the first part, behind the last one, and in parts that nobody asked for."""
    mebibyte = b"%x\r\n" % MIB + bytes(MIB) + b"\r\n"
    top = head(200, MULTIPART, "Transfer-Encoding: chunked")
    body, part = chunked(multipart(PIXELS), last=b""), multipart(bytes(8 * MIB))[:-7]
    scripts: dict[str, Script] = {
        "preamble": (top, *[mebibyte] * 100, b"0\r\n\r\n"),
        "epilogue": (top, body, *[mebibyte] * 100, b"0\r\n\r\n"),
        "parts": (top, *[chunked(part, last=b"")] * 30, chunked(b"--b--")),
    }
    return asyncio.run(flooded(scripts, mark))


async def flooded(scripts: dict[str, Script], mark: Callable[[], None]) -> list[str]:
    async with serving(Instance()) as instance, Session() as session:
        await session.load(instance.wadors, keep=False)
        mark()
        found = []
        for instance.frame in scripts.values():
            try:
                found.append((await session.load(instance.wadors, keep=False)).pixels.tobytes().hex())
            except ImageLoadError as error:
                found.append(type(error).__name__)
        return found


def test_what_nobody_asked_for_is_not_held() -> None:
    """A preamble of 100 MiB holds no part, an epilogue means nothing, and a second part ends the load at once."""
    growth = growth_of(floods)
    assert growth.result == [SplitError.__name__, PIXELS.hex(), SplitError.__name__]
    assert growth.nbytes <= 64 * MIB


def values(mark: Callable[[], None]) -> list[str]:
    """Arrays in arrays: 20 times the memory of their brackets, if they were parsed."""
    found = []
    bodies = [b"[" + b"{}," * (8 << 20) + b"{}]", b'[{"a":[' + b"[]," * (8 << 20) + b"1]}]", b"[" * (8 << 20)]
    mark()
    for body in bodies:
        try:
            parse_instances(body, Limits(json_values=1 << 20))
        except ImageLoadError as error:
            found.append(type(error).__name__)
    return found


def test_json_of_many_values_is_refused_before_it_is_parsed() -> None:
    growth = growth_of(values)
    assert growth.result == [LimitError.__name__] * 3
    assert growth.nbytes <= 8 * MIB


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


WHOLE = gzipped(multipart(PIXELS))
DAMAGED: dict[str, tuple[bytes, tuple[type[ImageLoadError], ...]]] = {
    "no trailer": (WHOLE[:-8], (TruncatedError,)),
    "half a trailer": (WHOLE[:-3], (TruncatedError,)),
    "wrong checksum": (WHOLE[:-8] + bytes(4) + WHOLE[-4:], (SplitError,)),
    "wrong length": (WHOLE[:-4] + bytes(4), (SplitError,)),
    "garbage behind": (WHOLE + b"garbage", (SplitError,)),
    "zeros behind": (WHOLE + bytes(512), (SplitError,)),
    "one byte behind": (WHOLE + b"\x1f", (TruncatedError,)),
    "half a member behind": (WHOLE + WHOLE[:30], (TruncatedError,)),
    "gzip in gzip": (gzipped(WHOLE), (SplitError,)),
    "not gzip": (multipart(PIXELS), (SplitError,)),
    "empty": (gzipped(b""), (TruncatedError, SplitError)),
}


@pytest.mark.parametrize("name", DAMAGED)
async def test_damaged_gzip(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_retries(monkeypatch)
    body, kinds = DAMAGED[name]
    async with nothing_left(), serving(Instance(frame=(ok(body, MULTIPART, "Content-Encoding: gzip"),))) as instance:
        async with Session() as session:
            with pytest.raises(kinds) as caught:
                await session.load(instance.wadors)
        assert str(caught.value).startswith(instance.wadors)


@pytest.mark.parametrize("coding", PACKED)
async def test_coded_bodies_cut_at_every_byte(coding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_retries(monkeypatch)
    packer = zlib.compressobj(wbits=PACKED[coding])
    body = packer.compress(multipart(PIXELS)) + packer.flush()
    top = head(200, MULTIPART, f"Content-Encoding: {coding}", "Connection: close")
    async with nothing_left(), serving(Instance()) as instance, Session() as session:
        for cut in range(len(body)):
            instance.frame = (top + body[:cut], Step.CLOSE)
            with pytest.raises(ImageLoadError):
                await session.load(instance.wadors)
        instance.frame = (top + body, Step.CLOSE)
        assert (await session.load(instance.wadors)).pixels.tobytes() == PIXELS


def test_the_smallest_parts_of_gzip_in_bounded_time() -> None:
    """100,000 empty members: each is looked at, none is copied more than a few kilobytes."""
    inflater, begin = Inflater("gzip"), process_time()
    assert list(inflater.inflate(gzipped(b"") * 100_000)) == []
    assert process_time() - begin < 2


async def test_an_error_that_somebody_keeps_holds_no_bytes() -> None:
    class Endless:
        image_id = None

        async def chunks(self) -> AsyncGenerator[bytes, None]:
            while True:
                yield bytes(MIB)

    tracemalloc.start()
    try:
        with pytest.raises(LimitError) as caught:
            await read_whole(Endless(), 16 * MIB)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.__traceback__ is not None
    assert peak > 16 * MIB
    assert held < 4 * MIB
