"""Deflated files that expand, and headers without end: a typed error within the limit, however the file comes."""

from __future__ import annotations

import asyncio
import struct
import time
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from cornerstream.images.errors import ImageLoadError
from cornerstream.images.limits import Limits
from cornerstream.operators.part10 import parse_header
from cornerstream.operators.split_frames import FrameSplitter, split_part10
from cornerstream.session import Session
from tests.support.memory import MIB, growth_of
from tests.support.part10 import DEFLATED, EXPLICIT, end_of_meta, image_data_set, item, table, with_items, written
from tests.support.raw_server import ok, raw_server

if TYPE_CHECKING:
    from collections.abc import Callable

GIB = 1 << 30
SMALL = 32 * MIB
ROUTES = ["bytes", "chunks", "header", "dicomfile", "wadouri", "folder"]
BOMBS = ["one frame", "many frames", "private element", "kept element", "tiny elements", "items", "nested items"]


def element(tag: int, vr: bytes, length: int) -> bytes:
    """The header of an explicit little endian element."""
    if vr in {b"OB", b"OW", b"SQ", b"UN"}:
        return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, length)
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, length)


def bomb(kind: str, size: int = GIB) -> bytes:
    """A deflated file of about a thousandth of what it expands to."""
    big: dict[str, int] = {"Rows": 16384, "Columns": 16384, "BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}
    frames = {"one frame": big, "many frames": {"Rows": 1024, "Columns": 1024, "NumberOfFrames": size >> 20}}
    head = written(image_data_set(EXPLICIT, **frames.get(kind, {})))
    start = end_of_meta(head)
    front, filler = {
        "private element": (element(0x00090010, b"OB", size), bytes(MIB)),
        "kept element": (element(0x00282000, b"OB", size), bytes(MIB)),
        "tiny elements": (b"", element(0x00091010, b"LO", 0) * (MIB // 8)),
        "items": (element(0x52009230, b"SQ", 0xFFFFFFFF), item(b"") * (MIB // 8)),
        "nested items": (element(0x00091010, b"SQ", 0xFFFFFFFF) + item(b"", 0xFFFFFFFF), element(0x91010, b"LO", 0)),
    }.get(kind, (element(0x7FE00010, b"OW", size), bytes(MIB)))
    filler *= MIB // len(filler)
    meta = written(image_data_set(DEFLATED))
    packer = zlib.compressobj(9, wbits=-15)
    opening = packer.compress(head[start:] + front) + packer.flush(zlib.Z_FULL_FLUSH)
    mebibyte = packer.compress(filler) + packer.flush(zlib.Z_FULL_FLUSH)  # refers to nothing before it
    return meta[: end_of_meta(meta)] + opening + mebibyte * (size >> 20) + packer.flush()


async def by_session(route: str, path: Path, body: bytes, limits: Limits, frame: int) -> str:
    """Name of the error."""
    async with Session(limits=limits) as session:
        if route == "folder":
            listing = session.folder(path.parent)
            assert await listing == []
            (error,) = listing.skipped.values()
            return type(error).__name__
        if route == "dicomfile":
            return await failure(session, f"dicomfile:{path}?frame={frame}")
        async with raw_server((ok(body),)) as server:
            return await failure(session, f"wadouri:{server.url('/x.dcm')}?frame={frame}")


async def failure(session: Session, image_id: str) -> str:
    try:
        await session.load(image_id)
    except ImageLoadError as error:
        return type(error).__name__
    return "an image"


def by_chunks(body: bytes, limits: Limits) -> None:
    splitter = FrameSplitter(limits=limits)
    for start in range(0, len(body), 65536):
        splitter.feed(body[start : start + 65536])
    splitter.close()


def directly(route: str, body: bytes, limits: Limits) -> str:
    read: dict[str, Callable[[bytes, Limits], object]] = {
        "bytes": lambda body, limits: split_part10(body, limits=limits),
        "chunks": by_chunks,
        "header": parse_header,
    }
    try:
        read[route](body, limits)
    except ImageLoadError as error:
        return type(error).__name__
    return "nothing"


def probe(mark: Callable[[], None], kind: str, routes: list[str], limit: int) -> dict[str, str]:
    """Name of the error in which each route ends."""
    body, limits = bomb(kind), Limits(inflated_bytes=limit, elements=200_000)  # a million take seconds by each route
    frame = GIB >> 20 if kind == "many frames" else 1
    found = {}
    with TemporaryDirectory() as folder:
        path = Path(folder, "x.dcm")
        path.write_bytes(body)
        mark()
        for route in routes:
            if route in {"bytes", "chunks", "header"}:
                found[route] = directly(route, body, limits)
            else:
                found[route] = asyncio.run(by_session(route, path, body, limits, frame))
    return found


@pytest.mark.parametrize(("kind", "route"), [("one frame", "wadouri"), ("kept element", "folder")])
def test_a_gibibyte_out_of_a_mebibyte(kind: str, route: str) -> None:
    growth = growth_of(probe, kind, [route], SMALL)
    assert growth.result == {route: "LimitError"}
    assert growth.nbytes <= SMALL + 64 * MIB


@pytest.mark.long
@pytest.mark.parametrize("kind", BOMBS)
def test_every_kind_of_bomb_by_every_route(kind: str) -> None:
    growth = growth_of(probe, kind, ROUTES, SMALL)
    wanted = dict.fromkeys(ROUTES, "LimitError")
    if kind in {"one frame", "many frames"}:
        wanted["header"] = "nothing"  # it stands in front of the pixels, which are not touched
    assert growth.result == wanted
    assert growth.nbytes <= SMALL + 64 * MIB


@pytest.mark.long
@pytest.mark.parametrize("kind", ["one frame", "many frames", "private element", "tiny elements"])
def test_the_default_limit_holds_as_well(kind: str) -> None:
    growth = growth_of(probe, kind, ["dicomfile"], Limits().inflated_bytes)
    assert growth.result == {"dicomfile": "LimitError"}
    assert growth.nbytes <= Limits().inflated_bytes + 64 * MIB


def test_a_bomb_is_a_thousandth_of_what_it_expands_to() -> None:
    assert all(len(bomb(kind)) < 1.5 * MIB for kind in ("one frame", "kept element", "private element"))
    body = bomb("many frames", 4 * MIB)
    assert [bytes(frame.data) for frame in split_part10(body)] == [bytes(MIB)] * 4


def fragments_probe(mark: Callable[[], None], keep: int) -> float:
    """CPU seconds to refuse two million fragments without a byte."""
    body = with_items([table(), *[item(b"")] * keep], frames=1)
    mark()
    started = time.process_time()
    try:
        by_chunks(body, Limits())
    except ImageLoadError:
        return time.process_time() - started
    return -1.0


def test_two_million_empty_fragments_cost_neither_time_nor_memory() -> None:
    growth = growth_of(fragments_probe, 2_000_000)
    assert 0 < growth.result < 0.5
    assert growth.nbytes < 8 * MIB
