"""The order of slices, against the orders of real series."""

from __future__ import annotations

import random
from typing import Any

import pytest

from cornerstream.images.metadata import FrameMetadata
from cornerstream.operators.geometry import position_along, slice_normal, sort_by_position
from tests.support.corpus import corpus_root, expected


def slice_at(position: Any, orientation: Any = (1, 0, 0, 0, 1, 0), number: int | None = None) -> FrameMetadata:
    return FrameMetadata(
        transfer_syntax_uid="",
        rows=1,
        columns=1,
        photometric_interpretation="MONOCHROME2",
        image_position_patient=position,
        image_orientation_patient=orientation,
        instance_number=number,
    )


def ordered(slices: list[FrameMetadata]) -> list[FrameMetadata]:
    return sort_by_position(slices, lambda one: one)


@pytest.mark.corpus
@pytest.mark.parametrize(
    "name", ["ct_ge_head_28", "mr_brain_21", "mr_tfl_96_jpegll_fragmented", "mr_structural_t1w_120of384"]
)
def test_real_series_come_in_their_order(name: str) -> None:
    corpus_root()
    wanted = expected("series")[name]["slices_"]
    files = [(one["file"], slice_at(tuple(one["ipp"]), tuple(one["iop"]), one["instance_number"])) for one in wanted]
    shuffled = random.Random(7).sample(files, len(files))
    assert [file for file, _ in sort_by_position(shuffled, lambda one: one[1])] == [file for file, _ in files]
    normal = slice_normal(wanted[0]["iop"])
    for one in wanted:
        assert position_along(normal, one["ipp"]) == pytest.approx(one["position_along_normal"], abs=1e-3)


@pytest.mark.parametrize(
    ("orientation", "normal"),
    [
        ((1, 0, 0, 0, 1, 0), (0, 0, 1)),
        ((0, 1, 0, 0, 0, -1), (-1, 0, 0)),
        ((1, 0, 0, 0, 0, -1), (0, 1, 0)),
        ((2, 0, 0, 0, 3, 0), (0, 0, 1)),
        ((0, 0, 0, 0, 0, 0), (0, 0, 0)),
    ],
)
def test_normals(orientation: tuple[float, ...], normal: tuple[float, ...]) -> None:
    assert slice_normal(orientation) == pytest.approx(normal)


def test_equal_positions_go_by_instance_number_and_equal_numbers_stay() -> None:
    slices = [slice_at((0, 0, 5), number=2), slice_at((0, 0, 5), number=1), slice_at((0, 0, 1), number=9)]
    assert [one.instance_number for one in ordered(slices)] == [9, 1, 2]
    twins = [slice_at((0, 0, 5), number=1), slice_at((0, 0, 5), number=1)]
    assert ordered(twins)[0] is twins[0]


def test_slices_without_a_position_come_last_by_number() -> None:
    slices = [slice_at(None, None, 3), slice_at((0, 0, 7), number=8), slice_at(None, None), slice_at(None, None, 1)]
    assert [one.instance_number for one in ordered(slices)] == [8, 1, 3, None]


def test_nothing_and_one() -> None:
    assert ordered([]) == []
    alone = slice_at(None)
    assert ordered([alone]) == [alone]
