"""Data sets of the phantom (PS3.3 A.3 and A.8.5.4), and writing them as Part 10 files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cornerstream.phantom.canvas import FIELD_MM
from cornerstream.phantom.encoding import RESCALE_INTERCEPT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from cornerstream.phantom.encoding import Syntax
    from cornerstream.phantom.volume import Phantom

_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_TRUE_COLOR_CAPTURE = "1.2.840.10008.5.1.4.1.1.7.4"  # Multi-frame True Color Secondary Capture
_IMPLEMENTATION = "2.25.273349914362571049862046285470213349527"


@dataclass(frozen=True, slots=True)
class CtSlice:
    """Which image of which series.

    Attributes:
        series_number: Counts from 1.
        index: Place along the body, 0 at the apex of the lungs.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    frame_of_reference_uid: str
    series_number: int
    index: int
    phantom: Phantom


def ct_dataset(one: CtSlice, hu: NDArray[np.int16], syntax: Syntax) -> Dataset:
    """One CT slice, with its pixels.

    Args:
        one: The slice.
        hu: Hounsfield units, rows × columns.
        syntax: How the pixels are stored.
    """
    phantom = one.phantom
    dataset = _general(one, _CT_IMAGE, syntax.description)
    dataset.Modality = "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.InstanceNumber = one.index + 1
    dataset.AcquisitionNumber = 1
    dataset.KVP = 120
    dataset.SliceThickness = f"{phantom.slice_spacing:.6g}"
    dataset.PatientPosition = "HFS"
    dataset.FrameOfReferenceUID = one.frame_of_reference_uid
    dataset.PositionReferenceIndicator = ""
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    corner = -(phantom.size - 1) / 2 * phantom.pixel_spacing
    height = -one.index * phantom.slice_spacing  # z grows towards the head; slices are counted downwards
    dataset.ImagePositionPatient = [f"{value:.6f}" for value in (corner, corner, height)]
    dataset.SliceLocation = f"{height:.6f}"
    dataset.PixelSpacing = [f"{phantom.pixel_spacing:.8g}"] * 2
    _describe_grey(dataset, syntax, phantom.size)
    frame = syntax.encode(syntax.stored(hu))
    _put_pixels(dataset, [frame], encapsulated=syntax.encapsulated)
    return dataset


def cine_dataset(one: CtSlice, frames: Sequence[bytes], size: int) -> Dataset:
    """A colour multi-frame image.

    Args:
        one: Its UIDs.
        frames: JPEG codestreams.
        size: Rows and columns of each.
    """
    dataset = _general(one, _TRUE_COLOR_CAPTURE, "Rotating view, JPEG colour")
    dataset.Modality = "OT"
    dataset.ConversionType = "WSD"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.InstanceNumber = 1
    dataset.PatientOrientation = ""
    dataset.NumberOfFrames = len(frames)
    dataset.FrameTime = "50.0"
    dataset.FrameIncrementPointer = 0x00181063
    dataset.PixelSpacing = [f"{FIELD_MM / size:.8g}"] * 2
    dataset.SamplesPerPixel = 3
    dataset.PhotometricInterpretation = "YBR_FULL_422"
    dataset.PlanarConfiguration = 0
    dataset.Rows = dataset.Columns = size
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "01"
    dataset.LossyImageCompressionMethod = "ISO_10918_1"
    dataset.LossyImageCompressionRatio = f"{size * size * 3 * len(frames) / sum(map(len, frames)):.4g}"
    _put_pixels(dataset, frames, encapsulated=True)
    return dataset


def write_part10(dataset: Dataset, transfer_syntax_uid: str, path: Path) -> None:
    """Write a data set as a Part 10 file."""
    from pydicom.dataset import FileMetaDataset  # noqa: PLC0415 - heavy
    from pydicom.uid import UID  # noqa: PLC0415

    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.ImplementationClassUID = UID(_IMPLEMENTATION)
    dataset.save_as(path, enforce_file_format=True)


def _general(one: CtSlice, sop_class_uid: str, description: str) -> Dataset:
    from pydicom.dataset import Dataset  # noqa: PLC0415 - heavy

    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = sop_class_uid
    dataset.SOPInstanceUID = one.sop_instance_uid
    dataset.StudyInstanceUID = one.study_instance_uid
    dataset.SeriesInstanceUID = one.series_instance_uid
    dataset.PatientName = "Phantom^Thora"
    dataset.PatientID = "PHANTOM-1"
    dataset.PatientBirthDate = "19700101"
    dataset.PatientSex = "O"
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = "20260101"
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = "120000"
    dataset.StudyID = "1"
    dataset.AccessionNumber = "P1"
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "Thorax phantom"
    dataset.SeriesDescription = description
    dataset.SeriesNumber = one.series_number
    dataset.Manufacturer = "cornerstream"
    return dataset


def _describe_grey(dataset: Dataset, syntax: Syntax, size: int) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows = dataset.Columns = size
    dataset.BitsAllocated = 16
    dataset.BitsStored = syntax.bits_stored
    dataset.HighBit = syntax.bits_stored - 1
    dataset.PixelRepresentation = int(syntax.signed)
    dataset.RescaleIntercept = RESCALE_INTERCEPT
    dataset.RescaleSlope = 1
    dataset.RescaleType = "HU"
    dataset.WindowCenter = [50, -500]
    dataset.WindowWidth = [450, 1500]
    dataset.WindowCenterWidthExplanation = ["MEDIASTINUM", "LUNG"]


def _put_pixels(dataset: Dataset, frames: Sequence[bytes], *, encapsulated: bool) -> None:
    from pydicom.encaps import encapsulate  # noqa: PLC0415 - heavy

    dataset.PixelData = encapsulate(list(frames), has_bot=True) if encapsulated else frames[0]
    dataset["PixelData"].VR = "OB" if encapsulated else "OW"
