"""`concat_stage`: as `concat_map`, for values, ends, errors and disposal; and without Rx around it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import reactivex as rx
from reactivex import operators as ops
from reactivex.subject import Subject
from reactivex.testing import ReactiveTest, Recorded, TestScheduler

from cornerstream.images.stage import follow
from cornerstream.operators.concat_stage import concat_stage
from cornerstream.operators.map_stage import map_stage

if TYPE_CHECKING:
    from reactivex import Observable

ON_NEXT, ON_COMPLETED, ON_ERROR = ReactiveTest.on_next, ReactiveTest.on_completed, ReactiveTest.on_error
FAILURE = OSError("gone")


class Signals:
    """An observer that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def on_next(self, value: object) -> None:
        self.heard.append(value)

    def on_error(self, error: Exception) -> None:
        self.heard.append(error)

    def on_completed(self) -> None:
        self.heard.append("completed")


@pytest.mark.parametrize(
    "messages",
    [
        [ON_COMPLETED(300)],
        [ON_NEXT(210, 1), ON_COMPLETED(215)],
        [ON_NEXT(210, 1), ON_NEXT(220, 2), ON_NEXT(300, 3), ON_COMPLETED(400)],
        [ON_NEXT(210, 1), ON_NEXT(220, 2), ON_COMPLETED(230)],
        [ON_NEXT(210, 1), ON_ERROR(225, FAILURE)],
        [ON_NEXT(210, 1), ON_NEXT(220, 13), ON_NEXT(230, 3), ON_COMPLETED(300)],
        [ON_NEXT(210, 1), ON_NEXT(220, 14), ON_NEXT(230, 3), ON_COMPLETED(300)],
        [ON_NEXT(210, 1), ON_NEXT(980, 2)],
    ],
    ids=["empty", "one", "many", "done early", "source error", "own error", "inner error", "disposed midway"],
)
def test_it_does_what_concat_map_does(messages: list[Recorded[int]]) -> None:
    results = []
    for operator in (ops.concat_map, concat_stage):
        scheduler = TestScheduler()
        source = scheduler.create_hot_observable(*messages)
        inners: dict[int, Any] = {
            number: scheduler.create_cold_observable(ON_NEXT(10, number), ON_NEXT(30, -number), ON_COMPLETED(40))
            for number in (1, 2, 3)
        } | {14: scheduler.create_cold_observable(ON_NEXT(5, 14), ON_ERROR(15, FAILURE))}

        def inner(number: int, inners: dict[int, Any] = inners) -> Observable[int]:
            if number == 13:
                raise FAILURE
            found: Observable[int] = inners[number]
            return found

        observed = scheduler.start(partial(source.pipe, operator(inner)))
        uses = [
            [(one.subscribe, one.unsubscribe) for one in subscribed.subscriptions]
            for subscribed in [source, *inners.values()]
        ]
        results.append((observed.messages, uses))
    assert results[0] == results[1]


def test_thousands_that_complete_at_once_follow_each_other_without_depth() -> None:
    signals = Signals()
    gate: Subject[int] = Subject()
    follow(rx.concat(gate, rx.range(5000)).pipe(concat_stage(rx.of)), signals)
    gate.on_completed()
    assert signals.heard == [*range(5000), "completed"]


def test_those_that_wait_follow_one_that_completes_late() -> None:
    signals, first, source = Signals(), Subject[int](), Subject[int]()
    follow(source.pipe(concat_stage(lambda value: first if value == 0 else rx.of(value))), signals)
    for value in range(2000):
        source.on_next(value)
    source.on_completed()
    assert signals.heard == []
    first.on_completed()
    assert signals.heard == [*range(1, 2000), "completed"]


def test_disposed_it_leaves_the_source_and_the_observable_of_the_moment() -> None:
    signals, inner, source = Signals(), Subject[int](), Subject[int]()
    subscription = follow(source.pipe(concat_stage(lambda _: inner)), signals)
    source.on_next(1)
    inner.on_next(7)
    assert source.observers
    assert inner.observers
    subscription.dispose()
    subscription.dispose()
    assert not source.observers
    assert not inner.observers
    source.on_next(2)
    assert signals.heard == [7]


def test_disposed_by_who_hears_of_a_value_nothing_follows() -> None:
    source: Subject[int] = Subject()
    heard: list[int] = []
    asked: list[int] = []

    def inner(value: int) -> Observable[int]:
        asked.append(value)
        return rx.of(value, value)

    def show(value: int) -> None:
        heard.append(value)
        subscription.dispose()

    subscription = source.pipe(concat_stage(inner)).subscribe(show)
    source.on_next(1)
    source.on_next(2)
    assert (heard, asked) == ([1], [1])
    assert not source.observers


def test_an_error_while_it_is_subscribed_to_leaves_nothing_behind() -> None:
    signals, rest = Signals(), Subject[int]()
    follow(rx.merge(rx.of(1), rest).pipe(concat_stage(lambda _: rx.throw(FAILURE))), signals)
    assert signals.heard == [FAILURE]
    assert not rest.observers


def test_an_on_next_that_raises_ends_it_with_that_error() -> None:
    signals, source = Signals(), Subject[int]()

    def refuse(_: int) -> int:
        raise FAILURE

    follow(source.pipe(concat_stage(rx.of), map_stage(refuse)), signals)
    source.on_next(1)
    assert signals.heard == [FAILURE]
