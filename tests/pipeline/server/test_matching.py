from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.server.matching import matches, tag_of

ATTRIBUTES: dict[str, dict[str, Any]] = {
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Anna"}]},
    "00080020": {"vr": "DA", "Value": ["20240229"]},
    "00080060": {"vr": "CS", "Value": ["CT"]},
    "00080061": {"vr": "CS", "Value": ["CT", "SR"]},
    "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
    "00200013": {"vr": "IS", "Value": [7]},
    "00081030": {"vr": "LO", "Value": ["Thorax [a] 1.5"]},
    "00080050": {"vr": "SH"},
}


@pytest.mark.parametrize(
    ("keyword", "wanted", "expected"),
    [
        ("PatientName", "müller*", True),
        ("PatientName", "Müller^Ann?", True),
        ("PatientName", "Ann*", False),
        ("StudyDate", "20240229", True),
        ("StudyDate", "20240101-20240301", True),
        ("StudyDate", "-20240229", True),
        ("StudyDate", "20240301-", False),
        ("StudyDate", "20230101-20231231", False),
        ("Modality", "CT", True),
        ("Modality", "ct", False),
        ("Modality", "C?", True),
        ("ModalitiesInStudy", "SR", True),
        ("StudyInstanceUID", "1.2.4,1.2.3", True),
        ("StudyInstanceUID", "1.2.4\\1.2.3", True),
        ("StudyInstanceUID", "1.2.*", False),
        ("InstanceNumber", "7", True),
        ("InstanceNumber", "07", True),
        ("InstanceNumber", "seven", False),
        ("StudyDescription", "Thorax [a]*", True),
        ("StudyDescription", "Thorax a*", False),
        ("AccessionNumber", "", True),
        ("AccessionNumber", "*", True),
        ("AccessionNumber", "X", False),
        ("PatientID", "X", False),
    ],
)
def test_one_key(keyword: str, wanted: str, *, expected: bool) -> None:
    assert matches(ATTRIBUTES, tag_of(keyword), wanted) is expected


@settings(max_examples=60)
@given(st.text("ab.[^", max_size=6), st.text("ab.[^*?", min_size=1, max_size=6))
def test_wildcards_are_those_of_dicom(value: str, wanted: str) -> None:
    expression = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in wanted)
    expected = wanted == "*" or re.fullmatch(expression, value) is not None
    assert matches({"00081030": {"vr": "LO", "Value": [value]}}, "00081030", wanted) is expected


def test_a_hostile_pattern_takes_no_exponential_time() -> None:
    assert not matches({"00081030": {"vr": "LO", "Value": ["a" * 64]}}, "00081030", "*a" * 40 + "b")


def test_names_and_tags() -> None:
    assert tag_of("PatientID") == tag_of("00100020") == "00100020"
    assert tag_of("0020000d") == "0020000D"
    with pytest.raises(ValueError, match="neither a keyword nor a tag"):
        tag_of("Nonsense")
