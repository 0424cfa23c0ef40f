"""The Image Pixel module (PS3.3 C.7.6.3): read with its defaults, refused where it contradicts itself."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cornerstream.images.errors import DecodeError, LimitError, SplitError
from cornerstream.images.metadata import Palette
from cornerstream.operators.attributes import integer, number, numbers, text
from cornerstream.operators.palette import lookup_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cornerstream.images.limits import Limits
    from cornerstream.images.metadata import LookupTable
    from cornerstream.operators.attributes import Attributes

_FLOAT_BITS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}
_BITS_ALLOCATED = frozenset({1, 8, 12, 16, 24, 32, 64})  # 12 is ACR-NEMA's packing
_IN_COLOUR = frozenset({"COLOR", "MIXED"})
_PROFILES, _PROFILE_BYTES = 8, 1 << 20  # kept to be shared: the profiles of a few scanners
_ONE_SAMPLE = frozenset({"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"})


def read_pixel_description(attributes: Attributes, limits: Limits, pixel_keyword: str) -> dict[str, Any]:
    """The attributes of the Image Pixel module, by their names in `FrameMetadata`.

    Raises:
        SplitError: A required attribute is missing or absurd; the message names its keyword.
        LimitError: Rows × Columns or Number of Frames is over its limit.
    """
    rows, columns = _required(attributes, "Rows"), _required(attributes, "Columns")
    if rows * columns > limits.frame_pixels:
        raise LimitError(f"Rows × Columns is {rows} × {columns}, over {limits.frame_pixels} (limits.frame_pixels)")
    photometric_interpretation = text(attributes, "PhotometricInterpretation").upper()
    if not photometric_interpretation:
        raise SplitError("PhotometricInterpretation is missing: the data set does not describe an image")
    found: dict[str, Any] = {
        "rows": rows,
        "columns": columns,
        "photometric_interpretation": photometric_interpretation,
        "number_of_frames": _number_of_frames(attributes, limits),
        "samples_per_pixel": _samples(attributes, photometric_interpretation),
        **_bits(attributes, pixel_keyword),
        "planar_configuration": _choice(attributes, "PlanarConfiguration"),
        "icc_profile": _icc_profile(attributes),
    }
    found["pixel_padding_value"] = _padding(attributes, "PixelPaddingValue", pixel_keyword, found)
    found["pixel_padding_range_limit"] = _padding(attributes, "PixelPaddingRangeLimit", pixel_keyword, found)
    return found | _palettes(attributes, photometric_interpretation, found["pixel_representation"])


def read_tables(attributes: Attributes, keyword: str, *, signed: bool) -> tuple[LookupTable, ...]:
    """The tables of a Modality or VOI LUT Sequence.

    Args:
        attributes: Has the sequence.
        keyword: ModalityLUTSequence or VOILUTSequence.
        signed: Values that go into the tables may be negative, so that a first value above 32767 is one. It decides
            only where the descriptor does not say SS itself.

    Raises:
        DecodeError: A table contradicts its descriptor.
    """
    tables = (_table(item, "LUTDescriptor", "LUTData", signed=int(signed)) for item in attributes.items(keyword))
    return tuple(table for table in tables if table is not None)


def _required(attributes: Attributes, keyword: str) -> int:
    value = integer(attributes, keyword)
    if value is None:
        found = text(attributes, keyword)
        raise SplitError(
            f"{keyword} is {found[:64]!r}" if found else f"{keyword} is missing: this does not describe an image"
        )
    if value < 1:
        raise SplitError(f"{keyword} is {value}")
    return value


def _number_of_frames(attributes: Attributes, limits: Limits) -> int:
    if text(attributes, "NumberOfFrames") in {"", "0"}:  # empty and zero are written for a single frame
        return 1
    frames = _required(attributes, "NumberOfFrames")
    if frames > limits.frames:
        raise LimitError(f"NumberOfFrames is {frames}, over {limits.frames} (limits.frames)")
    return frames


def _samples(attributes: Attributes, photometric_interpretation: str) -> int:
    default = 1 if photometric_interpretation in _ONE_SAMPLE else None
    samples = integer(attributes, "SamplesPerPixel") or default
    if samples not in {1, 3, 4}:
        raise SplitError(f"SamplesPerPixel is {samples} for {photometric_interpretation}")
    return samples


def _bits(attributes: Attributes, pixel_keyword: str) -> dict[str, int]:
    allocated = integer(attributes, "BitsAllocated") or _FLOAT_BITS.get(pixel_keyword)
    if allocated not in _BITS_ALLOCATED:
        raise SplitError(f"BitsAllocated is {allocated}; 1, 8, 12, 16, 24, 32 and 64 are known")
    stored = integer(attributes, "BitsStored") or allocated
    if not 1 <= stored <= allocated:
        raise SplitError(f"BitsStored is {stored} of {allocated} BitsAllocated")
    high_bit = integer(attributes, "HighBit")
    # A High Bit that leaves no room for Bits Stored has no other reading than right-justified values.
    if high_bit is None or not stored - 1 <= high_bit < allocated:
        high_bit = stored - 1
    return {
        "bits_allocated": allocated,
        "bits_stored": stored,
        "high_bit": high_bit,
        "pixel_representation": _choice(attributes, "PixelRepresentation"),
    }


def _choice(attributes: Attributes, keyword: str) -> int:
    """An attribute that is 0 or 1, and 0 when it is absent."""
    value = integer(attributes, keyword) or 0
    if value not in {0, 1}:
        raise SplitError(f"{keyword} is {value}; it is 0 or 1")
    return value


def _padding(attributes: Attributes, keyword: str, pixel_keyword: str, description: Mapping[str, Any]) -> float | None:
    """A value of padding: of integers with their sign, of floating point pixels by an attribute of their own."""
    if pixel_keyword in _FLOAT_BITS:
        return number(attributes, pixel_keyword.removesuffix("PixelData") + keyword)
    return _signed(integer(attributes, keyword), description["pixel_representation"], description["bits_allocated"])


def _signed(value: int | None, pixel_representation: int, bits: int) -> int | None:
    """A value written as unsigned although the pixels are signed (PS3.3 C.7.5.1.1.2: US or SS)."""
    if value is None or not pixel_representation or value < 1 << (bits - 1):
        return value
    return value - (1 << bits)


def _palettes(attributes: Attributes, photometric_interpretation: str, signed: int) -> dict[str, Any]:
    """The palette of PALETTE COLOR, or the one of a grey image whose upper values are colours.

    Grey images with left-over palettes are common: only Pixel Presentation makes one supplemental (PS3.3 C.8.16.2.1.1).
    """
    presentation = text(attributes, "PixelPresentation").upper()
    found: dict[str, Any] = {"pixel_presentation": presentation}
    if photometric_interpretation == "PALETTE COLOR":
        found["palette"] = _palette(attributes, signed)
    elif photometric_interpretation == "MONOCHROME2" and presentation in _IN_COLOUR:
        found["supplemental_palette"] = _palette(attributes, signed)
    return found


def _palette(attributes: Attributes, signed: int) -> Palette | None:
    tables = []
    for color in ("Red", "Green", "Blue"):
        name = f"{color}PaletteColorLookupTable"
        table = _table(attributes, f"{name}Descriptor", f"{name}Data", signed=signed) or _table(
            attributes, f"{name}Descriptor", f"Segmented{name}Data", signed=signed, segmented=True
        )
        if table is None:
            return None
        tables.append(table)
    return Palette(*tables)


def _table(
    attributes: Attributes, descriptor: str, data: str, *, signed: int, segmented: bool = False
) -> LookupTable | None:
    described = attributes.values(descriptor)
    found = attributes.data(data)
    if found is None or len(described) != 3:
        return None
    words = [int(value) for value in numbers(attributes, descriptor) if value is not None and abs(value) <= 1 << 16]
    if len(words) != 3:
        raise DecodeError(f"{descriptor} has values that are not 16-bit words (PS3.3 C.7.6.3.1.5)")
    entries, first_value, bits = words
    value, big_endian = found
    first = _signed(first_value, signed, 16)
    return lookup_table((entries & 0xFFFF, first or 0, bits), value, segmented, big_endian=big_endian)


def _icc_profile(attributes: Attributes) -> bytes | None:
    found = attributes.data("ICCProfile")
    for path in attributes.items("OpticalPathSequence")[:1]:
        found = found or path.data("ICCProfile")
    if not found or not found[0]:
        return None
    return _shared(found[0]) if len(found[0]) <= _PROFILE_BYTES else found[0]


@lru_cache(maxsize=_PROFILES)
def _shared(profile: bytes) -> bytes:
    """The first one of equal profiles: the instances of a series hold one together."""
    return profile
