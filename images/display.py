"""From stored values to modality values and to pixels for a screen (PS3.3 C.11, PS3.4 N.2).

Grey levels are the window's 0..1 times 255, rounded to the nearest (ties to even). For 8 and 16-bit pixels modality LUT,
window, inversion and rounding are one table of bytes, made once per combination; the image is one `take` from it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.metadata import LookupTable, VoiWindow
from cornerstream.images.overlay import burn
from cornerstream.images.voi import apply_window, check_window, look_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.metadata import FrameMetadata
    from cornerstream.images.overlay import Overlay

_TABLES = 32  # of 64 KiB: the windows and series on a few screens


@dataclass(frozen=True, slots=True)
class _GreyTransform:
    """All that decides a grey level; equal transforms share a table. A `LookupTable` is equal to itself only."""

    slope: float
    intercept: float
    modality_lut: LookupTable | None
    voi: VoiWindow | LookupTable
    function: str
    inverted: bool

    def grey(self, values: NDArray[np.generic]) -> NDArray[np.uint8]:
        modality = _modality(values, self.modality_lut, self.slope, self.intercept)
        if isinstance(self.voi, LookupTable):
            unit = np.minimum(look_up(self.voi, modality) / float((1 << self.voi.bits) - 1), 1.0)
        else:
            unit = apply_window(modality.astype(np.float64, copy=False), self.voi, self.function)
        grey: NDArray[np.uint8] = np.rint(np.nan_to_num(unit, nan=0.0) * 255).astype(np.uint8)
        return np.invert(grey) if self.inverted else grey  # 255 - grey


def to_modality(metadata: FrameMetadata, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Stored values through the modality LUT (PS3.3 C.11.1).

    Args:
        metadata: Its `modality_lut`, or else slope and intercept, are applied.
        pixels: Rows × columns of stored values; colour comes back as it is.

    Returns:
        float64 after slope and intercept, the table's dtype after a Modality LUT Sequence.
    """
    if pixels.ndim == 3:
        return pixels
    return _modality(pixels, metadata.modality_lut, metadata.rescale_slope, metadata.rescale_intercept)


def to_display(
    metadata: FrameMetadata,
    pixels: NDArray[np.generic],
    window: VoiWindow | LookupTable | tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """Pixels for a screen: 0 is black, 255 is white.

    The window is the one given, else the data set's first window, else its first VOI LUT, else the full range of the
    finite values without padding. NaN is black; so is an image of one value. MONOCHROME1, and Presentation LUT Shape
    INVERSE, are inverted at the end, once.

    Args:
        metadata: Describes the pixels.
        pixels: Rows × columns of stored values, or rows × columns × 3 of RGB, which are only reduced to 8 bits.
        window: (center, width) in modality units, or one of `metadata.voi_luts`.

    Raises:
        ValueError: The window is not allowed by the VOI LUT Function.
    """
    if pixels.ndim == 3:
        return _colour(pixels, metadata.bits_stored)
    inverted = _is_inverted(metadata)
    voi, function = _chosen_voi(metadata, window) or _full_range(metadata, pixels)
    if voi is None:
        return np.full(pixels.shape, 255 if inverted else 0, np.uint8)
    transform = _GreyTransform(
        metadata.rescale_slope, metadata.rescale_intercept, metadata.modality_lut, voi, function, inverted
    )
    if pixels.dtype.kind in "iu" and pixels.dtype.itemsize <= 2:
        native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        # Seen as unsigned, a stored value is its own index, so nothing can be out of range.
        return _grey_table(native.dtype.str, transform).take(native.view(f"u{native.itemsize}"))
    return transform.grey(pixels)


def to_color(
    metadata: FrameMetadata,
    pixels: NDArray[np.generic],
    window: VoiWindow | LookupTable | tuple[float, float] | None = None,
) -> NDArray[np.uint8]:
    """Grey as `to_display`, and in colour from the first value that the supplemental palette maps (PS3.3 C.8.16.2.1.1.1).

    Args:
        metadata: Has the supplemental palette.
        pixels: Rows × columns of stored values.
        window: As in `to_display`; the full range is that of the grey values.

    Returns:
        Rows × columns × 3, RGB.

    Raises:
        ValueError: There is no supplemental palette, or the frame is MONOCHROME beside others that have colours.
    """
    palette = metadata.supplemental_palette
    if palette is None or pixels.ndim == 3 or metadata.pixel_presentation == "MONOCHROME":
        raise ValueError(
            "the image has no supplemental palette (Pixel Presentation COLOR, PS3.3 C.8.16.2); see to_display"
        )
    coloured = np.greater_equal(pixels, palette.red.first_value)
    grey = np.zeros(pixels.shape, np.uint8)
    grey[~coloured] = to_display(metadata, pixels[~coloured], window)
    rgb = np.repeat(grey[..., None], 3, axis=-1)
    for channel, table in enumerate((palette.red, palette.green, palette.blue)):
        rgb[coloured, channel] = look_up(table, pixels[coloured]) >> max(table.bits - 8, 0)
    return rgb


def with_graphics(overlays: tuple[Overlay, ...], shown: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy of display pixels with graphics overlays in white; the same array if there are none.

    Raises:
        DecodeError: One of them contradicts itself, or its bits are not here.
    """
    if not any(overlay.type == "G" for overlay in overlays):
        return shown
    burnt = shown.copy()
    burn(overlays, burnt)
    return burnt


def to_png(array: NDArray[np.uint8], longest: int | None = None) -> bytes:
    """A PNG of rows × columns, or of rows × columns × 3, of uint8.

    Args:
        array: The pixels.
        longest: Pixels of the longer side at most; what is larger is made smaller, its pixels averaged.
    """
    from PIL import Image  # noqa: PLC0415 - only who writes a picture pays for importing it

    file = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(array))
    if longest is not None:
        picture.thumbnail((longest, longest))
    picture.save(file, "PNG")
    return file.getvalue()


@lru_cache(maxsize=_TABLES)
def _grey_table(dtype: str, transform: _GreyTransform) -> NDArray[np.uint8]:
    """The grey level of every value of an 8 or 16-bit dtype, in the order of their bit patterns."""
    kind = np.dtype(dtype)
    patterns = np.arange(1 << (8 * kind.itemsize), dtype=f"u{kind.itemsize}")
    return transform.grey(patterns.view(kind))


def _modality(
    values: NDArray[np.generic], table: LookupTable | None, slope: float, intercept: float
) -> NDArray[np.generic]:
    if table is not None:
        return look_up(table, values)
    with np.errstate(over="ignore", invalid="ignore"):
        rescaled = values.astype(np.float64) * slope
        rescaled += intercept
    return rescaled


def _chosen_voi(
    metadata: FrameMetadata, window: VoiWindow | LookupTable | tuple[float, float] | None
) -> tuple[VoiWindow | LookupTable, str] | None:
    """The VOI transformation asked for, or else the data set's own."""
    own: tuple[VoiWindow | LookupTable, ...] = (*metadata.windows, *metadata.voi_luts)
    if window is None and not own:
        return None
    voi = own[0] if window is None else window
    if isinstance(voi, LookupTable):
        return voi, ""
    center, width = (voi.center, voi.width) if isinstance(voi, VoiWindow) else voi
    bare = VoiWindow(center, width)  # without its explanation, so that equal windows share a table
    return bare, check_window(bare, metadata.voi_lut_function)


def _full_range(metadata: FrameMetadata, pixels: NDArray[np.generic]) -> tuple[VoiWindow | None, str]:
    """The window from the smallest to the largest value; `None` where there is no width to show."""
    shown = _without_padding(metadata, pixels)
    if shown.dtype.kind == "f":
        shown = shown[np.isfinite(shown)]
    if not shown.size:
        return None, ""
    if metadata.modality_lut is None:  # slope and intercept are a line: the ends are enough
        shown = np.stack([shown.min(), shown.max()])
    values = to_modality(metadata, shown)
    low, high = float(values.min()), float(values.max())
    window = VoiWindow(low / 2 + high / 2, high - low)
    return (window, "LINEAR_EXACT") if 0 < window.width < float("inf") else (None, "")


def _without_padding(metadata: FrameMetadata, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """The values that are no padding: neither the padding value nor between it and its limit (PS3.3 C.7.5.1.1.2)."""
    padding, limit = metadata.pixel_padding_value, metadata.pixel_padding_range_limit
    if padding is None:
        return pixels
    limit = padding if limit is None else limit
    is_padding = np.greater_equal(pixels, min(padding, limit)) & np.less_equal(pixels, max(padding, limit))
    shown: NDArray[np.generic] = pixels[~is_padding]
    return shown


def _is_inverted(metadata: FrameMetadata) -> bool:
    """The lowest value is white, by either of two attributes.

    MONOCHROME1 with INVERSE is the normal pair and says one thing twice (PS3.3 C.8.11.3.1.2). IDENTITY beside
    MONOCHROME1 contradicts it; it is found in files whose Photometric Interpretation is right.
    """
    return metadata.photometric_interpretation == "MONOCHROME1" or (
        metadata.photometric_interpretation == "MONOCHROME2" and metadata.presentation_lut_shape == "INVERSE"
    )


def _colour(pixels: NDArray[np.generic], bits_stored: int) -> NDArray[np.uint8]:
    """RGB with 8 bits a sample: the high bits of a deeper one, the scaled value of a shallower one."""
    if pixels.dtype == np.uint8 and bits_stored >= 8:
        return pixels.view(np.uint8)
    largest = (1 << bits_stored) - 1
    samples = np.clip(pixels.astype(np.int64), 0, largest)
    return (samples >> (bits_stored - 8) if bits_stored >= 8 else samples * 255 // largest).astype(np.uint8)
