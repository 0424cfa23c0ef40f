"""The image: what a load emits."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from cornerstream.images import display, dlpack, icc
from cornerstream.images.alpha import composed, with_alpha
from cornerstream.images.errors import DecodeError
from cornerstream.images.metadata import FrameMetadata, ImageQuality

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import DTypeLike, NDArray

    from cornerstream.images.alpha import Background
    from cornerstream.images.frames import DecodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.metadata import LookupTable, VoiWindow
    from cornerstream.images.pixel_target import PixelTarget


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Image(FrameMetadata):
    """One decoded frame, with everything needed to show or measure it.

    Grey pixels are the stored values in one dtype for a whole series; colour pixels are RGB. Modality LUT, window and
    MONOCHROME1 inversion are applied on request only. An image is equal to itself only.

    Attributes:
        image_id: The id it was loaded by.
        pixels: Rows × columns, or rows × columns × 3 (RGB); read-only.
        photometric_interpretation: Of `pixels` as delivered: MONOCHROME1, MONOCHROME2 or RGB.
        photometric_interpretation_found: As the data set had it, for instance YBR_FULL_422.
        quality: COMPLETE, or less while a load is still refining.
        timings: Seconds by stage.
        alpha: The alpha channel of a web image (never of a MONOCHROME1 one), not applied: rows × columns, of the dtype
            that the pixels were decoded to, from 0 for transparent to 2 ** `bits_stored` - 1 for opaque; read-only. `None`
            where there is none.
    """

    image_id: ImageId
    pixels: NDArray[np.generic]
    photometric_interpretation_found: str = ""
    quality: ImageQuality = ImageQuality.COMPLETE
    timings: Mapping[str, float] = field(default_factory=dict)
    alpha: NDArray[np.generic] | None = None

    def __post_init__(self) -> None:
        if self.pixels.shape not in ((self.rows, self.columns), (self.rows, self.columns, 3)):
            raise DecodeError(
                f"pixels of shape {self.pixels.shape} are not {self.rows} × {self.columns}, grey or RGB",
                image_id=self.image_id,
            )
        self.pixels.flags.writeable = False
        if self.alpha is not None:
            if self.alpha.shape != (self.rows, self.columns):
                raise DecodeError(
                    f"an alpha channel of shape {self.alpha.shape} is not {self.rows} × {self.columns}",
                    image_id=self.image_id,
                )
            self.alpha.flags.writeable = False

    def __repr__(self) -> str:
        number = f", frame {self.frame_number} of {self.number_of_frames}" if self.number_of_frames > 1 else ""
        quality = "" if self.quality is ImageQuality.COMPLETE else f", {self.quality.name.lower()}"
        return (
            f"<Image {self.image_id.shown}: {self.rows} × {self.columns} {self.pixels.dtype} "
            f"{self.photometric_interpretation}{number}{quality}>"
        )

    # The metadata's comparison would call two images equal whose pixels differ.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    @classmethod
    def of(cls, frame: DecodedFrame, image_id: ImageId, quality: ImageQuality = ImageQuality.COMPLETE) -> Self:
        """Make an image of a decoded frame; its pixels become read-only, nothing is copied.

        The sample attributes (samples per pixel, planar configuration, and the bits of an expanded palette) describe
        the pixels as delivered.

        Raises:
            DecodeError: The pixels are not rows × columns, or rows × columns × 3.
        """
        # The usual way would name each of its many attributes by itself.
        image, put, found = object.__new__(cls), object.__setattr__, vars(frame.metadata)
        for name in _METADATA_NAMES:
            put(image, name, found[name])
        described = {
            "image_id": image_id,
            "pixels": frame.pixels,
            "quality": quality,
            "timings": frame.timings,
            "photometric_interpretation": frame.photometric_interpretation,
            "photometric_interpretation_found": frame.metadata.photometric_interpretation,
            "alpha": frame.alpha,
            **_samples(frame),
        }
        for name, value in described.items():
            put(image, name, value)
        image.__post_init__()
        return image

    def placed(self, target: PixelTarget) -> Self:
        """The same image with its pixels where they are wanted; this one where they are there already.

        Raises:
            DecodeError: The target has another shape, or cannot hold one of the values; it names the image.
        """
        try:
            pixels = target.place(self.pixels)
        except DecodeError as error:
            error.about(self.image_id)
            raise
        return self if pixels is self.pixels else replace(self, pixels=pixels)

    def composed(self, background: Background = 0.0) -> Self:
        """The same image over a background, without its alpha channel; this one where it has none.

        Args:
            background: A grey level, or an RGB colour (grey pixels become RGB then); 0 is black and 1 is white.

        Raises:
            ValueError: The background is neither.
        """
        if self.alpha is None:
            return self
        pixels = composed(self.pixels, self.alpha, background, white=self._opaque, opaque=self._opaque)
        colour: dict[str, Any] = (
            {"photometric_interpretation": "RGB", "samples_per_pixel": 3} if pixels.ndim == 3 else {}
        )
        return replace(self, pixels=pixels, alpha=None, **colour)

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels, of the alpha channel, and of overlays.

        Those are the overlays embedded in the pixels, and its share of those for many frames.
        """
        own = self.pixels.nbytes + (0 if self.alpha is None else self.alpha.nbytes)
        if not self.overlays:  # mostly
            return own
        return own + sum(
            overlay.nbytes // min(overlay.number_of_frames, self.number_of_frames) for overlay in self.overlays
        )

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

    def to_display(
        self,
        window: VoiWindow | LookupTable | tuple[float, float] | None = None,
        *,
        overlays: bool = False,
        background: Background | None = None,
    ) -> NDArray[np.uint8]:
        """Pixels ready to be shown: uint8, rows × columns, or rows × columns × 3.

        Modality LUT, then the window (or the VOI LUT, or the full range), then MONOCHROME1 (or a Presentation LUT Shape
        of INVERSE) inverted.

        Args:
            window: (center, width) in modality units, or one of `windows` or `voi_luts`; when it is `None`, the first
                window, else the first VOI LUT, else the full range of the image.
            overlays: Make white what graphics overlays mark (those of type G in `overlays`).
            background: Lay the pixels over it, as `composed` does; `None` leaves the alpha channel out.

        Raises:
            ValueError: The window's width is not allowed by its function (PS3.3 C.11.2.1.2.1), or the background is none.
            DecodeError: An overlay that is to be shown contradicts itself, or its bits are not here.
        """
        shown = display.to_display(self, self.pixels, window)
        if background is not None and self.alpha is not None:
            shown = composed(shown, self.alpha, background, white=255, opaque=self._opaque)
        return display.with_graphics(self.overlays, shown) if overlays else shown

    def to_color(self, window: VoiWindow | LookupTable | tuple[float, float] | None = None) -> NDArray[np.uint8]:
        """A grey image whose upper values are colours, in colour: uint8, rows × columns × 3, RGB.

        Values from the first one that `supplemental_palette` maps take its colours; those below are grey as in
        `to_display` (PS3.3 C.8.16.2.1.1.1).

        Args:
            window: As in `to_display`; the full range is that of the grey values.

        Raises:
            ValueError: The image has no supplemental palette, or is a MONOCHROME frame of an instance that has one.
        """
        return display.to_color(self, self.pixels, window)

    def to_srgb(self, intent: int | None = None) -> NDArray[np.uint8]:
        """A colour image through its ICC profile to sRGB: uint8, rows × columns × 3.

        Without a profile the pixels are taken for sRGB, reduced to 8 bits as in `to_display`. More than 8 bits are
        reduced before the profile is applied; a palette's colours go through the profile like all others.

        Args:
            intent: 0 perceptual, 1 relative colorimetric, 2 saturation, 3 absolute colorimetric; `None` takes the one
                in the profile's header.

        Raises:
            ValueError: The image is grey, or the intent is another number.
            DecodeError: The profile is broken, or not one of RGB.
        """
        if self.pixels.ndim != 3:
            raise ValueError(f"{self.image_id.shown} is grey: an ICC profile applies to colour; use to_display()")
        return icc.to_srgb(self.to_display(), self.icc_profile, intent)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[np.generic]:  # noqa: FBT001 - numpy's protocol
        wanted = self.pixels.dtype if dtype is None else np.dtype(dtype)
        if copy is False and wanted != self.pixels.dtype:
            raise ValueError(f"the pixels are {self.pixels.dtype}: as {wanted} they are a copy")
        return self.pixels.astype(wanted, copy=bool(copy))

    def __dlpack__(
        self,
        *,
        stream: object = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        return dlpack.export(self.pixels, stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CPU

    def _repr_png_(self) -> bytes:
        shown = self.to_display()
        seen = shown if self.alpha is None else with_alpha(shown, self.alpha, self._opaque)
        return display.to_png(seen, longest=_NOTEBOOK_PIXELS)

    @property
    def _opaque(self) -> int:
        """The largest value of the alpha channel; it has the bits of the pixels."""
        return (1 << self.bits_stored) - 1


_NOTEBOOK_PIXELS = 1024  # of the longer side: a notebook keeps the picture in its file
_METADATA_NAMES = tuple(f.name for f in fields(FrameMetadata))


def _samples(frame: DecodedFrame) -> dict[str, int]:
    """The attributes of samples that change where colour is delivered (PS3.3 C.7.6.3.1)."""
    if frame.pixels.ndim != 3:
        return {}
    samples = {"samples_per_pixel": frame.pixels.shape[2], "planar_configuration": 0}
    if frame.metadata.photometric_interpretation == "PALETTE COLOR":
        bits = 8 * frame.pixels.dtype.itemsize  # the entries', no longer the indices'
        samples |= {"bits_allocated": bits, "bits_stored": bits, "high_bit": bits - 1, "pixel_representation": 0}
    return samples
