"""Frames for tests of operators: described by hand, or cut out of files with pydicom as an independent splitter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_fragments, generate_frames

from cornerstream.images.frames import DecodedFrame, EncodedFrame
from cornerstream.images.metadata import FrameMetadata, Palette
from cornerstream.operators.palette import lookup_table

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from pydicom import Dataset

EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
NATIVE = {"1.2.840.10008.1.2", EXPLICIT, BIG_ENDIAN, "1.2.840.10008.1.2.1.99"}


def metadata(transfer_syntax_uid: str = EXPLICIT, rows: int = 1, columns: int = 1, **attributes: Any) -> FrameMetadata:
    """Grey, unsigned, as many bits stored as allocated, unless attributes say otherwise."""
    bits = attributes.setdefault("bits_allocated", 8)
    stored = attributes.setdefault("bits_stored", bits)
    attributes.setdefault("high_bit", stored - 1)
    colour = attributes.get("samples_per_pixel", 1) == 3
    attributes.setdefault("photometric_interpretation", "RGB" if colour else "MONOCHROME2")
    return FrameMetadata(transfer_syntax_uid=transfer_syntax_uid, rows=rows, columns=columns, **attributes)


def describing(pixels: NDArray[Any], transfer_syntax_uid: str, **attributes: Any) -> FrameMetadata:
    """The description of an array of integers."""
    attributes.setdefault("bits_allocated", 8 * pixels.itemsize)
    attributes.setdefault("pixel_representation", int(pixels.dtype.kind == "i"))
    samples = 1 if pixels.ndim == 2 else pixels.shape[2]
    return metadata(transfer_syntax_uid, pixels.shape[0], pixels.shape[1], samples_per_pixel=samples, **attributes)


def decoded(pixels: NDArray[np.generic], photometric_interpretation: str, **attributes: Any) -> DecodedFrame:
    """A decoded frame of pixels."""
    described = describing(pixels, EXPLICIT, photometric_interpretation=photometric_interpretation, **attributes)
    return DecodedFrame(described, pixels, photometric_interpretation)


def bundled(name: str) -> str:
    """The path of a file inside pydicom's wheel."""
    path = get_testdata_file(f"{name}.dcm", download=False)
    assert isinstance(path, str), name
    return path


def read_frames(path: str | Path) -> list[EncodedFrame]:
    """Every frame of a Part 10 file, split by pydicom."""
    data_set = dcmread(path, force=True)
    keyword = next(k for k in ("PixelData", "FloatPixelData", "DoubleFloatPixelData") if k in data_set)
    description = _described(data_set, keyword)
    data = bytes(data_set[keyword].value)
    count = description.number_of_frames
    if description.transfer_syntax_uid in NATIVE:
        return [EncodedFrame(description, chunk) for chunk in _native(data, description, count)]
    if count == 1:  # pydicom would look for end markers; a single frame is all its fragments
        fragments = list(generate_fragments(data))[1:]
        return [EncodedFrame(description, b"".join(fragments))]
    extended = None
    if "ExtendedOffsetTable" in data_set:
        extended = data_set.ExtendedOffsetTable, data_set.ExtendedOffsetTableLengths
    frames = generate_frames(data, number_of_frames=count, extended_offsets=extended)
    return [EncodedFrame(description, frame) for frame in frames]


def _described(data_set: Dataset, keyword: str) -> FrameMetadata:
    bits = data_set.BitsAllocated
    return FrameMetadata(
        transfer_syntax_uid=str(data_set.file_meta.TransferSyntaxUID),
        rows=data_set.Rows,
        columns=data_set.Columns,
        photometric_interpretation=data_set.PhotometricInterpretation,
        number_of_frames=int(data_set.get("NumberOfFrames") or 1),
        samples_per_pixel=data_set.get("SamplesPerPixel", 1),
        bits_allocated=bits,
        bits_stored=data_set.get("BitsStored", bits),
        high_bit=data_set.get("HighBit", bits - 1),
        pixel_representation=data_set.get("PixelRepresentation", 0),
        planar_configuration=data_set.get("PlanarConfiguration") or 0,
        pixel_keyword=keyword,
        pixel_vr_is_ow=data_set[keyword].VR == "OW",
        palette=_palette(data_set),
    )


def _palette(data_set: Dataset) -> Palette | None:
    if "RedPaletteColorLookupTableDescriptor" not in data_set:
        return None
    big_endian = data_set.file_meta.TransferSyntaxUID == BIG_ENDIAN
    tables = []
    for name in ("Red", "Green", "Blue"):
        segmented = f"Segmented{name}PaletteColorLookupTableData" in data_set
        data = data_set[f"{'Segmented' * segmented}{name}PaletteColorLookupTableData"].value
        descriptor = data_set[f"{name}PaletteColorLookupTableDescriptor"].value
        tables.append(lookup_table(descriptor, data, segmented, big_endian=big_endian))
    return Palette(*tables)


def _native(data: bytes, description: FrameMetadata, count: int) -> list[bytes]:
    """Native frames, each from the first bit of its first byte on."""
    bits = description.rows * description.columns * description.samples_per_pixel * description.bits_allocated
    if description.photometric_interpretation == "YBR_FULL_422":
        bits = bits // 3 * 2
    if bits % 8 == 0:
        length = bits // 8
        padding = length % 2 if count == 1 else 0
        return [data[i * length : (i + 1) * length + padding] for i in range(count)]
    whole = int.from_bytes(data, "little")
    return [((whole >> i * bits) & (1 << bits) - 1).to_bytes((bits + 7) // 8, "little") for i in range(count)]
