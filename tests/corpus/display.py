"""Display values by pydicom, in float64, since `expected.json` has none.

Where pydicom differs from the library, and what is done about it:

- It prefers the VOI LUT where a file has both; the library prefers the window (decision 16). Both are asked for by name.
- It looks at the top level of the data set only: the functional groups of a frame are written over it first.
- It scales a window to the range of the stored values, through the rescale: the result is brought back to 0..1.
- It has neither the inversion of MONOCHROME1 nor Presentation LUT Shape; in these files INVERSE comes with MONOCHROME1 only
  and says the same once more (PS3.3 C.8.11.3.1.2), so that one inversion is right.
- It cannot window floating point pixels, which have no Bits Stored: for those the formula of C.11.2.1.2.1 stands here.
- It calls the full range nothing: a file without window and LUT is shown from its least to its greatest value by us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pydicom
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut, apply_windowing

from tests.corpus.attributes import flat_header, windows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cornerstream.images.image import Image
    from tests.corpus.files import CorpusFile

    Grey = NDArray[np.float64]


class Way(NamedTuple):
    """One way to show an image.

    Attributes:
        number: Of the image's own window or VOI LUT; `None` takes `window`.
        kind: `windows` or `voi_luts`; empty for a window of ours, and for the default.
        wanted: Grey levels by pydicom, or the 8-bit RGB.
    """

    name: str
    wanted: Grey
    window: tuple[float, float] | None = None
    kind: str = ""
    number: int = 0

    def difference(self, image: Image) -> float:
        """The largest difference of an image's display from what is wanted."""
        window = getattr(image, self.kind)[self.number] if self.kind else self.window
        return float(np.abs(image.to_display(window) - self.wanted).max())


def display_faults(image: Image, ways: list[Way]) -> list[str]:
    """Which of the ways to show an image are off by more than one grey level."""
    found = ((way.name, way.difference(image)) for way in ways)
    return [f"{name} is off by {difference:.1f} grey levels" for name, difference in found if not difference <= 1]


def ways_to_show(file: CorpusFile, image: Image) -> list[Way]:
    """How a frame looks: by default, in each of its windows and VOI LUTs, and in a window of ours.

    Args:
        file: Its header, read by pydicom, has the windows and tables.
        image: Its pixels, which are compared elsewhere, are shown.
    """
    if image.pixels.ndim == 3:
        eight_bits = image.pixels >> np.array(max(0, image.bits_stored - 8), image.pixels.dtype)
        return [Way("RGB", eight_bits.astype(np.float64))]
    header = flat_header(file, image.frame_number)
    modality = apply_modality_lut(image.pixels, header).astype(np.float64)
    ways = [*_own(header, modality), _ours(header, modality)]
    if not header.get("VOILUTSequence") and not windows_of(header):
        ways.append(Way("the full range", _full_range(image, modality)))
    inverted = file.facts["photometric"] == "MONOCHROME1"
    return [way._replace(wanted=255 - way.wanted) for way in ways] if inverted else ways


def _own(header: pydicom.Dataset, modality: Grey) -> Iterator[Way]:
    """The windows and VOI LUTs of the file; the first window, or else the first LUT, is the default."""
    windows = windows_of(header)
    for number, (center, width) in enumerate(windows):
        wanted = _windowed(header, modality, center, width)
        yield Way(f"window {number + 1}", wanted, kind="windows", number=number)
        if not number:
            yield Way("the default, its window,", wanted)
    for number, table in enumerate(header.get("VOILUTSequence") or []):
        shown = apply_voi_lut(modality.astype(np.int64), header, number, prefer_lut=True)
        wanted = np.asarray(shown / ((1 << table.LUTDescriptor[2]) - 1) * 255)
        yield Way(f"VOI LUT {number + 1}", wanted, kind="voi_luts", number=number)
        if not number and not windows:
            yield Way("the default, its VOI LUT,", wanted)


def _ours(header: pydicom.Dataset, modality: Grey) -> Way:
    """A window over the middle of what is there, so that both of its ends and the slope between them are seen."""
    finite = modality[np.isfinite(modality)]
    low, high = float(finite.min()), float(finite.max())
    center, width = round((low + high) / 2) + 0.25, max(2.0, round((high - low) / 2))
    return Way("a window of ours", _windowed(header, modality, center, width), (center, width))


def _windowed(header: pydicom.Dataset, modality: Grey, center: float, width: float) -> Grey:
    if "BitsStored" not in header:
        ramp = (modality - (center - 0.5)) / (width - 1) + 0.5 if width > 1 else modality > center - 0.5
        unit = np.where(np.isnan(modality), np.nan, ramp).clip(0, 1)
        return np.asarray(np.nan_to_num(unit, nan=0.0) * 255)
    asked = pydicom.Dataset()
    asked.update(header)
    asked.add_new("WindowCenter", "FD", center)  # setting it would change the element, which the header shares
    asked.add_new("WindowWidth", "FD", width)
    low, high = _range(asked)
    shown = apply_windowing(modality, asked)
    return np.asarray((shown - low) / (high - low) * 255)


def _range(header: pydicom.Dataset) -> tuple[float, float]:
    """The range that pydicom scales a window to: all modality values that could be."""
    bits, signed = header.BitsStored, header.PixelRepresentation
    if header.get("ModalityLUTSequence"):
        return 0.0, float((1 << header.ModalityLUTSequence[0].LUTDescriptor[2]) - 1)
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    if slope is None or intercept is None:
        return float(low), float(high)
    return low * float(slope) + float(intercept), high * float(slope) + float(intercept)


def _full_range(image: Image, modality: Grey) -> Grey:
    shown = modality[np.isfinite(modality) & (image.pixels != image.pixel_padding_value)]
    low, high = (shown.min(), shown.max()) if shown.size else (0.0, 0.0)
    if low == high:
        return np.zeros(modality.shape)
    return np.asarray(np.nan_to_num(((modality - low) / (high - low)).clip(0, 1), nan=0.0) * 255)
