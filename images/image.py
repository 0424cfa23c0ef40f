"""The image: what a load emits."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from cornerstream.images import display
from cornerstream.images.metadata import FrameMetadata, ImageQuality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import DTypeLike, NDArray

    from cornerstream.images.frames import DecodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.metadata import VoiWindow


@dataclass(frozen=True, kw_only=True, eq=False)
class Image(FrameMetadata):
    """One decoded frame, with everything needed to show or measure it.

    Grey pixels are the stored values in one dtype for a whole series; colour pixels are RGB. Modality LUT, window and
    MONOCHROME1 inversion are applied on request only.

    Attributes:
        image_id: The id it was loaded by.
        pixels: Rows × columns, or rows × columns × 3 (RGB); read-only.
        photometric_interpretation: Of `pixels` as delivered: MONOCHROME1, MONOCHROME2 or RGB.
        photometric_interpretation_found: As the data set had it, for instance YBR_FULL_422.
        quality: COMPLETE, or less while a load is still refining.
        timings: Seconds by stage.
    """

    image_id: ImageId
    pixels: NDArray[np.generic] = field(repr=False)
    photometric_interpretation_found: str = ""
    quality: ImageQuality = ImageQuality.COMPLETE
    timings: Mapping[str, float] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, frame: DecodedFrame, image_id: ImageId, quality: ImageQuality = ImageQuality.COMPLETE) -> Self:
        """Make an image of a decoded frame; its pixels become read-only, nothing is copied."""
        pixels = frame.pixels
        pixels.flags.writeable = False
        attributes = {name: getattr(frame.metadata, name) for name in _METADATA_NAMES}
        attributes |= {
            "photometric_interpretation": frame.photometric_interpretation,
            "photometric_interpretation_found": frame.metadata.photometric_interpretation,
        }
        return cls(image_id=image_id, pixels=pixels, quality=quality, timings=frame.timings, **attributes)

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels."""
        return self.pixels.nbytes

    @cached_property
    def min(self) -> float:
        """Smallest stored value."""
        return float(self.pixels.min())

    @cached_property
    def max(self) -> float:
        """Largest stored value."""
        return float(self.pixels.max())

    def to_modality(self) -> NDArray[np.generic]:
        """Stored values through the modality LUT (PS3.3 C.11.1): rows × columns, in modality units such as HU.

        Returns:
            float64 after a rescale, the table's dtype after a Modality LUT Sequence; colour pixels come back unchanged.
        """
        return display.to_modality(self, self.pixels)

    def to_display(self, window: VoiWindow | tuple[float, float] | None = None) -> NDArray[np.uint8]:
        """Pixels ready to be shown: uint8, rows × columns, or rows × columns × 3.

        Modality LUT, then the window (or the VOI LUT, or the full range), then MONOCHROME1 inverted.

        Args:
            window: (center, width) in modality units; the data set's first window when it is `None`.

        Raises:
            ValueError: The window's width is not allowed by its function (PS3.3 C.11.2.1.2.1).
        """
        return display.to_display(self, self.pixels, window)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[np.generic]:  # noqa: FBT001
        if copy is False and dtype is not None and np.dtype(dtype) != self.pixels.dtype:
            raise ValueError(f"a {dtype} array of this image is a copy")
        return (
            np.array(self.pixels, dtype=dtype, copy=bool(copy))
            if copy
            else self.pixels.astype(dtype or self.pixels.dtype, copy=False)
        )

    def _repr_png_(self) -> bytes:
        return display.to_png(self.to_display())


_METADATA_NAMES = tuple(f.name for f in fields(FrameMetadata))
