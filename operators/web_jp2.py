"""JPEG 2000 from the web: JP2 boxes and tile-parts walked to the end, decoded by OpenJPEG (ISO/IEC 15444-1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cornerstream.images.errors import DecodeError, LimitError, SplitError, TruncatedError
from cornerstream.operators.codecs.guards import translated, without_padding
from cornerstream.operators.codecs.j2k_markers import check_tile_parts, read_siz
from cornerstream.operators.web_page import WebPage, WebSamples, check_page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from cornerstream.images.limits import Limits

JP2_SIGNATURE = bytes.fromhex("0000000C6A5020200D0A870A")
J2K_SIGNATURE = b"\xff\x4f\xff\x51"
_MOST_BOXES = 4096
_SRGB, _GREY, _SYCC = 16, 17, 18
_COLOUR, _OPACITY = 0, 1


@dataclass(frozen=True, slots=True)
class Jp2Page:
    """Decodes a JPEG 2000 picture; see `open_jp2`.

    Attributes:
        codestream: Where it lies.
        samples: Components of it; of 2 and 4 the last one is the alpha channel.
    """

    codestream: slice
    samples: int

    def decode(self, body: bytes, index: int, out: NDArray[np.generic] | None) -> WebSamples:
        """Decode in one thread: the workers are the parallelism."""
        del index
        from imagecodecs import jpeg2k_decode  # noqa: PLC0415 - no codec is imported before it is needed

        with translated("OpenJPEG"):
            decoded: NDArray[Any] = jpeg2k_decode(
                body[self.codestream], numthreads=1, out=out if self.samples in (1, 3) else None
            )
        if self.samples in (1, 3):
            return WebSamples(decoded)
        colours = decoded[..., 0] if self.samples == 2 else decoded[..., :3]
        return WebSamples(np.ascontiguousarray(colours), np.ascontiguousarray(decoded[..., -1]))


def open_jp2(body: bytes, limits: Limits) -> tuple[WebPage, ...]:
    """Prove a JP2 file, or a codestream alone, complete and describe it.

    Raises:
        TruncatedError: A box ends behind the file.
        SplitError: Its boxes contradict themselves.
        DecodeError: The codestream is cut, or its colours are of a kind that is not decoded.
        LimitError: It is above a limit.
    """
    inside = slice(0, len(body))
    if body.startswith(JP2_SIGNATURE):
        boxes = _first_boxes(body, 0, len(body))
        if b"jp2c" not in boxes or b"jp2h" not in boxes:
            raise SplitError("the JP2 file has no header or no codestream among its boxes")
        inside = slice(*boxes[b"jp2c"])
        header = {kind: body[start:end] for kind, (start, end) in _first_boxes(body, *boxes[b"jp2h"]).items()}
    else:
        header = {}
    codestream = without_padding(memoryview(body)[inside], "JPEG 2000")
    siz = read_siz(codestream)
    check_tile_parts(codestream, siz)
    samples = siz.header.samples
    if samples not in (1, 2, 3, 4) or siz.header.precision > 16 or (siz.header.signed and samples > 1):
        raise DecodeError(f"a JPEG 2000 picture of {samples} components of {siz.header.precision} bits is not decoded")
    profile = _checked_colour(header, samples)
    page = WebPage(
        siz.header.rows,
        siz.header.columns,
        bits=siz.header.precision,
        samples=samples,
        codec=Jp2Page(slice(inside.start, inside.start + len(codestream)), samples),
        dtype=np.dtype(f"{'i' if siz.header.signed else 'u'}{1 if siz.header.precision <= 8 else 2}"),
        colour=samples >= 3,
        found="RGB" if samples >= 3 else "MONOCHROME2",
        icc_profile=profile,
    )
    check_page(page, limits)
    return (page,)


def _first_boxes(body: bytes, start: int, end: int) -> dict[bytes, tuple[int, int]]:
    """Where the contents of the first box of each kind lie: readers ignore others (ISO/IEC 15444-1 I.5.3.3, I.5.4)."""
    found: dict[bytes, tuple[int, int]] = {}
    for kind, first, last in _boxes(body, start, end):
        found.setdefault(kind, (first, last))
    return found


def _boxes(body: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and where the contents lie, of each box."""
    position = start
    for _ in range(_MOST_BOXES):
        if position == end:
            return
        if position + 8 > end:
            raise TruncatedError(f"the JP2 file of {len(body)} bytes ends within the header of a box")
        length, kind = struct.unpack_from(">I4s", body, position)
        header = 8
        if length == 1:
            length, header = int.from_bytes(body[position + 8 : position + 16], "big"), 16
        length = length or end - position  # 0: up to the end
        if length < header:
            raise SplitError(f"a JP2 box {kind!r} of {length} bytes cannot be")
        if position + length > end:
            raise TruncatedError(f"the JP2 file ends {position + length - end} bytes too early, in its box {kind!r}")
        yield kind, position + header, position + length
        position += length
    raise LimitError(f"the JP2 file has more than {_MOST_BOXES} boxes")


def _checked_colour(header: Mapping[bytes, bytes], samples: int) -> bytes | None:
    """The colour profile; raises DecodeError for colours that would come out as others (ISO/IEC 15444-1 I.5.3)."""
    if b"pclr" in header:
        raise DecodeError("a JP2 picture with a palette is not decoded")
    _check_channels(header.get(b"cdef", b""), samples)
    colour = header.get(b"colr", b"")
    if colour[:1] == b"\x01":
        space = int.from_bytes(colour[3:7], "big")
        if space not in (_SRGB, _GREY) or (space == _GREY) != (samples < 3):
            name = "sYCC" if space == _SYCC else str(space)
            raise DecodeError(f"a JP2 picture of {samples} components in colour space {name} is not decoded")
    return colour[3:] if colour[:1] == b"\x02" else None


def _check_channels(definitions: bytes, samples: int) -> None:
    """Colours in their order, then one straight alpha channel, or none (ISO/IEC 15444-1 I.5.3.6)."""
    if not definitions:
        return
    fields = struct.unpack_from(f">{(len(definitions) - 2) // 2}H", definitions, 2)
    found = sorted(zip(fields[::3], fields[1::3], fields[2::3], strict=False))
    colours = samples - 1 if samples in (2, 4) else samples
    wanted = [(index, _COLOUR, index + 1) for index in range(colours)]
    if found[:colours] != wanted or any(kind != _OPACITY for _, kind, _ in found[colours:]):
        raise DecodeError("the JP2 channels are in another order, or premultiplied, which is not decoded")
