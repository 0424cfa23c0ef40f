"""What an instance says about its frames, from a Part 10 header, a pydicom data set or DICOM JSON.

The attributes all frames share are read once; of the functional groups of enhanced objects (PS3.3 C.7.6.16) only those
of the frame that is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cornerstream.images.errors import ImageIdError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.images.metadata import FrameMetadata, VoiWindow
from cornerstream.operators.attributes import (
    DatasetAttributes,
    JsonAttributes,
    integer,
    number,
    numbers,
    text,
    texts,
    vector,
)
from cornerstream.operators.dicom_json import check_depth
from cornerstream.operators.overlays import overlays_of_frame, read_overlays
from cornerstream.operators.pixel_description import read_pixel_description, read_tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydicom import Dataset

    from cornerstream.images.metadata import LookupTable
    from cornerstream.operators.attributes import Attributes

_VOI_FUNCTIONS = frozenset({"LINEAR", "LINEAR_EXACT", "SIGMOID"})
_FRAME_TYPES = ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence")


@dataclass(frozen=True, slots=True)
class InstanceMetadata:
    """What an instance says about its frames.

    Attributes:
        shared: The attributes that all frames share, as those of frame 1 without its own functional groups.
        groups: Per-frame functional groups, one item a frame; empty where the object has none.
    """

    shared: FrameMetadata
    groups: Sequence[Attributes] = field(default=(), repr=False)

    @property
    def number_of_frames(self) -> int:
        """Frames of the instance, from 1."""
        return self.shared.number_of_frames

    @property
    def transfer_syntax_uid(self) -> str:
        """The transfer syntax of the pixel data; empty when the source does not say."""
        return self.shared.transfer_syntax_uid

    @property
    def nbytes(self) -> int:
        """Bytes that are held for it, near enough for a budget."""
        shared = self.shared
        tables: list[LookupTable | None] = [shared.modality_lut, *shared.voi_luts]
        for palette in (shared.palette, shared.supplemental_palette):
            tables += [] if palette is None else [palette.red, palette.green, palette.blue]
        held = sum(table.values.nbytes for table in tables if table is not None)
        held += sum(512 + overlay.nbytes for overlay in shared.overlays)
        return 4096 + held + len(shared.icc_profile or b"") + 2048 * len(self.groups)

    def frame(self, frame_number: int, transfer_syntax_uid: str | None = None) -> FrameMetadata:
        """The attributes of one frame.

        Args:
            frame_number: Counts from 1.
            transfer_syntax_uid: How the frame is really encoded, where that is known better (a server's content type).

        Raises:
            ImageIdError: The instance does not have that frame.
        """
        if not 1 <= frame_number <= self.number_of_frames:
            raise ImageIdError(
                f"there is no frame {frame_number}; the instance has frames 1 to {self.number_of_frames}"
            )
        changes: dict[str, Any] = {} if self.shared.frame_number == frame_number else {"frame_number": frame_number}
        if transfer_syntax_uid is not None:
            changes["transfer_syntax_uid"] = transfer_syntax_uid
        if self.shared.overlays:
            changes["overlays"] = overlays_of_frame(self.shared.overlays, frame_number)
        if frame_number <= len(self.groups):
            changes |= _functional_groups(self.groups[frame_number - 1], vars(self.shared))
        return self.shared.changed(changes) if changes else self.shared


def read_dataset(
    dataset: Dataset, transfer_syntax_uid: str | None = None, limits: Limits = DEFAULT_LIMITS
) -> InstanceMetadata:
    """Read a pydicom data set; its pixel data may be there or not.

    Args:
        dataset: A header, for instance from `pydicom.dcmread(path, stop_before_pixels=True)`.
        transfer_syntax_uid: `None` takes it from the file meta information, and is empty when there is none.
        limits: Bounds for frames and pixels.

    Raises:
        SplitError: An attribute that every image has is missing or absurd; the message names its keyword.
        LimitError: Rows × Columns or Number of Frames is over its limit.
        DecodeError: A palette or lookup table contradicts its descriptor.
    """
    if transfer_syntax_uid is None:
        transfer_syntax_uid = str(getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", ""))
    big_endian = transfer_syntax_uid == "1.2.840.10008.1.2.2"
    keyword = next((name for name in ("FloatPixelData", "DoubleFloatPixelData") if name in dataset), "PixelData")
    is_ow = keyword not in dataset or dataset.get_item(keyword).VR in {"OW", "OB or OW"}
    return read_attributes(
        DatasetAttributes(dataset, big_endian), transfer_syntax_uid, limits, pixel_keyword=keyword, pixel_vr_is_ow=is_ow
    )


def read_json(
    instance: Mapping[str, object], transfer_syntax_uid: str | None = None, limits: Limits = DEFAULT_LIMITS
) -> InstanceMetadata:
    """Read one data set of a WADO-RS metadata answer (PS3.18 annex F); a BulkDataURI is never fetched.

    Args:
        instance: One element of the answer's array, as `json.loads` gives it.
        transfer_syntax_uid: `None` takes Available Transfer Syntax UID (0008,3002), and is empty when there is none.
        limits: Bounds for nesting, frames and pixels.

    Raises:
        SplitError: An attribute that every image has is missing or absurd; the message names its keyword.
        LimitError: Sequences are nested too deep, or Rows × Columns or Number of Frames is over its limit.
        DecodeError: A palette or lookup table contradicts its descriptor.
    """
    check_depth(instance, limits)
    attributes = JsonAttributes(instance)
    if transfer_syntax_uid is None:
        transfer_syntax_uid = text(attributes, "AvailableTransferSyntaxUID")
    keyword = next((name for tag, name in _JSON_PIXELS.items() if tag in instance), _described_pixels(attributes))
    member = instance.get("7FE00010")
    is_ow = not (isinstance(member, dict) and member.get("vr") == "OB")
    return read_attributes(attributes, transfer_syntax_uid, limits, pixel_keyword=keyword, pixel_vr_is_ow=is_ow)


def _described_pixels(attributes: Attributes) -> str:
    """The pixel element that the attributes describe, for servers that leave it out.

    The floating point modules (PS3.3 C.7.6.24 and 25) have neither Bits Stored nor Pixel Representation; the integer one
    requires both.
    """
    if attributes.values("BitsStored") or attributes.values("PixelRepresentation"):
        return "PixelData"
    return {32: "FloatPixelData", 64: "DoubleFloatPixelData"}.get(
        integer(attributes, "BitsAllocated") or 0, "PixelData"
    )


_JSON_PIXELS = {"7FE00008": "FloatPixelData", "7FE00009": "DoubleFloatPixelData"}


def read_attributes(
    attributes: Attributes,
    transfer_syntax_uid: str,
    limits: Limits,
    *,
    pixel_keyword: str = "PixelData",
    pixel_vr_is_ow: bool = True,
) -> InstanceMetadata:
    """Read any form of data set; see `read_dataset`."""
    found: dict[str, Any] = {
        "transfer_syntax_uid": transfer_syntax_uid,
        "pixel_keyword": pixel_keyword,
        "pixel_vr_is_ow": pixel_vr_is_ow,
    }
    found |= read_pixel_description(attributes, limits, pixel_keyword)
    found["overlays"] = read_overlays(attributes, limits, found)
    found |= _identity(attributes) | _geometry(attributes, attributes) | _modality(attributes, found)
    found |= _display(attributes, found)
    for shared in attributes.items("SharedFunctionalGroupsSequence")[:1]:
        found |= _functional_groups(shared, found)
    return InstanceMetadata(FrameMetadata(**found), attributes.items("PerFrameFunctionalGroupsSequence"))


def _identity(attributes: Attributes) -> dict[str, Any]:
    return {
        "frame_of_reference_uid": text(attributes, "FrameOfReferenceUID") or None,
        "modality": text(attributes, "Modality"),
        "study_instance_uid": text(attributes, "StudyInstanceUID"),
        "series_instance_uid": text(attributes, "SeriesInstanceUID"),
        "sop_class_uid": text(attributes, "SOPClassUID"),
        "sop_instance_uid": text(attributes, "SOPInstanceUID"),
        "series_number": integer(attributes, "SeriesNumber"),
        "series_description": text(attributes, "SeriesDescription"),
        "instance_number": integer(attributes, "InstanceNumber"),
    }


def _geometry(measures: Attributes, plane: Attributes) -> dict[str, Any]:
    return {
        "pixel_spacing": vector(measures, "PixelSpacing", 2),
        "slice_thickness": number(measures, "SliceThickness"),
        "image_position_patient": vector(plane, "ImagePositionPatient", 3),
        "image_orientation_patient": vector(plane, "ImageOrientationPatient", 6),
    }


def _modality(attributes: Attributes, description: Mapping[str, Any]) -> dict[str, Any]:
    luts = read_tables(attributes, "ModalityLUTSequence", signed=description["pixel_representation"] == 1)
    return {"modality_lut": luts[0] if luts else None, **_rescale(attributes)}


def _display(attributes: Attributes, description: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "voi_luts": read_tables(attributes, "VOILUTSequence", signed=_is_signed(description)),
        "presentation_lut_shape": text(attributes, "PresentationLUTShape").upper(),
        **read_windows(attributes),
    }


def _is_signed(description: Mapping[str, Any]) -> bool:
    """The modality LUT gives out negative values (PS3.3 C.11.2.1.1: they are what a VOI LUT maps)."""
    if description["modality_lut"] is not None:  # its entries are unsigned
        return False
    low, high = 0, (1 << description["bits_stored"]) - 1
    if description["pixel_representation"]:
        low, high = -(high // 2) - 1, high // 2
    slope, intercept = description["rescale_slope"], description["rescale_intercept"]
    return bool(min(low * slope, high * slope) + intercept < 0)


def _rescale(attributes: Attributes) -> dict[str, Any]:
    slope, intercept = number(attributes, "RescaleSlope"), number(attributes, "RescaleIntercept")
    return {
        "rescale_slope": 1.0 if slope is None else slope,
        "rescale_intercept": 0.0 if intercept is None else intercept,
        "rescale_type": text(attributes, "RescaleType"),
    }


def read_windows(attributes: Attributes) -> dict[str, Any]:
    """Windows and their function (PS3.3 C.11.2.1.2)."""
    explanations = list(texts(attributes, "WindowCenterWidthExplanation"))
    pairs = list(zip(numbers(attributes, "WindowCenter"), numbers(attributes, "WindowWidth"), strict=False))
    explanations += [""] * (len(pairs) - len(explanations))
    function = text(attributes, "VOILUTFunction").upper()
    return {
        "windows": tuple(
            VoiWindow(center, width, explanation)
            for (center, width), explanation in zip(pairs, explanations, strict=False)
            # PS3.3 C.11.2.1.2: a width is always above 0; a pair that is not one is no window.
            if center is not None and width is not None and width > 0
        ),
        "voi_lut_function": function if function in _VOI_FUNCTIONS else "LINEAR",
    }


def _functional_groups(group: Attributes, shared: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that a functional group item sets; those it does not have keep their value in `shared`."""
    found: dict[str, Any] = {}
    for measures in group.items("PixelMeasuresSequence")[:1]:
        found["pixel_spacing"] = vector(measures, "PixelSpacing", 2)
        found["slice_thickness"] = number(measures, "SliceThickness")
    for plane in group.items("PlanePositionSequence")[:1]:
        found["image_position_patient"] = vector(plane, "ImagePositionPatient", 3)
    for plane in group.items("PlaneOrientationSequence")[:1]:
        found["image_orientation_patient"] = vector(plane, "ImageOrientationPatient", 6)
    for transformation in group.items("PixelValueTransformationSequence")[:1]:
        found |= _rescale(transformation)
    for voi in group.items("FrameVOILUTSequence")[:1]:
        found |= read_windows(voi)
        if voi.items("VOILUTSequence"):
            found["voi_luts"] = read_tables(voi, "VOILUTSequence", signed=_is_signed({**shared, **found}))
    return found | _presentation(group)


def _presentation(group: Attributes) -> dict[str, Any]:
    for keyword in _FRAME_TYPES:
        for frame_type in group.items(keyword)[:1]:
            return {"pixel_presentation": text(frame_type, "PixelPresentation").upper()}
    return {}
