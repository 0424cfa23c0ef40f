"""In which order streams load; pure functions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerstream.images.image_id import ImageId
from cornerstream.series import Series
from cornerstream.stream_order import middle_out, plan_of


def series(name: str, count: int) -> Series:
    return Series(tuple(ImageId.parse(f"held:{name}{index}") for index in range(count)), series_instance_uid=name)


A, B = series("a", 3), series("b", 2)


def test_series_after_series_or_interleaved() -> None:
    assert [str(one) for one in plan_of([A, B]).image_ids] == ["held:a0", "held:a1", "held:a2", "held:b0", "held:b1"]
    turns = [(place.series.series_instance_uid, place.index) for place in plan_of([A, B], interleaved=True)]
    assert turns == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2)]


def test_indexes_and_functions() -> None:
    assert [place.index for place in plan_of([A], [2, 0, 2])] == [2, 0, 2]
    assert len(plan_of([A, B], lambda one: [len(one) - 1])) == 2
    assert [place.index for place in plan_of([A, B], lambda one: [len(one) - 1])] == [2, 1]
    assert len(plan_of([])) == 0


@pytest.mark.parametrize("index", [3, -1])
def test_an_index_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError, match=f"index {index} of a series of 3 images"):
        plan_of([A], [0, index])


def test_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="several series"):
        plan_of([A, B], [0])
    with pytest.raises(ValueError, match="no order 'sideways'"):
        plan_of([A], "sideways")  # type: ignore[arg-type]  # what a caller without types may pass


@given(st.integers(0, 50))
def test_from_the_middle_outwards(count: int) -> None:
    order = middle_out(count)
    assert sorted(order) == list(range(count))
    distances = [abs(index - count // 2) for index in order]
    assert distances == sorted(distances)
