"""PNG: its chunks proven by their checksums to the end, its samples decoded by libpng (W3C PNG, third edition).

libpng sees the critical chunks alone: a bomb in a text or profile chunk never reaches it, and palette and transparency are
applied here, to the samples as they are in the file.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cornerstream.images.errors import DecodeError, LimitError, SplitError
from cornerstream.operators.codecs.guards import translated
from cornerstream.operators.web_adam7 import deinterlaced
from cornerstream.operators.web_apng import PngFrames, animated
from cornerstream.operators.web_exif import read_orientation
from cornerstream.operators.web_page import WebPage, WebSamples, palette_of
from cornerstream.operators.web_png_chunks import (
    GREY,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGBA,
    PngChunks,
    PngHeader,
    bare_png,
    chunk_data,
    png_chunk,
    walk_png,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.limits import Limits

_DEFLATE_RATIO = 1032  # RFC 1951: 258 bytes from 2 bits


@dataclass(frozen=True, slots=True, eq=False)
class PngPage:
    """Decodes a PNG; see `open_png`.

    Attributes:
        header: Its IHDR chunk.
        data: Where its IDAT chunks lie, which follow each other.
        palette: RGB entries, entries × 3.
        transparency: Its tRNS chunk.
    """

    header: PngHeader
    data: slice
    palette: NDArray[np.uint8] | None = field(default=None, repr=False)
    transparency: bytes | None = field(default=None, repr=False)

    def samples(self, body: bytes, out: NDArray[np.generic] | None = None) -> NDArray[Any]:
        """The samples as they are in the file: rows × columns, or × samples; indices of a palette; 1, 2 and 4 bits unscaled.

        Raises:
            DecodeError: libpng refuses them.
        """
        header = self.header
        if header.interlace:
            data, shape = chunk_data(memoryview(body)[self.data]), (header.rows, header.columns, header.samples)
            decoded: NDArray[Any] = deinterlaced(data, shape, header.bits * header.samples, header.dtype, self._part)
        else:
            decoded = _libpng(bare_png(header, memoryview(body)[self.data]), out)
        if header.bits < 8:  # libpng has scaled them to 8 bits
            decoded = decoded // np.uint8(255 // ((1 << header.bits) - 1))
        size = header.rows, header.columns
        return decoded.reshape(size if header.samples == 1 else (*size, header.samples))

    def _part(self, rows: int, columns: int, data: bytes) -> NDArray[np.generic]:
        """Decode one pass of an interlaced picture."""
        header = replace(self.header, rows=rows, columns=columns, interlace=0)
        return _libpng(bare_png(header, png_chunk(b"IDAT", data)), None)

    def decode(self, body: bytes, index: int, out: NDArray[np.generic] | None) -> WebSamples:
        """Decode the samples, expand a palette, and take the alpha channel apart."""
        del index
        kind = self.header.color_type
        native = self.samples(body, out if kind in (GREY, RGB) and self.header.bits >= 8 else None)
        if kind == PALETTE:
            return self._expanded(native)
        if kind in (GREY_ALPHA, RGBA):
            pixels = native[..., 0] if kind == GREY_ALPHA else native[..., :3]
            return WebSamples(np.ascontiguousarray(pixels), np.ascontiguousarray(native[..., -1]))
        return WebSamples(native, None if self.transparency is None else self._keyed(native, self.transparency))

    def _expanded(self, indices: NDArray[Any]) -> WebSamples:
        """RGB of indices; one behind the last entry is opaque black, as in libpng and in every browser."""
        assert self.palette is not None
        entries = np.zeros((256, 3), np.uint8)
        entries[: len(self.palette)] = self.palette
        rgb = entries.take(indices, axis=0)
        if self.transparency is None:
            return WebSamples(rgb)
        alpha = np.full(256, 255, np.uint8)
        alpha[: len(self.transparency)] = np.frombuffer(self.transparency, np.uint8)
        return WebSamples(rgb, alpha.take(indices))

    def _keyed(self, native: NDArray[Any], key: bytes) -> NDArray[np.generic]:
        """The alpha of one transparent colour: only the low bits of its samples count (W3C PNG 11.3.1.1)."""
        largest = (1 << self.header.bits) - 1
        colour = np.frombuffer(key, ">u2").astype(np.uint16) & largest
        same = native == colour[0] if native.ndim == 2 else (native == colour).all(axis=-1)
        return np.where(same, 0, largest).astype(native.dtype)


def open_png(body: bytes, limits: Limits) -> tuple[WebPage, ...]:
    """Prove a PNG complete and describe its picture; of an animated one, its default image and then its frames.

    Raises:
        TruncatedError: It ends before its IEND chunk does.
        SplitError: A chunk's checksum, length, number or place is wrong.
        DecodeError: Its header says what no PNG has.
        LimitError: Its picture, or its colour profile inflated, is above its limit.
    """
    chunks, frames = PngChunks(limits), PngFrames()
    for kind, start, end in walk_png(body):
        chunks.take(kind, memoryview(body)[start:end], start)
        frames.take(kind, memoryview(body)[start:end], start)
    header = chunks.checked()
    if header.rows * -(-header.columns * header.samples * header.bits // 8) > _DEFLATE_RATIO * chunks.data_bytes:
        raise DecodeError(f"{chunks.data_bytes} bytes of PNG data cannot hold {header.rows} × {header.columns} pixels")
    found = {GREY: "MONOCHROME2", GREY_ALPHA: "MONOCHROME2", PALETTE: "PALETTE COLOR"}.get(header.color_type, "RGB")
    page = PngPage(header, slice(*chunks.span), _entries(chunks), chunks.get(b"tRNS"))
    described = WebPage(
        header.rows,
        header.columns,
        bits=8 if header.color_type == PALETTE else header.bits,
        samples=_held_samples(page),
        codec=page,
        dtype=header.dtype,
        colour=found != "MONOCHROME2",
        found=found,
        orientation=read_orientation(chunks.get(b"eXIf") or b""),
        icc_profile=_profile(chunks.get(b"iCCP"), limits),
        palette=palette_of(page.palette),
    )
    return animated(described, page, frames.checked(header, limits))


def _libpng(png: bytes, out: NDArray[np.generic] | None) -> NDArray[np.generic]:
    from imagecodecs import png_decode  # noqa: PLC0415 - no codec is imported before it is needed

    with translated("libpng"):
        decoded: NDArray[np.generic] = png_decode(png, out=out)
    return decoded


def _held_samples(page: PngPage) -> int:
    """Samples a pixel at most held at once: those decoded, and those expanded."""
    native = page.header.samples + (page.transparency is not None)
    return native + 3 if page.palette is not None else native


def _profile(data: bytes | None, limits: Limits) -> bytes | None:
    """The profile of an iCCP chunk: name, null, compression method 0, deflated profile."""
    if data is None:
        return None
    name, null, rest = data.partition(b"\0")
    if not (1 <= len(name) <= 79 and null and rest[:1] == b"\0"):
        raise SplitError("the PNG iCCP chunk has no profile name, or another compression than deflate")
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(rest[1:], limits.icc_profile_bytes)
        if inflater.unconsumed_tail:
            raise LimitError(f"the PNG colour profile is above the limit icc_profile_bytes={limits.icc_profile_bytes}")
    except zlib.error as error:
        raise SplitError(f"the PNG colour profile does not inflate: {error}") from error
    if not inflater.eof:
        raise SplitError("the PNG colour profile is cut")
    return profile


def _entries(chunks: PngChunks) -> NDArray[np.uint8] | None:
    """The palette of indexed colour; one that is suggested for other pictures does not matter."""
    if chunks.header.color_type != PALETTE:
        return None
    return np.frombuffer(chunks.found[b"PLTE"], np.uint8).reshape(-1, 3)
