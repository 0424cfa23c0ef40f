"""A memo reads what `read_attributes` reads, whatever came before; and reads it once."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.data import get_testdata_file

from cornerstream.images.errors import ImageLoadError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.metadata import read_attributes
from cornerstream.operators.metadata_memo import MetadataMemo
from cornerstream.operators.part10 import parse_header
from tests.support.part10 import image_data_set, written

if TYPE_CHECKING:
    from cornerstream.operators.metadata import InstanceMetadata

FILES = ["CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "examples_palette.dcm", "examples_overlay.dcm"]
"""Different kinds of headers."""

own = st.fixed_dictionaries(
    {},
    optional={
        "SOPInstanceUID": st.sampled_from(["1.2.3", "1.2.4", ""]),
        "InstanceNumber": st.one_of(st.integers(-5, 5), st.none()),
        "ImagePositionPatient": st.lists(st.integers(-99, 99), min_size=3, max_size=3),
        "WindowCenter": st.integers(0, 99),
        "WindowWidth": st.integers(0, 99),
    },
)
others = st.fixed_dictionaries(
    {},
    optional={
        "RescaleSlope": st.integers(1, 2),
        "RescaleIntercept": st.sampled_from([0, -1024]),
        "SeriesDescription": st.sampled_from(["a", "b"]),
        "ImageOrientationPatient": st.sampled_from([[1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1]]),
        "BitsStored": st.sampled_from([12, 16]),
        "PixelRepresentation": st.integers(0, 1),
    },
)


def same(one: InstanceMetadata, other: InstanceMetadata) -> bool:
    """All attributes are equal; tables by their values."""
    return len(one.groups) == len(other.groups) and all(
        _plain(getattr(one.shared, field.name)) == _plain(getattr(other.shared, field.name))
        for field in fields(one.shared)
    )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if hasattr(value, "__dataclass_fields__") and not hasattr(value, "center"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value.tolist() if isinstance(value, np.ndarray) else value


def described(attributes: dict[str, Any]) -> bytes:
    """A file of one small image."""
    defaults: dict[str, Any] = {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelData": bytes(16)}
    return written(image_data_set(**(defaults | {"HighBit": attributes.get("BitsStored", 16) - 1} | attributes)))


@given(st.lists(st.tuples(own, others), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_whatever_came_before_the_metadata_are_the_same(headers: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    memo = MetadataMemo()
    for attributes in headers:
        data = described(attributes[0] | attributes[1])
        assert same(parse_header(data, reader=memo).metadata, parse_header(data).metadata)


def test_files_of_all_kinds() -> None:
    memo = MetadataMemo()
    for name in FILES * 2:
        data = Path(str(get_testdata_file(name))).read_bytes()
        assert same(parse_header(data, reader=memo).metadata, parse_header(data).metadata)


def test_what_differs_in_its_own_attributes_only_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[object] = []

    def counted(*args: Any, **described: Any) -> InstanceMetadata:
        reads.append(args)
        return read_attributes(*args, **described)

    monkeypatch.setattr("cornerstream.operators.metadata_memo.read_attributes", counted)
    memo = MetadataMemo()
    uids = [
        parse_header(
            described({"SOPInstanceUID": f"1.2.{number}", "InstanceNumber": number}), reader=memo
        ).metadata.shared.sop_instance_uid
        for number in range(5)
    ]
    assert uids == [f"1.2.{number}" for number in range(5)]
    assert len(reads) == 1
    for slope in range(20):  # and it does not grow
        parse_header(described({"RescaleSlope": slope + 1}), reader=memo)
    assert len(memo._known) <= 8


def test_other_limits_are_kept_too() -> None:
    memo, data = MetadataMemo(), described({})
    parse_header(data, reader=memo)
    with pytest.raises(ImageLoadError, match="frame_pixels"):
        parse_header(data, Limits(frame_pixels=3), reader=memo)
    assert same(parse_header(data, DEFAULT_LIMITS, reader=memo).metadata, parse_header(data).metadata)


def test_functional_groups_stand_above_an_instances_own_attributes() -> None:
    memo, group, plane = MetadataMemo(), Dataset(), Dataset()
    plane.ImagePositionPatient = [9, 9, 9]
    group.PlanePositionSequence = [plane]
    for place in range(2):
        data = described({"ImagePositionPatient": [place, 0, 0], "SharedFunctionalGroupsSequence": [group]})
        assert parse_header(data, reader=memo).metadata.shared.image_position_patient == (9, 9, 9)
