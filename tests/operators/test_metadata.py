"""Metadata from headers, data sets and DICOM JSON: pydicom and expected.json are the oracles."""

from __future__ import annotations

import json
import warnings
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom.data
import pytest
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence

from cornerstream.images.errors import DecodeError, ImageIdError, LimitError, SplitError
from cornerstream.images.limits import Limits
from cornerstream.images.metadata import FrameMetadata, LookupTable, Palette, VoiWindow
from cornerstream.operators.metadata import InstanceMetadata, read_dataset, read_json
from cornerstream.operators.part10 import parse_header
from tests.support.corpus import corpus_root, expected
from tests.support.part10 import EXPLICIT, IMPLICIT, JPEG, image_data_set, native, written

if TYPE_CHECKING:
    from pydicom import FileDataset


def plain(value: object) -> object:
    """Comparable by value: lookup tables are equal to themselves only."""
    if isinstance(value, LookupTable):
        return value.values.tolist(), value.values.dtype.str, value.first_value, value.bits
    if isinstance(value, Palette):
        return plain(value.red), plain(value.green), plain(value.blue)
    return tuple(plain(one) for one in value) if isinstance(value, tuple) else value


def facts(metadata: FrameMetadata, *left_out: str) -> dict[str, object]:
    names = [field.name for field in fields(metadata) if field.name not in left_out]
    return {name: plain(getattr(metadata, name)) for name in names}


def read_file(path: Path) -> FileDataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's opinion on odd files
        return dcmread(path, force=True)


# ---- what the oracles say


@cache
def bundled() -> tuple[Path, ...]:
    """Images among pydicom's files, except those whose numbers pydicom itself refuses."""
    folder = Path(pydicom.data.__file__).parent / "test_files"
    headers = ((path, read_file(path)) for path in sorted(folder.glob("*.dcm")))
    return tuple(path for path, data_set in headers if "PixelData" in data_set and "Rows" in data_set)


@pytest.mark.parametrize("path", [path for path in bundled() if path.name != "badVR.dcm"], ids=lambda path: path.name)
def test_a_header_and_pydicoms_data_set_say_the_same(path: Path) -> None:
    ours = parse_header(path.read_bytes()).metadata
    data_set = read_file(path)
    theirs = read_dataset(data_set, ours.transfer_syntax_uid)
    for frame_number in {1, ours.number_of_frames}:
        assert facts(ours.frame(frame_number), "pixel_vr_is_ow") == facts(theirs.frame(frame_number), "pixel_vr_is_ow")
    assert ours.shared.rows == data_set.Rows
    assert ours.shared.sop_instance_uid == data_set.get("SOPInstanceUID", "")
    assert ours.number_of_frames == int(data_set.get("NumberOfFrames") or 1)


@pytest.mark.parametrize("path", [path for path in bundled() if path.name != "badVR.dcm"], ids=lambda path: path.name)
def test_dicom_json_says_what_the_data_set_says(path: Path) -> None:
    data_set = read_file(path)
    del data_set.PixelData
    uid = str(data_set.file_meta.get("TransferSyntaxUID", EXPLICIT))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        instance = json.loads(data_set.to_json(suppress_invalid_tags=True))
    ours, theirs = read_json(instance, uid), read_dataset(data_set, uid)
    # pydicom writes OW into DICOM JSON in the byte order it was read in.
    left_out = ("palette", "voi_luts", "modality_lut") if uid == "1.2.840.10008.1.2.2" else ()
    assert facts(ours.frame(1), *left_out) == facts(theirs.frame(1), *left_out)


@pytest.mark.corpus
def test_metadata_of_the_corpus() -> None:
    root, wrong = corpus_root(), []
    for name, wanted in expected()["files"].items():
        if wanted["category"] == "image":
            metadata = parse_header((root / name).read_bytes()).metadata
            wrong += [(name, *difference) for difference in differences(metadata, wanted)]
    assert wrong == []


def differences(metadata: InstanceMetadata, wanted: dict[str, Any]) -> list[tuple[str, object, object]]:
    first = metadata.frame(1)
    more = wanted["metadata"]
    pairs: list[tuple[str, object, object]] = [
        ("pixel_spacing", first.pixel_spacing, more.get("pixel_spacing") and tuple(more["pixel_spacing"])),
        ("position", first.image_position_patient, as_tuple(more.get("ImagePositionPatient"))),
        ("orientation", first.image_orientation_patient, as_tuple(more.get("ImageOrientationPatient"))),
        ("padding", first.pixel_padding_value, as_stored(more.get("pixel_padding_value"), wanted)),
    ]
    rescale = more.get("rescale") or {}
    if not isinstance(rescale.get("slope"), list):
        pairs.append(("slope", first.rescale_slope, 1.0 if rescale.get("slope") is None else rescale["slope"]))
    names = ("rows", "columns", "samples_per_pixel", "bits_allocated", "bits_stored", "high_bit")
    pairs += [(name, getattr(first, name), wanted[name]) for name in names]
    return [pair for pair in pairs if pair[1] != pair[2]]


def as_stored(value: Any, wanted: dict[str, Any]) -> Any:
    """A padding value written as US in a file of signed pixels (one GE file of the corpus does)."""
    if value is None or not wanted["pixel_representation"] or value < 1 << (wanted["bits_allocated"] - 1):
        return value
    return value - (1 << wanted["bits_allocated"])


def as_tuple(value: list[float] | None) -> tuple[float, ...] | None:
    return None if value is None else tuple(value)


# ---- defaults and odd values


def described(**attributes: Any) -> FrameMetadata:
    return read_dataset(image_data_set(**attributes)).shared


def test_defaults() -> None:
    metadata = described(SamplesPerPixel=None, BitsStored=None, HighBit=None, PixelRepresentation=None)
    assert (metadata.samples_per_pixel, metadata.bits_stored, metadata.high_bit) == (1, 8, 7)
    assert (metadata.pixel_representation, metadata.planar_configuration, metadata.number_of_frames) == (0, 0, 1)
    assert (metadata.rescale_slope, metadata.rescale_intercept, metadata.windows) == (1.0, 0.0, ())
    assert (metadata.pixel_spacing, metadata.image_position_patient, metadata.instance_number) == (None, None, None)
    assert described(BitsAllocated=16, BitsStored=12, HighBit=None).high_bit == 11


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("Rows", None),
        ("Rows", 0),
        ("Columns", None),
        ("PhotometricInterpretation", None),
        ("BitsAllocated", None),
        ("BitsAllocated", 7),
        ("BitsStored", 9),
        ("SamplesPerPixel", 2),
        ("PixelRepresentation", 2),
        ("PlanarConfiguration", 5),
        ("NumberOfFrames", -1),
    ],
)
def test_missing_and_absurd_attributes_are_named(keyword: str, value: int | None) -> None:
    with pytest.raises(SplitError, match=keyword):
        described(**{keyword: value})


def test_samples_are_not_guessed_for_colour() -> None:
    with pytest.raises(SplitError, match="SamplesPerPixel"):
        described(SamplesPerPixel=None, PhotometricInterpretation="RGB")


def test_absurd_sizes_are_limits() -> None:
    with pytest.raises(LimitError, match="frame_pixels"):
        described(Rows=65535, Columns=65535)
    with pytest.raises(LimitError, match=r"limits\.frames"):
        read_dataset(image_data_set(NumberOfFrames=11), limits=Limits(frames=10))


def json_image(**values: Any) -> dict[str, object]:
    """DICOM JSON of a small image, with members by tag."""
    instance: dict[str, object] = {
        "00280010": {"vr": "US", "Value": [2]},
        "00280011": {"vr": "US", "Value": [4]},
        "00280004": {"vr": "CS", "Value": ["MONOCHROME2"]},
        "00280100": {"vr": "US", "Value": [8]},
    }
    return instance | {name.removeprefix("t"): {"vr": "DS", "Value": value} for name, value in values.items()}


def test_several_windows_with_odd_values() -> None:
    instance = json_image(
        t00281050=[40, "300", None, "x", 5], t00281051=["80", 1500.5, 10, 10, 0], t00281055=["brain", "bone"]
    )
    assert read_json(instance).shared.windows == (VoiWindow(40, 80, "brain"), VoiWindow(300, 1500.5, "bone"))


@pytest.mark.parametrize("junk", ["", "abc", "1.5mm", "NaN", "inf", "1e999", None, [], {}, "1\\2"])
def test_junk_in_optional_numbers_counts_as_absent(junk: object) -> None:
    shared = read_json(json_image(t00281053=[junk], t00180050=[junk], t00280030=[junk, 1.0], t00200013=[junk])).shared
    assert (shared.rescale_slope, shared.slice_thickness, shared.pixel_spacing) == (1.0, None, None)
    assert shared.instance_number is None


@pytest.mark.parametrize("junk", [b"abc ", b"1.5mm ", b"\xff\xff", b"  ", b"1\\"])
def test_junk_in_a_header_counts_as_absent(junk: bytes) -> None:
    data_set = image_data_set(SliceThickness="12345678")
    data_set.PixelData = bytes(8)
    data_set["PixelData"].VR = "OB"
    body = written(data_set).replace(b"DS\x08\x0012345678", b"DS\x08\x00" + junk.ljust(8))
    found = parse_header(body).metadata.shared.slice_thickness
    assert found is None or junk == b"1\\"


def test_an_unknown_voi_function_is_linear() -> None:
    assert described(VOILUTFunction="SIGMOID").voi_lut_function == "SIGMOID"
    assert read_json(json_image(t00281056=["CUBIC"])).shared.voi_lut_function == "LINEAR"


def test_padding_value_of_signed_pixels_is_signed() -> None:
    instance = json_image(t00280103=[1], t00280120=[63536], t00280100=[16])
    assert read_json(instance).shared.pixel_padding_value == -2000


def test_a_modality_lut_of_signed_pixels_starts_below_zero() -> None:
    item = {
        "00283002": {"vr": "US", "Value": [4, 65534, 16]},
        "00283006": {"vr": "OW", "InlineBinary": "AQACAAMABAA="},
    }
    instance = json_image(t00280103=[1], t00283000=[item])
    table = read_json(instance).shared.modality_lut
    assert table is not None
    assert table.first_value == -2
    np.testing.assert_array_equal(table.values, [1, 2, 3, 4])


def test_a_lookup_table_that_contradicts_itself_is_refused() -> None:
    item = {"00283002": {"vr": "US", "Value": [9, 0, 16]}, "00283006": {"vr": "US", "Value": [1, 2]}}
    with pytest.raises(DecodeError):
        read_json(json_image(t00283000=[item]))


# ---- enhanced objects


def enhanced() -> FileDataset:
    """Two frames: spacing shared, positions and windows of their own, thickness of the second only."""
    data_set = image_data_set(NumberOfFrames=2, RescaleSlope="2")
    shared, first, second = Dataset(), Dataset(), Dataset()
    shared.PixelMeasuresSequence = [item(PixelSpacing=[0.5, 0.25], SliceThickness=3)]
    shared.PlaneOrientationSequence = [item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
    for z, frame in enumerate((first, second)):
        frame.PlanePositionSequence = [item(ImagePositionPatient=[1, 2, z])]
        frame.FrameVOILUTSequence = [item(WindowCenter=[40 + z], WindowWidth=[80])]
    second.PixelMeasuresSequence = [item(PixelSpacing=[0.5, 0.5], SliceThickness=4)]
    second.PixelValueTransformationSequence = [item(RescaleSlope=3, RescaleIntercept=-7, RescaleType="HU")]
    data_set.SharedFunctionalGroupsSequence = Sequence([shared])
    data_set.PerFrameFunctionalGroupsSequence = Sequence([first, second])
    return data_set


def item(**attributes: Any) -> Dataset:
    data_set = Dataset()
    for keyword, value in attributes.items():
        setattr(data_set, keyword, value)
    return data_set


def as_header(data_set: FileDataset) -> InstanceMetadata:
    data_set.PixelData = bytes(16)
    data_set["PixelData"].VR = "OB"
    return parse_header(written(data_set)).metadata


def with_undefined_lengths(data_set: FileDataset) -> InstanceMetadata:
    for element in data_set.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = True
            for one in element.value:
                one.is_undefined_length_sequence_item = True
    return as_header(data_set)


def as_json(data_set: Dataset) -> InstanceMetadata:
    return read_json(json.loads(data_set.to_json()))


@pytest.mark.parametrize("read", [read_dataset, as_header, with_undefined_lengths, as_json])
def test_functional_groups_are_resolved_for_the_frame_asked_for(read: Any) -> None:
    metadata = read(enhanced())
    first, second = metadata.frame(1), metadata.frame(2)
    assert (first.pixel_spacing, first.slice_thickness) == ((0.5, 0.25), 3)
    assert (second.pixel_spacing, second.slice_thickness) == ((0.5, 0.5), 4)
    assert first.image_orientation_patient == second.image_orientation_patient == (1, 0, 0, 0, 1, 0)
    assert (first.image_position_patient, second.image_position_patient) == ((1, 2, 0), (1, 2, 1))
    assert (first.windows, second.windows) == ((VoiWindow(40, 80),), (VoiWindow(41, 80),))
    assert (first.rescale_slope, second.rescale_slope, second.rescale_intercept) == (2, 3, -7)
    assert (first.frame_number, second.frame_number, second.rescale_type) == (1, 2, "HU")


@pytest.mark.parametrize("frame_number", [0, -1, 3])
def test_a_frame_that_is_not_there_is_refused(frame_number: int) -> None:
    with pytest.raises(ImageIdError, match="frames 1 to 2"):
        read_dataset(enhanced()).frame(frame_number)


def test_fewer_groups_than_frames_leave_the_shared_attributes() -> None:
    data_set = enhanced()
    del data_set.PerFrameFunctionalGroupsSequence[1]
    assert read_dataset(data_set).frame(2).pixel_spacing == (0.5, 0.25)


def test_nbytes_counts_tables_and_groups() -> None:
    assert read_dataset(enhanced()).nbytes > read_dataset(image_data_set()).nbytes > 0


# ---- transfer syntax


def test_the_transfer_syntax_is_what_is_known_best() -> None:
    instance = json_image()
    assert read_json(instance).transfer_syntax_uid == ""
    instance["00083002"] = {"vr": "UI", "Value": [JPEG]}
    metadata = read_json(instance)
    assert metadata.transfer_syntax_uid == metadata.frame(1).transfer_syntax_uid == JPEG
    assert metadata.frame(1, EXPLICIT).transfer_syntax_uid == EXPLICIT
    assert read_json(instance, IMPLICIT).transfer_syntax_uid == IMPLICIT
    assert read_dataset(Dataset(image_data_set())).transfer_syntax_uid == ""


def test_the_pixel_element_is_known() -> None:
    data_set = image_data_set(BitsAllocated=None, BitsStored=None, HighBit=None)
    data_set.FloatPixelData = bytes(32)
    metadata = read_dataset(data_set).shared
    assert (metadata.pixel_keyword, metadata.bits_allocated) == ("FloatPixelData", 32)
    instance = json_image()
    instance["7FE00009"] = {"vr": "OD", "BulkDataURI": "http://nowhere/"}
    assert read_json(instance).shared.pixel_keyword == "DoubleFloatPixelData"
    for vr, is_ow in (("OB", False), ("OW", True)):
        assert read_json(json_image() | {"7FE00010": {"vr": vr}}).shared.pixel_vr_is_ow is is_ow
        assert parse_header(native(bytes(8), vr=vr)).metadata.shared.pixel_vr_is_ow is is_ow


# ---- DICOM JSON


def test_bulk_data_is_neither_fetched_nor_a_fault() -> None:
    bulk = {"vr": "OW", "BulkDataURI": "http://127.0.0.1:9/never"}
    instance = json_image() | {"7FE00010": bulk, "00282000": bulk, "00281201": bulk}
    instance["00280004"] = {"vr": "CS", "Value": ["PALETTE COLOR"]}
    shared = read_json(instance).shared
    assert (shared.palette, shared.icc_profile) == (None, None)


def test_members_of_the_wrong_shape_count_as_absent() -> None:
    instance = json_image() | {
        "00281050": "no object",
        "00281051": {"vr": "DS", "Value": 7},
        "52009230": {"vr": "SQ", "Value": [None, 5]},
        "00280030": {"vr": "DS"},
    }
    assert read_json(instance).shared.windows == ()
    assert read_json(instance).frame(1).pixel_spacing is None


def test_deep_nesting_is_a_limit() -> None:
    instance = json_image()
    innermost = instance
    for _ in range(5000):
        deeper: dict[str, object] = {}
        innermost["00081115"] = {"vr": "SQ", "Value": [deeper]}
        innermost = deeper
    with pytest.raises(LimitError, match="sequence_depth"):
        read_json(instance)


@pytest.mark.corpus
@pytest.mark.parametrize("instance", range(5))
def test_answers_of_real_servers(instance: int) -> None:
    root = corpus_root() / "dicomweb"
    answers = [
        (name, facts)
        for name, facts in expected("dicomweb").items()
        if name.endswith(".json") and facts["instances"][0]["rows"] is not None
    ]
    assert len(answers) == 5
    name, wanted = answers[instance]
    found = json.loads((root / name).read_text())
    first = found[0] if isinstance(found, list) else found
    shared, row = read_json(first).shared, wanted["instances"][0]
    assert (shared.rows, shared.columns) == (int(row["rows"]), int(row["columns"]))
    assert (shared.bits_allocated, shared.photometric_interpretation) == (int(row["bits"]), row["photometric"])
    assert shared.number_of_frames == (row["frames"] or 1)
    assert shared.sop_instance_uid == row["sop"]
    assert shared.rescale_intercept == float(row["intercept"] or 0)
