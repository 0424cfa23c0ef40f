"""The pages of a picture file from the web: what its header says of each, checked before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cornerstream.images.errors import DecodeError, LimitError
from cornerstream.images.metadata import LookupTable, Palette

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.limits import Limits


@dataclass(frozen=True, slots=True, eq=False)
class WebSamples:
    """A decoded page, as it lies in the file: its orientation is not applied.

    Attributes:
        pixels: Rows × columns of grey, or rows × columns × 3 of RGB.
        alpha: Rows × columns, 0 is transparent; `None` where the page is opaque.
    """

    pixels: NDArray[np.generic]
    alpha: NDArray[np.generic] | None = None


class PageCodec(Protocol):
    """Decodes one page of a file whose framing is proven; it travels between processes."""

    def decode(self, body: bytes, index: int, out: NDArray[np.generic] | None) -> WebSamples:
        """Decode the page.

        Args:
            body: The file.
            index: Of the page in its file, from 0; pages that differ in nothing else are one object.
            out: Memory of the shape and dtype of its pixels, which may be used.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class WebPage:
    """One page of a file.

    Attributes:
        rows: Height as the page lies in the file.
        columns: Width as the page lies in the file.
        bits: Bits of a sample; `pixels` hold 0 to 2 ** bits - 1.
        samples: Samples of a pixel that the codec holds at once, alpha included.
        codec: Decodes it.
        dtype: Of its pixels.
        colour: Its pixels are RGB, otherwise grey.
        found: Photometric Interpretation as the file has it, in DICOM's words where it has one.
        inverted: Grey 0 is white.
        orientation: Of EXIF, 1 to 8 (CIPA DC-008, tag 274).
        icc_profile: As embedded.
        palette: Of indexed colour, expanded in `pixels`.
        holds_lock: Its decoder holds the interpreter lock.
    """

    rows: int
    columns: int
    bits: int
    samples: int
    codec: PageCodec = field(repr=False)
    dtype: np.dtype[np.generic] = field(default_factory=lambda: np.dtype(np.uint8))
    colour: bool = False
    found: str = "MONOCHROME2"
    inverted: bool = False
    orientation: int = 1
    icc_profile: bytes | None = field(default=None, repr=False)
    palette: Palette | None = field(default=None, repr=False)
    holds_lock: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the pixels as they lie in the file."""
        return (self.rows, self.columns, 3) if self.colour else (self.rows, self.columns)


def palette_of(entries: NDArray[np.uint8] | None) -> Palette | None:
    """The palette of indexed colour, of entries × 3 (RGB)."""
    if entries is None:
        return None
    return Palette(*(LookupTable(np.ascontiguousarray(entries[:, channel]), bits=8) for channel in range(3)))


def check_page(page: WebPage, limits: Limits) -> None:
    """Refuse a page that cannot be, or is too large, before a decoder allocates it.

    Raises:
        DecodeError: It has no rows or no columns.
        LimitError: Its pixels, the bytes of its samples, or its colour profile are above their limit.
    """
    check_size(page.rows, page.columns, page.samples * page.dtype.itemsize, limits)
    if page.icc_profile is not None and len(page.icc_profile) > limits.icc_profile_bytes:
        raise LimitError(
            f"a colour profile of {len(page.icc_profile)} bytes is above the limit "
            f"icc_profile_bytes={limits.icc_profile_bytes}"
        )


def check_size(rows: int, columns: int, pixel_bytes: int, limits: Limits) -> None:
    """As `check_page`, for a page that has not been described yet."""
    if rows < 1 or columns < 1:
        raise DecodeError(f"a picture of {rows} × {columns} pixels cannot be")
    if rows * columns > limits.frame_pixels:
        raise LimitError(
            f"a picture of {rows} × {columns} pixels is above the limit frame_pixels={limits.frame_pixels}"
        )
    if rows * columns * pixel_bytes > limits.decode_bytes:
        raise LimitError(
            f"a picture of {rows} × {columns} pixels of {pixel_bytes} bytes is above the limit "
            f"decode_bytes={limits.decode_bytes}"
        )
