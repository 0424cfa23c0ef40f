"""How codestreams begin and end, as far as it helps to find frames in fragments (PS3.5 annex A.4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerstream.images.metadata import FrameMetadata

HEAD_BYTES = 64
TAIL_BYTES = 8
_RLE = "1.2.840.10008.1.2.5"
_DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
_JPEG = range(50, 82)  # 1.2.840.10008.1.2.4.N, JPEG-LS included
_JPEG_2000 = (*range(90, 94), *range(201, 206))
_JPEG_XL = range(110, 113)
_JXL_SIGNATURE = bytes.fromhex("0000000C4A584C200D0A870A")
_JP2_SIGNATURE = bytes.fromhex("0000000C6A5020200D0A870A")


@dataclass(frozen=True, slots=True)
class Codestream:
    """What tells where codestreams of one transfer syntax begin and end.

    Attributes:
        starts: Whether the first `HEAD_BYTES` of a fragment (or all it has) begin a codestream; `None`: it cannot be told.
        ends: Whether the last `TAIL_BYTES` of a fragment end one; `None`: it cannot be told.
        one_fragment: Every frame is one fragment, always.
        signature: Whether bytes can begin a codestream at all: too short a mark to find frames by, but a frame that
            begins otherwise is none. As `starts` where it is `None`.
    """

    starts: Callable[[bytes], bool] | None = None
    ends: Callable[[bytes], bool] | None = None
    one_fragment: bool = False
    signature: Callable[[bytes], bool] | None = None

    @property
    def refutable(self) -> bool:
        """It is known how codestreams begin."""
        return self.starts is not None or self.signature is not None

    def refutes(self, head: bytes) -> bool:
        """No codestream begins like that."""
        known = self.signature or self.starts
        return known is not None and not known(head)


def codestream(metadata: FrameMetadata) -> Codestream:
    """What is known about the codestreams of an instance, by its transfer syntax."""
    uid = metadata.transfer_syntax_uid
    if uid == _RLE:
        segments = metadata.samples_per_pixel * ((metadata.bits_allocated + 7) // 8)
        beginning = struct.pack("<2I", segments, HEAD_BYTES)  # a fragment may be too short for the whole header
        return Codestream(lambda head: is_rle_header(head, segments), signature=lambda head: head[:8] == beginning)
    if uid == _DEFLATED_FRAME:  # PS3.5 annex A.4.14
        return Codestream(one_fragment=True)
    prefix, _, last = uid.rpartition(".")
    number = int(last) if prefix == "1.2.840.10008.1.2.4" and last.isdecimal() else 0
    if number in _JPEG:
        return Codestream(lambda head: head[:3] == b"\xff\xd8\xff", ends_with_marker)
    if number in _JPEG_2000:
        return Codestream(lambda head: head[:4] == b"\xff\x4f\xff\x51" or head[:12] == _JP2_SIGNATURE, ends_with_marker)
    if number in _JPEG_XL:
        return Codestream(signature=lambda head: head[:2] == b"\xff\x0a" or head[:12] == _JXL_SIGNATURE)
    return Codestream()


def ends_with_marker(tail: bytes) -> bool:
    """The bytes end in EOI or EOC, which are both FFD9; padding allowed."""
    return tail.rstrip(b"\0").endswith(b"\xff\xd9") or tail.rstrip(b"\xff\0").endswith(b"\xff\xd9")


def is_rle_header(head: bytes, segments: int) -> bool:
    """The bytes begin with an RLE header of that many segments (PS3.5 annex G.5)."""
    if len(head) < HEAD_BYTES:
        return False
    count, *offsets = struct.unpack("<16I", head[:HEAD_BYTES])
    used, unused = offsets[:segments], offsets[segments:]
    ascending = all(one < other for one, other in pairwise(used))
    return bool(count == segments and used and used[0] == HEAD_BYTES and ascending and not any(unused))
