"""The attributes of an image against `expected.json` and, frame by frame, against pydicom."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest

from tests.corpus.files import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from cornerstream.images.image import Image
    from cornerstream.images.metadata import LookupTable
    from cornerstream.images.overlay import Overlay
    from tests.corpus.files import CorpusFile

_MACROS = {
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness"),
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "FrameVOILUTSequence": ("WindowCenter", "WindowWidth", "VOILUTFunction"),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept", "RescaleType"),
}
_VECTORS = ("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient")
_IDENTITY = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "Modality")


def flat_header(file: CorpusFile, frame_number: int) -> pydicom.Dataset:
    """The header with the functional groups of one frame written over it (PS3.3 C.7.6.16), which pydicom leaves alone."""
    flat = pydicom.Dataset()
    flat.update(file.header())
    shared = flat.get("SharedFunctionalGroupsSequence") or []
    per_frame = flat.get("PerFrameFunctionalGroupsSequence") or []
    for group in [*shared[:1], *per_frame[frame_number - 1 : frame_number]]:
        for macro, keywords in _MACROS.items():
            for item in (group.get(macro) or [])[:1]:
                for keyword in (keyword for keyword in keywords if keyword in item):
                    flat.add(item[keyword])
    return flat


def attribute_faults(file: CorpusFile, image: Image) -> list[str]:
    """What is wrong with the attributes of one image."""
    pairs = [*_expected_pairs(file, image), *_pydicom_pairs(flat_header(file, image.frame_number), image)]
    return [f"{name} is {found}, not {wanted}" for name, found, wanted in pairs if not _same(found, wanted)]


def windows_of(header: pydicom.Dataset) -> list[tuple[float, float]]:
    """The window pairs that are windows: a width above 0 (PS3.3 C.11.2.1.2)."""
    pairs = zip(_numbers(header, "WindowCenter"), _numbers(header, "WindowWidth"), strict=False)
    return [(center, width) for center, width in pairs if width > 0]


def _same(found: object, wanted: object) -> bool:
    if wanted is None or isinstance(wanted, (str, bytes)):
        return found == wanted
    return bool(found == pytest.approx(wanted, rel=1e-12, abs=0))


def _expected_pairs(file: CorpusFile, image: Image) -> Iterator[tuple[str, Any, Any]]:
    """Name, what the image has, what `expected.json` has (its lengths have six digits)."""
    facts, metadata = file.facts, file.facts["metadata"]
    for name in ("rows", "columns"):
        yield name, getattr(image, name), facts[name]
    yield "number_of_frames", image.number_of_frames, facts["frames"]
    yield "photometric_interpretation_found", image.photometric_interpretation_found, facts["photometric"]
    if not file.is_colour:
        for name in ("bits_allocated", "bits_stored", "high_bit", "pixel_representation"):
            yield name, getattr(image, name), facts[name] if facts[name] is not None else getattr(image, name)
    rescale = metadata["rescale"]
    yield "rescale_slope", image.rescale_slope, 1.0 if rescale["slope"] is None else rescale["slope"]
    yield "rescale_intercept", image.rescale_intercept, rescale["intercept"] or 0.0
    if "rescale_type" in metadata:
        yield "rescale_type", image.rescale_type, metadata["rescale_type"]
    yield "windows", _windows(image), _expected_windows(file, image)
    yield "pixel_padding_value", image.pixel_padding_value, _padding(facts)
    yield "pixel_spacing", _rounded(image.pixel_spacing), _rounded(metadata.get("pixel_spacing"))
    yield "presentation_lut_shape", image.presentation_lut_shape, metadata.get("presentation_lut_shape") or ""
    yield "icc_profile", *_profile(metadata.get("icc_profile"), image.icc_profile)
    yield "modality_lut", _table(image.modality_lut), _expected_table(metadata.get("modality_lut"))
    yield "voi_luts", _table(next(iter(image.voi_luts), None)), _expected_table(metadata.get("voi_lut"))
    yield (
        "overlays",
        " ".join(map(_overlay, image.overlays)),
        " ".join(map(_expected_overlay, facts.get("overlays", ()))),
    )
    yield "palette", _palette(image, facts), (facts.get("palette") or {}).get("descriptor")


def _pydicom_pairs(header: pydicom.Dataset, image: Image) -> Iterator[tuple[str, Any, Any]]:
    for keyword in _VECTORS:
        name = {"PixelSpacing": "pixel_spacing", "ImagePositionPatient": "image_position_patient"}.get(
            keyword, "image_orientation_patient"
        )
        yield name, getattr(image, name), tuple(_numbers(header, keyword)) or None
    for keyword, name in zip(
        _IDENTITY, ("study_instance_uid", "series_instance_uid", "sop_instance_uid", "sop_class_uid", "modality"),
        strict=True,
    ):  # fmt: skip
        yield name, getattr(image, name), str(header.get(keyword) or "")
    yield "instance_number", image.instance_number, header.get("InstanceNumber")
    yield "frame_of_reference_uid", image.frame_of_reference_uid, header.get("FrameOfReferenceUID") or None
    yield "windows by pydicom", _windows(image), _flat(windows_of(header))
    yield "rescale_type by pydicom", image.rescale_type, str(header.get("RescaleType") or "")
    yield "voi_lut_function", image.voi_lut_function, str(header.get("VOILUTFunction") or "LINEAR")


def _windows(image: Image) -> list[float]:
    return _flat([(one.center, one.width) for one in image.windows])


def _flat(pairs: list[tuple[float, float]]) -> list[float]:
    return [number for pair in pairs for number in pair]


def _expected_windows(file: CorpusFile, image: Image) -> list[float]:
    voi = file.facts["metadata"]["voi"]
    if "per_frame" in voi:
        return [float(number) for number in voi["per_frame"][image.frame_number - 1]]
    if voi["center"] is None:
        return []
    pairs = zip(np.atleast_1d(voi["center"]), np.atleast_1d(voi["width"]), strict=True)
    return [float(number) for center, width in pairs if width > 0 for number in (center, width)]


def _padding(facts: dict[str, Any]) -> int | None:
    """Written as unsigned in one file whose pixels are signed (PS3.3 C.7.5.1.1.2)."""
    value: int | None = facts["metadata"].get("pixel_padding_value")
    wraps = value is not None and facts["pixel_representation"] and value >= 1 << (facts["bits_allocated"] - 1)
    return value - (1 << facts["bits_allocated"]) if wraps and value is not None else value


def _rounded(numbers: object) -> list[float] | None:
    return None if numbers is None else [round(float(number), 6) for number in np.ravel(np.asarray(numbers))]


def _profile(fact: dict[str, Any] | None, profile: bytes | None) -> tuple[object, object]:
    found = None if profile is None else f"{len(profile)} {hashlib.sha256(profile).hexdigest()}"
    return found, None if fact is None else f"{fact['bytes']} {fact['sha256']}"


def _expected_table(facts: list[dict[str, Any]] | None) -> str | None:
    if not facts:
        return None
    _, first_value, bits = facts[0]["descriptor"]
    return f"{facts[0]['entries']} {first_value} {bits} {facts[0]['data_sha256_u16le']}"


def _table(table: LookupTable | None) -> str | None:
    if table is None:
        return None
    words: NDArray[np.generic] = table.values.astype(np.uint16)
    return f"{len(table.values)} {table.first_value} {table.bits} {sha256(words)}"


def _overlay(one: Overlay) -> str:
    mask = one.mask
    place = (one.type, *one.origin, one.bits_allocated, one.bit_position, one.number_of_frames)
    return f"{one.group:04X} {mask.shape} {place} {one.embedded} {mask.sum()} {sha256(mask)}"


def _expected_overlay(one: dict[str, Any]) -> str:
    place = (one["type"], *one["origin"], one["bits_allocated"], one["bit_position"], one["frames"])
    shape = (one["rows"], one["cols"])
    return f"{one['group']} {shape} {place} {one['embedded']} {one['set_bits']} {one['sha256_u8_0_1']}"


def _palette(image: Image, facts: dict[str, Any]) -> list[int] | None:
    """The descriptor as the palette has it; 65,536 entries are written as 0, and 8-bit entries may be 16-bit words."""
    palette = image.palette
    if palette is None:
        return None
    red = palette.red
    bits = facts["palette"]["descriptor"][2] if red.bits in (8, facts["palette"]["descriptor"][2]) else red.bits
    return [len(red.values) & 0xFFFF, red.first_value, bits]


def _numbers(header: pydicom.Dataset, keyword: str) -> list[float]:
    value = header.get(keyword)
    if value is None or value == "":
        return []
    return [float(number) for number in (value if isinstance(value, pydicom.multival.MultiValue) else [value])]
