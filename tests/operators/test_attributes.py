"""Three forms of a data set answer alike."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from pydicom import Dataset
from pydicom.config import RAISE, settings
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from cornerstream.images.errors import LimitError, SplitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.attributes import (
    DatasetAttributes,
    JsonAttributes,
    WrittenAttributes,
    integer,
    number,
    numbers,
    read_elements,
    text,
    vector,
)
from cornerstream.operators.elements import EXPLICIT, IMPLICIT, Element, Encoding

if TYPE_CHECKING:
    from cornerstream.operators.attributes import Attributes

BIG = Encoding(big_endian=True)


def data_set() -> Dataset:
    measures, group, found = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = ["0.5", "0.25"]
    group.PixelMeasuresSequence = [measures]
    found.SpecificCharacterSet = "ISO_IR 192"
    found.Modality = "CT"
    found.Rows = 512
    found.NumberOfFrames = "3"
    found.WindowCenter = ["40", "300.5"]
    found.WindowCenterWidthExplanation = ["Gehirn", "Knöchel"]
    found.SOPInstanceUID = "1.2.3"
    found.ICCProfile = b"profile!"
    found.SharedFunctionalGroupsSequence = [group]
    found.PerFrameFunctionalGroupsSequence = [Dataset(), group, Dataset()]
    return found


def as_written(encoding: Encoding) -> Attributes:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = encoding.implicit, not encoding.big_endian
    write_dataset(buffer, data_set())
    return WrittenAttributes(
        read_elements(buffer.getvalue(), encoding, DEFAULT_LIMITS), DEFAULT_LIMITS, ("ISO_IR 192",)
    )


FORMS: dict[str, Any] = {
    "explicit": lambda: as_written(EXPLICIT),
    "implicit": lambda: as_written(IMPLICIT),
    "big endian": lambda: as_written(BIG),
    "json": lambda: JsonAttributes(json.loads(data_set().to_json())),
    "pydicom": lambda: DatasetAttributes(data_set()),
}


@pytest.fixture(params=FORMS)
def attributes(request: pytest.FixtureRequest) -> Attributes:
    found: Attributes = FORMS[request.param]()
    return found


def test_values(attributes: Attributes) -> None:
    assert (text(attributes, "Modality"), text(attributes, "SOPInstanceUID")) == ("CT", "1.2.3")
    assert (integer(attributes, "Rows"), integer(attributes, "NumberOfFrames")) == (512, 3)
    assert numbers(attributes, "WindowCenter") == (40, 300.5)
    assert number(attributes, "WindowCenter") == 40
    assert [str(value) for value in attributes.values("WindowCenterWidthExplanation")] == ["Gehirn", "Knöchel"]
    assert attributes.data("ICCProfile") == (b"profile!", False)


def test_items(attributes: Attributes) -> None:
    (shared,) = attributes.items("SharedFunctionalGroupsSequence")
    assert vector(shared.items("PixelMeasuresSequence")[0], "PixelSpacing", 2) == (0.5, 0.25)
    frames = attributes.items("PerFrameFunctionalGroupsSequence")
    assert [len(frame.items("PixelMeasuresSequence")) for frame in frames] == [0, 1, 0]
    assert len(frames[1:]) == 2


def test_absent_attributes(attributes: Attributes) -> None:
    assert (text(attributes, "StudyInstanceUID"), number(attributes, "SliceThickness")) == ("", None)
    assert (attributes.values("PixelSpacing"), attributes.data("LUTData")) == ((), None)
    assert len(attributes.items("VOILUTSequence")) == 0


def test_numbers_that_are_none() -> None:
    attributes = JsonAttributes({"00281050": {"vr": "DS", "Value": ["1", " 2.5 ", 3, True, None, "x", "inf", 10**400]}})
    assert numbers(attributes, "WindowCenter") == (1, 2.5, 3, None, None, None, None, None)
    assert vector(attributes, "WindowCenter", 8) is None
    assert integer(JsonAttributes({"00200013": {"vr": "IS", "Value": [1.5]}}), "InstanceNumber") is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("CT ", "CT"),
        (7, "7"),
        (1.5, "1.5"),
        (True, "True"),
        (None, ""),
        ([[]], ""),
        ({"Alphabetic": "A"}, ""),
        (10**5000, ""),
    ],
    ids=["text", "int", "float", "bool", "null", "list", "object", "5,001 digits"],
)
def test_texts_that_are_none(value: object, expected: str) -> None:
    assert text(JsonAttributes({"00080060": {"vr": "CS", "Value": [value]}}), "Modality") == expected


def test_damaged_inline_binary_is_refused() -> None:
    for member in ({"vr": "OW", "InlineBinary": "A"}, {"vr": "US", "Value": [70000]}, {"vr": "US", "Value": ["x"]}):
        with pytest.raises(SplitError, match="LUTData"):
            JsonAttributes({"00283006": member}).data("LUTData")


def test_words_of_big_endian_files_say_so() -> None:
    tag = 0x00281201
    for vr, swapped in ((b"OW", True), (b"US", True), (b"OB", False)):
        found = WrittenAttributes({tag: Element(vr, b"\0\1", BIG)}).data("RedPaletteColorLookupTableData")
        assert found == (b"\0\1", swapped)
    found_little = WrittenAttributes({tag: Element(b"OW", b"\0\1", EXPLICIT)}).data("RedPaletteColorLookupTableData")
    assert found_little == (b"\0\1", False)


def test_a_sequence_that_holds_something_else_is_refused() -> None:
    element = Element(b"SQ", b"\x10\0\x20\0LO\2\0AB", EXPLICIT)
    with pytest.raises(SplitError, match="an item was expected"):
        WrittenAttributes({0x00283000: element}).items("ModalityLUTSequence")


def test_nested_sequences_are_limited() -> None:
    element = Element(
        b"SQ", b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + b"\x08\0\x15\x11SQ\0\0\xff\xff\xff\xff" * 3, EXPLICIT
    )
    with pytest.raises(LimitError, match="sequence_depth"):
        WrittenAttributes({0x00283000: element}, Limits(sequence_depth=0)).items("ModalityLUTSequence")


def test_lookup_tables_of_pydicom_are_packed() -> None:
    found = Dataset()
    found.add_new(0x00283006, "US", [1, 2, 65535])
    assert DatasetAttributes(found).data("LUTData") == (b"\1\0\2\0\xff\xff", False)
    found.add_new(0x00283006, "US", 7)
    assert DatasetAttributes(found).data("LUTData") == (b"\7\0", False)


def test_what_pydicom_refuses_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_reading_validation_mode", RAISE)
    attributes = DatasetAttributes(read_dataset(BytesIO(b"\x18\0\x50\0DS\4\0abc "), False, True))
    assert number(attributes, "SliceThickness") is None


@pytest.mark.filterwarnings("ignore:Invalid value for VR", "ignore:Value .* is not valid")
def test_junk_of_pydicom_counts_as_absent() -> None:
    buffer = BytesIO(b"\x18\0\x50\0DS\4\0abc \x20\0\x13\0IS\4\0 1.5")
    attributes = DatasetAttributes(read_dataset(buffer, is_implicit_VR=False, is_little_endian=True))
    assert number(attributes, "SliceThickness") is None
    assert integer(attributes, "InstanceNumber") is None
