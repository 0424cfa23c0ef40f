"""DICOM JSON answers within bounds."""

from __future__ import annotations

import pytest

from cornerstream.images.errors import LimitError, SplitError
from cornerstream.images.limits import Limits
from cornerstream.operators.dicom_json import check_depth, parse_instances


def test_an_array_and_a_lone_object() -> None:
    assert parse_instances(b'[{"00280010": {"vr": "US"}}, {}]') == [{"00280010": {"vr": "US"}}, {}]
    assert parse_instances(b"{}") == [{}]
    assert parse_instances(b"[]") == []


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"[{}, null]", b'"text"', b"\xff\xfe", b"[{}"])
def test_what_is_not_dicom_json_is_refused(body: bytes) -> None:
    with pytest.raises(SplitError, match="not"):
        parse_instances(body)


def test_size_and_nesting_are_limited() -> None:
    with pytest.raises(LimitError, match="metadata_bytes"):
        parse_instances(b"[{}]", Limits(metadata_bytes=3))
    with pytest.raises(LimitError, match="nested"):
        parse_instances(b"[" * 200_000)


def test_depth_counts_sequences() -> None:
    inner: dict[str, object] = {}
    for _ in range(3):
        inner = {"00081115": {"vr": "SQ", "Value": [inner, None]}, "00080060": {"vr": "CS", "Value": ["CT"]}}
    check_depth(inner, Limits(sequence_depth=3))
    with pytest.raises(LimitError, match="deeper than 2"):
        check_depth(inner, Limits(sequence_depth=2))
