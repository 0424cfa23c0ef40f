"""`map_stage`: as `map`, for values, ends, errors and disposal."""

from __future__ import annotations

from functools import partial

import pytest
import reactivex as rx
from reactivex import operators as ops
from reactivex.subject import Subject
from reactivex.testing import ReactiveTest, Recorded, TestScheduler

from cornerstream.images.stage import follow
from cornerstream.operators.map_stage import map_stage
from tests.support.recording import Signals

ON_NEXT, ON_COMPLETED, ON_ERROR = ReactiveTest.on_next, ReactiveTest.on_completed, ReactiveTest.on_error
FAILURE = OSError("gone")


def double(value: int) -> int:
    if value == 13:
        raise FAILURE
    return 2 * value


@pytest.mark.parametrize(
    "messages",
    [
        [ON_COMPLETED(300)],
        [ON_NEXT(210, 1), ON_COMPLETED(300)],
        [ON_NEXT(210, 1), ON_NEXT(220, 2), ON_NEXT(230, 3), ON_COMPLETED(300)],
        [ON_NEXT(210, 1), ON_ERROR(220, FAILURE)],
        [ON_NEXT(210, 1), ON_NEXT(220, 13), ON_NEXT(230, 3), ON_COMPLETED(300)],
        [ON_NEXT(210, 1), ON_NEXT(1100, 2)],
    ],
    ids=["empty", "one", "many", "source error", "own error", "disposed midway"],
)
def test_it_does_what_map_does(messages: list[Recorded[int]]) -> None:
    results = []
    for operator in (ops.map(double), map_stage(double)):
        scheduler = TestScheduler()
        source = scheduler.create_hot_observable(*messages)
        observed = scheduler.start(partial(source.pipe, operator))
        results.append((observed.messages, [(one.subscribe, one.unsubscribe) for one in source.subscriptions]))
    assert results[0] == results[1]


def test_after_its_own_error_nothing_follows_even_without_rx_around_it() -> None:
    subject: Subject[int] = Subject()
    signals: list[object] = []
    mapped = subject.pipe(map_stage(double), map_stage(lambda value: value))
    mapped.subscribe(signals.append, signals.append, lambda: signals.append("completed"))
    subject.on_next(13)
    subject.on_next(1)
    subject.on_completed()
    assert signals == [FAILURE]
    assert not subject.observers


def test_a_chain_of_stages_hears_of_a_source_that_is_done_at_once() -> None:
    signals: list[object] = []
    rx.of(1, 2).pipe(map_stage(double), map_stage(double)).subscribe(
        signals.append, signals.append, lambda: signals.append("|")
    )
    assert signals == [4, 8, "|"]


def test_followed_directly_it_is_silent_after_its_own_error() -> None:
    subject: Subject[int] = Subject()
    listener = Signals[int]()
    follow(subject.pipe(map_stage(double)), listener)
    subject.on_next(13)
    subject.on_next(1)
    subject.on_completed()
    assert listener.signals == [FAILURE]
