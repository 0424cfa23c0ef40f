"""Part 10 files of every kind of framing, and where in them the framing stands."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.part10 import (
    BIG_ENDIAN,
    DEFLATED_FRAME,
    END,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    JPEG_2000,
    JPEG_XL,
    RLE,
    item,
    jpeg_like,
    native,
    rle_like,
    table,
    with_items,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Framed:
    """A file with its frames.

    Attributes:
        body: The whole file.
        frames: What it must give, if it gives anything.
        places: Offsets of the bytes that frame: tables, item headers, the delimiter, the pixel element's header.
    """

    body: bytes
    frames: tuple[bytes, ...]
    places: tuple[int, ...]

    def mutations(self, *, every: bool) -> Iterator[tuple[int, bytes]]:
        """The file with one byte of its framing changed: to every other value, or to the likeliest ones."""
        for place in self.places:
            for value in sorted(_others(self.body[place], every=every)):
                yield place, self.body[:place] + bytes((value,)) + self.body[place + 1 :]


def _others(byte: int, *, every: bool) -> set[int]:
    if every:
        return set(range(256)) - {byte}
    near = {byte ^ 1 << bit for bit in range(8)} | {0, 0xFF, 0xDD, 0x0D, (byte + 1) % 256, (byte - 1) % 256}
    return near - {byte}


def fragmented(
    frames: Sequence[Sequence[bytes]], uid: str, *, has_table: bool = True, extended: bool = False
) -> Framed:
    """A file of frames of fragments."""
    offsets, lengths = _offsets(frames)
    attributes: dict[str, Any] = {}
    if extended:
        attributes = {
            "ExtendedOffsetTable": struct.pack(f"<{len(offsets)}Q", *offsets),
            "ExtendedOffsetTableLengths": struct.pack(f"<{len(lengths)}Q", *lengths),
        }
    first = table(*offsets) if has_table and not extended else table()
    items = [item(fragment) for frame in frames for fragment in frame]
    body = with_items([first, *items], len(frames), uid, **attributes)
    start = len(body) - sum(map(len, (first, *items, END)))
    places = [*range(start - 12, start + len(first))]
    if extended:  # tables stand right in front, each with a header of twelve bytes
        places = [*range(start - 12 - 2 * (12 + 8 * len(frames)), start - 12), *places]
    at = start + len(first)
    for one in items:
        places += range(at, at + 8)
        at += len(one)
    return Framed(body, tuple(b"".join(frame) for frame in frames), (*places, *range(at, at + 8)))


def _offsets(frames: Sequence[Sequence[bytes]]) -> tuple[list[int], list[int]]:
    offsets, lengths, at = [], [], 0
    for frame in frames:
        offsets.append(at)
        lengths.append(sum(map(len, frame)))
        at += sum(8 + len(fragment) for fragment in frame)
    return offsets, lengths


def unpacked(uid: str, vr: str = "OB", **attributes: Any) -> Framed:
    """A file of three native frames, and its pixel element's header."""
    bits = attributes.get("BitsAllocated", 8)
    pixels = bytes(range(50, 50 + 3 * bits))
    body = native(pixels, uid, vr, NumberOfFrames=3, **attributes)
    start = len(body) - len(pixels)
    frames = tuple(pixels[at : at + bits] for at in range(0, 3 * bits, bits))
    return Framed(body, frames, tuple(range(start - (8 if uid == IMPLICIT else 12), start)))


def cut_up(frame: bytes, pieces: int = 2) -> list[bytes]:
    """A frame in fragments of even length, unlike ones."""
    size = len(frame) // pieces // 2 * 2
    cuts = [size * number + (number > 0) * 2 for number in range(pieces)]
    return [frame[a:b] for a, b in zip(cuts, [*cuts[1:], len(frame)], strict=True)]


def _j2k(content: bytes) -> bytes:
    return b"\xff\x4f\xff\x51" + content + b"\xff\xd9"


JPEGS = [jpeg_like(b"the first one"), jpeg_like(b"the second of them"), jpeg_like(b"a third")]
RLES = [rle_like(text * 10) for text in (b"abcdefgh", b"ijklmnop", b"qrstuvwx")]
JXLS = [b"\xff\x0afirst one ", b"\xff\x0athe second", b"\xff\x0aa third one!"]
J2KS = [_j2k(b"abcdefghij"), _j2k(b"klmnopqr"), _j2k(b"stuvwx")]


def framings() -> dict[str, Framed]:
    """Every kind of framing, by name."""
    found = {
        "explicit": unpacked(EXPLICIT),
        "explicit words": unpacked(EXPLICIT, "OW", BitsAllocated=16, BitsStored=16, HighBit=15),
        "implicit": unpacked(IMPLICIT),
        "implicit, 32 bits": unpacked(IMPLICIT, BitsAllocated=32, BitsStored=32, HighBit=31),
        "big endian": unpacked(BIG_ENDIAN, "OW", BitsAllocated=16, BitsStored=16, HighBit=15),
        "one fragment": fragmented([JPEGS[:1]], JPEG),
        "one frame of fragments": fragmented([cut_up(JPEGS[1], 3)], JPEG),
        "one frame of fragments, no table": fragmented([cut_up(JPEGS[1], 3)], JPEG, has_table=False),
        "deflated frames": fragmented([[b"%d of them" % number] for number in range(3)], DEFLATED_FRAME),
        "JPEG without end": fragmented([cut_up(one[:-2]) for one in JPEGS], JPEG),
    }
    found["JPEG 2000, fragmented"] = fragmented([cut_up(frame) for frame in J2KS], JPEG_2000)
    kinds = {"JPEG": (JPEGS, JPEG), "RLE": (RLES, RLE), "JPEG XL": (JXLS, JPEG_XL)}
    for name, (frames, uid) in kinds.items():
        whole, pieces = [[frame] for frame in frames], [cut_up(frame) for frame in frames]
        found |= {
            name: fragmented(whole, uid),
            f"{name}, no table": fragmented(whole, uid, has_table=False),
            f"{name}, fragmented": fragmented(pieces, uid),
            f"{name}, extended": fragmented(whole, uid, extended=True),
            f"{name}, fragmented, extended": fragmented(pieces, uid, extended=True),
        }
    return found


FRAMINGS = framings()
