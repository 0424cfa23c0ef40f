"""Policies as pure functions: what holds for every situation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.images.image_id import ImageId
from cornerstream.policies import Directional, Situation, Window, around, in_order, just_in_time, middle_out
from cornerstream.series import Series
from cornerstream.study_policies import StudySituation, next_series, priors_last

COUNTS = st.integers(1, 60)
WHOLE = (around, in_order, middle_out)
NEAR = (Directional(), Directional(0, 0, 0.0, 0), Directional(3, 5, 1.0, 1), Window(), Window(0, 0))


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    count = draw(COUNTS)
    indexes = st.integers(0, count - 1)
    return Situation(
        count=count,
        position=draw(indexes),
        direction=draw(st.sampled_from([-1, 0, 1])),
        image_bytes=draw(st.integers(0, 10)),
        budget_bytes=draw(st.integers(0, 400)),
        speed=draw(st.floats(0, 60)),
        sizes=draw(st.sampled_from([(), tuple(index % 7 for index in range(count))])),
        cached=draw(st.frozensets(indexes)),
        loading=draw(st.frozensets(indexes)),
        load_seconds=draw(st.floats(0, 1)),
    )


@settings(max_examples=50, deadline=None)
@given(situations())
def test_wishes_are_indexes_of_the_series_each_once_and_always_the_same(situation: Situation) -> None:
    for policy in (*WHOLE, *NEAR):
        wishes = list(policy(situation))
        assert len(set(wishes)) == len(wishes)
        assert all(0 <= index < situation.count for index in wishes)
        assert wishes == list(policy(situation))


@settings(max_examples=50, deadline=None)
@given(situations())
def test_wishes_stay_within_the_budget(situation: Situation) -> None:
    for policy in (*WHOLE, *NEAR):
        wishes = policy(situation)
        needed = sum(situation.size_of(index) for index in wishes)
        beside = needed - situation.size_of(situation.position) if policy in NEAR else needed
        assert needed <= situation.budget_bytes or beside == 0


@settings(max_examples=50, deadline=None)
@given(situations())
def test_the_position_comes_first(situation: Situation) -> None:
    for policy in NEAR:
        assert policy(situation)[0] == situation.position
    assert list(around(situation))[:1] in ([situation.position], [])


@settings(max_examples=50, deadline=None)
@given(situations(), st.integers(0, 400))
def test_a_larger_budget_only_adds_at_the_end(situation: Situation, more: int) -> None:
    larger = replace(situation, budget_bytes=situation.budget_bytes + more)
    for policy in (*WHOLE, *NEAR):
        wishes = list(policy(situation))
        assert list(policy(larger))[: len(wishes)] == wishes


@settings(max_examples=50, deadline=None)
@given(situations(), st.floats(0, 60))
def test_who_goes_faster_reaches_further_and_never_less(situation: Situation, more: float) -> None:
    wealthy = replace(situation, budget_bytes=1 << 20)
    slow, fast = (
        set(Directional()(replace(wealthy, speed=speed))) for speed in (situation.speed, situation.speed + more)
    )
    assert slow - situation.loading <= fast


@settings(max_examples=50, deadline=None)
@given(situations())
def test_without_a_bound_whole_policies_wish_for_all(situation: Situation) -> None:
    wealthy = replace(situation, budget_bytes=1 << 20)
    for policy in WHOLE:
        assert sorted(policy(wealthy)) == list(range(situation.count))


@settings(max_examples=50, deadline=None)
@given(situations())
def test_just_in_time_keeps_the_position_and_the_order_and_begins_one(situation: Situation) -> None:
    wishes = Directional()(replace(situation, budget_bytes=1 << 20))
    due = just_in_time(wishes, situation)
    assert due[0] == situation.position
    assert due == [index for index in wishes if index in due]
    new = set(due[1:]) - situation.cached - situation.loading
    assert len(new) <= 1
    assert not set(just_in_time(wishes, situation, begin=False)[1:]) - situation.cached - situation.loading


def test_the_window_leans_ahead_and_reaches_with_the_speed() -> None:
    rich = Situation(100, 50, 1, 1, 1 << 20)
    assert sorted(Directional(8, 2)(rich)) == list(range(48, 59))
    assert sorted(Directional(8, 2)(replace(rich, direction=-1))) == list(range(42, 53))
    assert max(Directional(8, 2, 0.5)(replace(rich, speed=20))) == 68


def test_a_wobble_of_one_index_drops_nothing_that_loads() -> None:
    policy, before = Directional(), Situation(100, 50, 1, 1, 1 << 20)
    loading = frozenset(policy(before))
    for position in (49, 51):
        assert loading <= set(policy(replace(before, position=position, loading=loading)))
    assert not loading <= set(policy(replace(before, position=55, loading=loading)))


def test_sizes_of_their_own_count() -> None:
    assert in_order(Situation(4, budget_bytes=10, sizes=(4, 5, 6, 1))) == [0, 1]
    assert in_order(Situation(4, budget_bytes=0)) == [0, 1, 2, 3]  # sizes are not known
    assert middle_out(Situation(0)) == around(Situation(0)) == []


# Studies


def series(count: int, study: str = "1", image_bytes: int = 1) -> Series:
    return Series(
        tuple(ImageId.parse(f"held:{index}") for index in range(count)),
        study_instance_uid=study,
        image_bytes=image_bytes,
    )


def test_the_next_series_of_a_study() -> None:
    study = [series(2), series(1), series(3)]
    assert list(next_series(StudySituation(study, 1, 100))) == [(1, 0), (2, 0), (2, 1), (2, 2), (0, 0), (0, 1)]
    assert list(next_series(StudySituation(study, 1, 2))) == [(1, 0), (2, 0)]
    assert list(next_series(StudySituation([], 0, 2))) == list(priors_last(StudySituation([]))) == []


def test_priors_come_last() -> None:
    study = [series(1, "old"), series(1), series(1, "older"), series(1)]
    assert list(priors_last(StudySituation(study, 1, 100))) == [(1, 0), (3, 0), (2, 0), (0, 0)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=5), st.data())
def test_study_wishes_are_images_each_once_within_the_budget(counts: list[int], data: st.DataObject) -> None:
    study = [series(count, str(place % 2), place) for place, count in enumerate(counts)]
    current, budget = data.draw(st.integers(0, len(study) - 1)), data.draw(st.integers(0, 60))
    for policy in (next_series, priors_last):
        wishes = list(policy(StudySituation(study, current, budget)))
        assert len(set(wishes)) == len(wishes)
        assert all(0 <= index < counts[place] for place, index in wishes)
        assert sum(study[place].image_bytes for place, _ in wishes) <= budget
        wealthy = list(policy(StudySituation(study, current, 1 << 20)))
        assert wealthy[: len(wishes)] == wishes
        assert len(wealthy) == sum(counts)


@pytest.mark.parametrize("policy", [next_series, priors_last])
def test_the_series_shown_now_comes_first(policy: object) -> None:
    assert callable(policy)
    assert next(iter(policy(StudySituation([series(2), series(2)], 1, 100)))) == (1, 0)
