"""What a data set says about a frame, whichever way it came (Part 10 header or DICOM JSON)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from cornerstream.images.overlay import Overlay


class ImageQuality(IntEnum):
    """How much of an image is there; a load emits images of rising quality, the last one complete."""

    PARTIAL = 1
    SUBRESOLUTION = 6
    LOSSY = 7
    COMPLETE = 8


@dataclass(frozen=True, slots=True, eq=False)
class LookupTable:
    """A modality, VOI or palette LUT (PS3.3 C.11.1.1, C.11.2.1.1, C.7.6.3.1.5).

    Attributes:
        values: The entries, uint8 or uint16, one dimension, read-only.
        first_value: The stored value that the first entry stands for; may be negative.
        bits: Bits of an entry, from the descriptor's third value.
    """

    values: NDArray[np.uint8] | NDArray[np.uint16]
    first_value: int = 0
    bits: int = 16


@dataclass(frozen=True, slots=True)
class Palette:
    """The three tables of PALETTE COLOR (PS3.3 C.7.6.3.1.5), segments already expanded."""

    red: LookupTable
    green: LookupTable
    blue: LookupTable


@dataclass(frozen=True, slots=True)
class VoiWindow:
    """One Window Center and Window Width pair (PS3.3 C.11.2.1.2), in modality units."""

    center: float
    width: float
    explanation: str = ""


@dataclass(frozen=True, kw_only=True)
class FrameMetadata:
    """The attributes of one frame, functional groups of enhanced objects resolved for it.

    Names are DICOM keywords in snake case; an attribute that the data set does not have is `None` or empty.
    Lengths are millimetres, in the patient's LPS axes (PS3.3 C.7.6.2).

    Attributes:
        frame_number: Counts from 1.
        overlays: The overlay planes that lie over this frame, in the order of their groups.
        supplemental_palette: The colours of a MONOCHROME2 image's upper values (PS3.3 C.7.6.19, C.8.16.2.1.1.1).
        pixel_presentation: COLOR, MONOCHROME, MIXED or TRUE_COLOR; empty where the data set does not say.
        pixel_padding_range_limit: Padding is every value from `pixel_padding_value` to this one (PS3.3 C.7.5.1.1.2).
        presentation_lut_shape: IDENTITY or INVERSE (PS3.3 C.11.6.1.2).
        modality_lut: A Modality LUT Sequence's table; when it is `None`, slope and intercept hold.
        windows: The window pairs in file order.
        voi_luts: The tables of the VOI LUT Sequence in file order.
        voi_lut_function: LINEAR, LINEAR_EXACT or SIGMOID.
        pixel_keyword: PixelData, FloatPixelData or DoubleFloatPixelData.
        pixel_vr_is_ow: The pixel data element was written as OW; matters for big endian 8-bit data only.
        image_orientation_patient: Row direction, then column direction (six cosines).
    """

    transfer_syntax_uid: str
    rows: int
    columns: int
    photometric_interpretation: str
    frame_number: int = 1
    number_of_frames: int = 1
    samples_per_pixel: int = 1
    bits_allocated: int = 8
    bits_stored: int = 8
    high_bit: int = 7
    pixel_representation: int = 0
    planar_configuration: int = 0
    pixel_keyword: str = "PixelData"
    pixel_vr_is_ow: bool = True
    palette: Palette | None = field(default=None, repr=False)
    supplemental_palette: Palette | None = field(default=None, repr=False)
    pixel_presentation: str = ""
    icc_profile: bytes | None = field(default=None, repr=False)
    overlays: tuple[Overlay, ...] = field(default=(), repr=False)
    rescale_slope: float = 1.0
    rescale_intercept: float = 0.0
    rescale_type: str = ""
    modality_lut: LookupTable | None = field(default=None, repr=False)
    windows: tuple[VoiWindow, ...] = ()
    voi_lut_function: str = "LINEAR"
    voi_luts: tuple[LookupTable, ...] = field(default=(), repr=False)
    pixel_padding_value: float | None = None
    pixel_padding_range_limit: float | None = None
    presentation_lut_shape: str = ""
    pixel_spacing: tuple[float, float] | None = None
    slice_thickness: float | None = None
    image_position_patient: tuple[float, float, float] | None = None
    image_orientation_patient: tuple[float, float, float, float, float, float] | None = None
    frame_of_reference_uid: str | None = None
    modality: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    series_number: int | None = None
    series_description: str = ""
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    instance_number: int | None = None

    def changed(self, changes: Mapping[str, Any]) -> FrameMetadata:
        """A copy with other attributes; in a fifth of the time that `dataclasses.replace` takes for so many."""
        copy, put = object.__new__(type(self)), object.__setattr__
        for name, value in vars(self).items():  # one by one, so that all copies share their table of names
            put(copy, name, value)
        for name, value in changes.items():
            put(copy, name, value)
        return copy
