"""`or_else`: its list of cases, and what its errors say."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
import reactivex as rx
from reactivex import Observer
from reactivex import operators as ops
from reactivex.disposable import Disposable, SerialDisposable
from reactivex.subject import Subject
from reactivex.testing import ReactiveTest, TestScheduler

from cornerstream.images.errors import FetchError, HttpStatusError, ImageIdError
from cornerstream.images.stage import Stage, follow
from cornerstream.operators.or_else import first_of_both, or_else

if TYPE_CHECKING:
    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

ON_NEXT, ON_COMPLETED, ON_ERROR = ReactiveTest.on_next, ReactiveTest.on_completed, ReactiveTest.on_error
REFUSED = HttpStatusError("answered 500", status=500)
GONE = FetchError("gone")


def counts(error: Exception) -> bool:
    return isinstance(error, HttpStatusError)


class Heard:
    """One subscription with both ways in hand."""

    def __init__(self) -> None:
        self.first: Subject[str] = Subject()
        self.second: Subject[str] = Subject()
        self.values: list[str] = []
        self.errors: list[Exception] = []
        self.completed = 0
        self.subscription = self.first.pipe(or_else(self.second, counts)).subscribe(
            self.values.append, self.errors.append, self._complete
        )

    def _complete(self) -> None:
        self.completed += 1

    @property
    def observed(self) -> tuple[int, int]:
        return len(self.first.observers), len(self.second.observers)


@pytest.mark.parametrize("values", [[], ["a"], ["a", "b", "c"]])
def test_the_first_way_is_the_only_one_while_it_leads_there(values: list[str]) -> None:
    heard = Heard()
    for value in values:
        heard.first.on_next(value)
    assert heard.observed == (1, 0)
    heard.first.on_completed()
    assert (heard.values, heard.errors, heard.completed) == (values, [], 1)
    assert heard.observed == (0, 0)


@pytest.mark.parametrize("values", [[], ["a"], ["a", "b", "c"]])
def test_an_error_that_counts_is_never_heard_of(values: list[str]) -> None:
    heard = Heard()
    heard.first.on_error(REFUSED)
    assert heard.observed == (0, 1)
    for value in values:
        heard.second.on_next(value)
    heard.second.on_completed()
    assert (heard.values, heard.errors, heard.completed) == (values, [], 1)


def test_another_error_passes() -> None:
    heard = Heard()
    heard.first.on_error(GONE)
    assert (heard.errors, heard.observed) == ([GONE], (0, 0))


def test_what_has_been_emitted_is_not_emitted_again() -> None:
    heard = Heard()
    heard.first.on_next("a")
    heard.first.on_error(REFUSED)
    assert (heard.values, heard.errors, heard.observed) == (["a"], [REFUSED], (0, 0))


def test_the_error_of_both_is_the_first_and_tells_of_the_second() -> None:
    heard = Heard()
    heard.first.on_error(REFUSED)
    heard.second.on_error(ImageIdError("no such frame", image_id="wadors:http://pacs/frames/9"))
    (error,) = heard.errors
    assert isinstance(error, HttpStatusError)
    assert (error.status, str(error)) == (500, "answered 500; the other way: no such frame")
    assert isinstance(error.__cause__, ImageIdError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(REFUSED) == "answered 500"  # that of others who hear of it


def test_an_error_of_the_second_way_behind_its_values_is_its_own() -> None:
    heard = Heard()
    heard.first.on_error(REFUSED)
    heard.second.on_next("a")
    heard.second.on_error(GONE)
    assert (heard.values, heard.errors) == (["a"], [GONE])


def test_an_error_of_another_kind_is_left_as_it_is() -> None:
    odd = KeyError("odd")
    assert first_of_both(odd, GONE) is odd


def test_which_error_counts_in_the_end_may_be_chosen() -> None:
    errors: list[Exception] = []
    second: rx.Observable[str] = rx.throw(GONE)
    rx.throw(REFUSED).pipe(or_else(second, counts, lambda _, error: error)).subscribe(on_error=errors.append)
    assert errors == [GONE]


@pytest.mark.parametrize("refused", [False, True])
def test_disposed_in_either_way(refused: bool) -> None:
    heard = Heard()
    if refused:
        heard.first.on_error(REFUSED)
    assert heard.observed == ((0, 1) if refused else (1, 0))
    heard.subscription.dispose()
    assert heard.observed == (0, 0)
    assert (heard.values, heard.errors, heard.completed) == ([], [], 0)


def test_a_consumer_that_leaves_while_the_second_way_is_subscribed_to_leaves_it() -> None:
    first: Subject[str] = Subject()
    left: list[str] = []

    def subscribe(observer: ObserverBase[str], _: SchedulerBase | None = None) -> DisposableBase:
        observer.on_next("a")
        return Disposable(lambda: left.append("left"))

    subscription = SerialDisposable()
    observer = Observer[str](lambda _: subscription.dispose())
    subscription.disposable = follow(first.pipe(or_else(Stage(subscribe), counts)), observer)
    first.on_error(REFUSED)
    assert left == ["left"]


def test_both_ways_may_end_at_once_and_a_consumer_may_leave_in_between() -> None:
    second: Subject[str] = Subject()
    values: list[str] = []
    rx.throw(REFUSED).pipe(or_else(rx.of("a", "b"), counts), ops.take(1)).subscribe(values.append)
    assert values == ["a"]
    rx.throw(REFUSED).pipe(or_else(second, counts), ops.take(1)).subscribe(values.append)
    second.on_next("c")
    assert (values, second.observers) == (["a", "c"], [])


def test_when_each_way_is_subscribed_to() -> None:
    scheduler = TestScheduler()
    first = scheduler.create_cold_observable(ON_ERROR(50, REFUSED))
    second = scheduler.create_cold_observable(ON_NEXT(20, "a"), ON_COMPLETED(30))
    result = scheduler.start(lambda: first.pipe(or_else(second, counts)))
    assert result.messages == [ON_NEXT(270, "a"), ON_COMPLETED(280)]
    assert first.subscriptions == [ReactiveTest.subscribe(200, 250)]
    assert second.subscriptions == [ReactiveTest.subscribe(250, 280)]


def test_disposed_in_virtual_time() -> None:
    scheduler = TestScheduler()
    first = scheduler.create_cold_observable(ON_ERROR(50, REFUSED))
    second = scheduler.create_cold_observable(ON_NEXT(20, "a"), ON_COMPLETED(300))
    result = scheduler.start(lambda: first.pipe(or_else(second, counts)), disposed=400)
    assert result.messages == [ON_NEXT(270, "a")]
    assert second.subscriptions == [ReactiveTest.subscribe(250, 400)]
