"""The attributes that loading looks at: keyword, tag and value representation (PS3.6)."""

from __future__ import annotations

from typing import Final

PIXEL_KEYWORDS: Final = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}
TRANSFER_SYNTAX_UID: Final = 0x00020010
EXTENDED_OFFSET_TABLE: Final = 0x7FE00001
EXTENDED_OFFSET_TABLE_LENGTHS: Final = 0x7FE00002

ATTRIBUTES: Final[dict[str, tuple[int, str]]] = {
    "SpecificCharacterSet": (0x00080005, "CS"),
    "SOPClassUID": (0x00080016, "UI"),
    "SOPInstanceUID": (0x00080018, "UI"),
    "StudyDate": (0x00080020, "DA"),
    "Modality": (0x00080060, "CS"),
    "ModalitiesInStudy": (0x00080061, "CS"),
    "StudyDescription": (0x00081030, "LO"),
    "SeriesDescription": (0x0008103E, "LO"),
    "AvailableTransferSyntaxUID": (0x00083002, "UI"),
    "PixelPresentation": (0x00089205, "CS"),
    "PatientID": (0x00100020, "LO"),
    "SliceThickness": (0x00180050, "DS"),
    "MRImageFrameTypeSequence": (0x00189226, "SQ"),
    "CTImageFrameTypeSequence": (0x00189329, "SQ"),
    "PETFrameTypeSequence": (0x00189751, "SQ"),
    "StudyInstanceUID": (0x0020000D, "UI"),
    "SeriesInstanceUID": (0x0020000E, "UI"),
    "SeriesNumber": (0x00200011, "IS"),
    "InstanceNumber": (0x00200013, "IS"),
    "ImagePositionPatient": (0x00200032, "DS"),
    "ImageOrientationPatient": (0x00200037, "DS"),
    "FrameOfReferenceUID": (0x00200052, "UI"),
    "PlanePositionSequence": (0x00209113, "SQ"),
    "PlaneOrientationSequence": (0x00209116, "SQ"),
    "SamplesPerPixel": (0x00280002, "US"),
    "PhotometricInterpretation": (0x00280004, "CS"),
    "PlanarConfiguration": (0x00280006, "US"),
    "NumberOfFrames": (0x00280008, "IS"),
    "Rows": (0x00280010, "US"),
    "Columns": (0x00280011, "US"),
    "PixelSpacing": (0x00280030, "DS"),
    "BitsAllocated": (0x00280100, "US"),
    "BitsStored": (0x00280101, "US"),
    "HighBit": (0x00280102, "US"),
    "PixelRepresentation": (0x00280103, "US"),
    "PixelPaddingValue": (0x00280120, "US"),
    "PixelPaddingRangeLimit": (0x00280121, "US"),
    "FloatPixelPaddingValue": (0x00280122, "FL"),
    "DoubleFloatPixelPaddingValue": (0x00280123, "FD"),
    "FloatPixelPaddingRangeLimit": (0x00280124, "FL"),
    "DoubleFloatPixelPaddingRangeLimit": (0x00280125, "FD"),
    "WindowCenter": (0x00281050, "DS"),
    "WindowWidth": (0x00281051, "DS"),
    "RescaleIntercept": (0x00281052, "DS"),
    "RescaleSlope": (0x00281053, "DS"),
    "RescaleType": (0x00281054, "LO"),
    "WindowCenterWidthExplanation": (0x00281055, "LO"),
    "VOILUTFunction": (0x00281056, "CS"),
    "RedPaletteColorLookupTableDescriptor": (0x00281101, "US"),
    "GreenPaletteColorLookupTableDescriptor": (0x00281102, "US"),
    "BluePaletteColorLookupTableDescriptor": (0x00281103, "US"),
    "RedPaletteColorLookupTableData": (0x00281201, "OW"),
    "GreenPaletteColorLookupTableData": (0x00281202, "OW"),
    "BluePaletteColorLookupTableData": (0x00281203, "OW"),
    "SegmentedRedPaletteColorLookupTableData": (0x00281221, "OW"),
    "SegmentedGreenPaletteColorLookupTableData": (0x00281222, "OW"),
    "SegmentedBluePaletteColorLookupTableData": (0x00281223, "OW"),
    "ICCProfile": (0x00282000, "OB"),
    "ModalityLUTSequence": (0x00283000, "SQ"),
    "LUTDescriptor": (0x00283002, "US"),
    "LUTData": (0x00283006, "OW"),
    "ModalityLUTType": (0x00283004, "LO"),
    "VOILUTSequence": (0x00283010, "SQ"),
    "PixelMeasuresSequence": (0x00289110, "SQ"),
    "FrameVOILUTSequence": (0x00289132, "SQ"),
    "PixelValueTransformationSequence": (0x00289145, "SQ"),
    "OpticalPathSequence": (0x00480105, "SQ"),
    "PresentationLUTShape": (0x20500020, "CS"),
    "SharedFunctionalGroupsSequence": (0x52009229, "SQ"),
    "PerFrameFunctionalGroupsSequence": (0x52009230, "SQ"),
}

# Repeating groups (PS3.5 section 7.6): an attribute of each is named by its keyword and group, such as OverlayRows6002.
OVERLAY_GROUPS: Final = range(0x6000, 0x6020, 2)
OVERLAY_DATA: Final = 0x3000
_OVERLAY_ELEMENTS: Final = {
    "OverlayRows": (0x0010, "US"),
    "OverlayColumns": (0x0011, "US"),
    "NumberOfFramesInOverlay": (0x0015, "IS"),
    "OverlayDescription": (0x0022, "LO"),
    "OverlayType": (0x0040, "CS"),
    "OverlaySubtype": (0x0045, "LO"),
    "OverlayOrigin": (0x0050, "SS"),
    "ImageFrameOrigin": (0x0051, "US"),
    "OverlayBitsAllocated": (0x0100, "US"),
    "OverlayBitPosition": (0x0102, "US"),
    "OverlayLabel": (0x1500, "LO"),
    "OverlayData": (OVERLAY_DATA, "OW"),
}
ATTRIBUTES.update(
    {
        f"{keyword}{group:04X}": (group << 16 | element, representation)
        for group in OVERLAY_GROUPS
        for keyword, (element, representation) in _OVERLAY_ELEMENTS.items()
    }
)

TAGS: Final = frozenset(tag for tag, _ in ATTRIBUTES.values())
