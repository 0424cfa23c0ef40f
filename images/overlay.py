"""Overlay planes: graphics and regions of one bit a pixel that lie over an image (PS3.3 C.9.2 and C.9.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.errors import DecodeError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Overlay:
    """One overlay plane as it lies over one frame.

    The bits stay packed, and all frames of an instance share them; `mask` unpacks those of this frame. What contradicts
    itself does no harm to the image: the overlay is listed, and asking for its mask raises.

    Attributes:
        group: 0x6000, 0x6002 … 0x601E.
        rows: Of the overlay, which need not be the image's.
        columns: Of the overlay.
        origin: Row and column of the image, counted from 1, where the overlay's first pixel lies; 0 and less is outside.
        type: G for graphics, R for a region of interest; empty where the data set does not say.
        subtype: Overlay Subtype, such as USER or AUTOMATED.
        label: Overlay Label.
        description: Overlay Description.
        number_of_frames: Number of Frames in Overlay.
        image_frame_origin: Number of the image's frame that the overlay's first frame belongs to, from 1; `None` where
            the data set does not say.
        bits_allocated: 1, or for an embedded overlay the image's Bits Allocated.
        bit_position: The bit of the pixel words that an embedded overlay uses; 0 for all others.
        frame_index: Which of the overlay's frames lies over this frame, from 0.
        data: One bit a pixel, row by row, frame by frame without a gap, the first in the lowest bit; `None` where they
            are not here.
        fault: Why there can be no mask; empty if nothing contradicts it.
    """

    group: int
    rows: int
    columns: int
    origin: tuple[int, int] = (1, 1)
    type: str = ""
    subtype: str = ""
    label: str = ""
    description: str = ""
    number_of_frames: int = 1
    image_frame_origin: int | None = None
    bits_allocated: int = 1
    bit_position: int = 0
    frame_index: int = 0
    data: bytes | None = field(default=None, repr=False)
    fault: str = ""

    @property
    def embedded(self) -> bool:
        """The bits come from the unused bits of the pixel words (retired in 2004, PS3.3 C.9.2 until then)."""
        return self.bits_allocated > 1

    @property
    def mask(self) -> NDArray[np.uint8]:
        """Rows × columns of this frame, 0 and 1, read-only; unpacked each time.

        Raises:
            DecodeError: The overlay contradicts itself, or its bits are not here; the message names its group.
        """
        size, first = self.rows * self.columns, self.frame_index * self.rows * self.columns
        if self.fault or self.data is None:
            raise DecodeError(f"overlay {self.group:04X}: {self.fault or self._absence}")
        if self.rows < 1 or self.columns < 1 or first < 0 or 8 * len(self.data) < first + size:
            raise DecodeError(
                f"overlay {self.group:04X}: {len(self.data)} bytes do not hold frame {self.frame_index + 1} of "
                f"{self.rows} × {self.columns} bits"
            )
        packed = np.frombuffer(self.data, np.uint8)[first // 8 : (first + size + 7) // 8]
        bits = np.unpackbits(packed, bitorder="little")[first % 8 :][:size].reshape(self.rows, self.columns)
        bits.flags.writeable = False
        return bits

    @property
    def nbytes(self) -> int:
        """Bytes of the packed bits."""
        return len(self.data or b"")

    @property
    def _absence(self) -> str:
        if self.embedded:
            return f"it is bit {self.bit_position} of the pixel words, which frames of this transfer syntax do not have"
        return "the data set has no Overlay Data for it, or only refers to them"


def burn(overlays: tuple[Overlay, ...], pixels: NDArray[np.uint8]) -> None:
    """Make white what graphics overlays (type G) mark; what lies outside of the image is cut off.

    Args:
        overlays: Of the frame.
        pixels: Rows × columns, or rows × columns × 3; changed in place.

    Raises:
        DecodeError: One of the graphics overlays contradicts itself, or its bits are not here.
    """
    for overlay in overlays:
        if overlay.type == "G":
            _burn(overlay, pixels)


def _burn(overlay: Overlay, pixels: NDArray[np.uint8]) -> None:
    mask = overlay.mask
    top, left = overlay.origin[0] - 1, overlay.origin[1] - 1
    inside = mask[max(-top, 0) :, max(-left, 0) :]
    target = pixels[max(top, 0) :, max(left, 0) :]
    rows, columns = min(inside.shape[0], target.shape[0]), min(inside.shape[1], target.shape[1])
    target[:rows, :columns][inside[:rows, :columns] == 1] = 255
