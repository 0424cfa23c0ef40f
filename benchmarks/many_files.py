"""Folders of many small files: CT headers of a hundred elements, as scanners write them, and pixels of a thumbnail."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

if TYPE_CHECKING:
    from pathlib import Path

ELEMENTS = 100
SIDE = 32
_UID, _NUMBER, _POSITION = "1.2.826.0.1.3680043.8.498.7777777777", "88888888", "-0999.5"
_SERIES = "1.2.826.0.1.3680043.8.498.6666666666"
_TEXT = {
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "StudyDate": "20240131",
    "SeriesDate": "20240131",
    "AcquisitionDate": "20240131",
    "ContentDate": "20240131",
    "StudyTime": "101112.345",
    "SeriesTime": "101312.345",
    "AcquisitionTime": "101313.345",
    "ContentTime": "101314.345",
    "AccessionNumber": "A12345678",
    "Modality": "CT",
    "Manufacturer": "PHANTOM",
    "InstitutionName": "Somewhere",
    "StationName": "CT1",
    "StudyDescription": "Thorax",
    "SeriesDescription": "Thorax 1.5 mm",
    "ManufacturerModelName": "Model",
    "PatientName": "Phantom^Many",
    "PatientID": "PHANTOM",
    "PatientBirthDate": "19700101",
    "PatientSex": "O",
    "PatientAge": "054Y",
    "BodyPartExamined": "CHEST",
    "SliceThickness": "1.5",
    "KVP": "120",
    "DataCollectionDiameter": "500",
    "SoftwareVersions": "1.0",
    "ProtocolName": "Thorax",
    "ReconstructionDiameter": "350",
    "DistanceSourceToDetector": "1040",
    "DistanceSourceToPatient": "570",
    "GantryDetectorTilt": "0",
    "TableHeight": "150",
    "RotationDirection": "CW",
    "ExposureTime": "500",
    "XRayTubeCurrent": "200",
    "Exposure": "100",
    "FilterType": "BODY",
    "GeneratorPower": "50",
    "FocalSpots": "1.2",
    "ConvolutionKernel": "B40",
    "PatientPosition": "HFS",
    "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.5555555555",
    "FrameOfReferenceUID": "1.2.826.0.1.3680043.8.498.4444444444",
    "StudyID": "1",
    "SeriesNumber": "3",
    "AcquisitionNumber": "1",
    "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
    "PositionReferenceIndicator": "SN",
    "PhotometricInterpretation": "MONOCHROME2",
    "PixelSpacing": ["0.68", "0.68"],
    "WindowCenter": ["40", "-600"],
    "WindowWidth": ["400", "1500"],
    "RescaleIntercept": "-1024",
    "RescaleSlope": "1",
    "RescaleType": "HU",
}
_NUMBERS = {
    "SamplesPerPixel": 1,
    "Rows": SIDE,
    "Columns": SIDE,
    "BitsAllocated": 16,
    "BitsStored": 12,
    "HighBit": 11,
    "PixelRepresentation": 0,
}


def many_files(folder: Path, count: int, series: int) -> list[Path]:
    """Write files, so many series of equally many; their paths. They are there already if they were written before."""
    template = _template()
    paths = [folder / f"series{number % series:02}" / f"{number:05}.dcm" for number in range(count)]
    if not paths[-1].exists():
        for number, path in enumerate(paths):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_filled(template, number, number % series))
    return paths


def _filled(template: bytes, number: int, series: int) -> bytes:
    """The template with an instance's own values, of the same lengths."""
    uid = _UID.replace("7777777777", f"{7_000_000_000 + number}")
    position = f"{number / 2:07.1f}"
    return (
        template.replace(_UID.encode(), uid.encode())
        .replace(_SERIES.encode(), _SERIES.replace("6666666666", f"{6_000_000_000 + series}").encode())
        .replace(_NUMBER.encode(), f"{number:08}".encode())
        .replace(_POSITION.encode(), position.encode())
    )


def _template() -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = UID(_UID)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data_set = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    own = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": _UID,
        "SeriesInstanceUID": _SERIES,
        "InstanceNumber": _NUMBER,
        "ImagePositionPatient": ["0", "0", _POSITION],
    }
    for keyword, value in (_TEXT | _NUMBERS | own).items():
        setattr(data_set, keyword, value)
    private = data_set.private_block(0x0029, "PHANTOM HEADER", create=True)
    for number in range(ELEMENTS - len(data_set)):
        private.add_new(number, "LO", f"private value {number}")
    assert len(data_set) == ELEMENTS
    data_set.PixelData = bytes(SIDE * SIDE * 2)
    buffer = BytesIO()
    data_set.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
