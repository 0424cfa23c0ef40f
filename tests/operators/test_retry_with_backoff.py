from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

import pytest
import reactivex as rx
from reactivex import Observable
from reactivex.testing import ReactiveTest, TestScheduler

from cornerstream.images.errors import (
    DecodeError,
    FetchError,
    HttpStatusError,
    ImageIdError,
    LimitError,
    SplitError,
    TruncatedError,
)
from cornerstream.operators.fetch import fetch, read_body
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.retry_with_backoff import retry_with_backoff
from cornerstream.operators.transport import AiohttpTransport
from tests.support.leaks import nothing_left, turns
from tests.support.raw_server import Step, head, ok, raw_server
from tests.support.recording import Recorder

if TYPE_CHECKING:
    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
    from reactivex.testing.recorded import Recorded

on_next, on_error, on_completed = ReactiveTest.on_next, ReactiveTest.on_error, ReactiveTest.on_completed


def unavailable(retry_after: float | None = None) -> HttpStatusError:
    return HttpStatusError("busy", status=503, retry_after=retry_after)


def failed(number: int | None = None) -> FetchError:
    error = FetchError("failed")
    error.errno = number
    return error


class Attempts:
    """A source whose nth subscription is the nth cold observable; notes when each began."""

    def __init__(self, scheduler: TestScheduler, *attempts: list[Recorded[str]]) -> None:
        self.began: list[float] = []
        self._scheduler = scheduler
        self._cold = [scheduler.create_cold_observable(attempt) for attempt in attempts]
        self.observable: Observable[str] = Observable(self._subscribe)

    def _subscribe(self, observer: ObserverBase[str], scheduler: SchedulerBase | None = None) -> DisposableBase:
        self.began.append(self._scheduler.clock)
        cold = self._cold[min(len(self.began), len(self._cold)) - 1]
        return cold.subscribe(observer, scheduler=scheduler)

    @property
    def disposed(self) -> list[list[float]]:
        return [[subscription.unsubscribe for subscription in cold.subscriptions] for cold in self._cold]


def run(
    *attempts: list[Recorded[str]], count: int = 4, disposed: float = 100_000, longest_retry_after: float = 30
) -> tuple[list[float], list[Recorded[str]], Attempts]:
    """Subscribe at 200 in virtual seconds: (times of the attempts, what came, the source)."""
    scheduler = TestScheduler()
    source = Attempts(scheduler, *attempts)
    retried = source.observable.pipe(
        retry_with_backoff(count, 10, 35, 0, longest_retry_after=longest_retry_after, scheduler=scheduler)
    )
    result = scheduler.start(lambda: retried, disposed=disposed)
    return source.began, list(result.messages), source


def test_a_source_that_succeeds_is_left_alone() -> None:
    began, messages, _ = run([on_next(5, "a"), on_next(6, "b"), on_completed(7)])
    assert (began, messages) == ([200], [on_next(205, "a"), on_next(206, "b"), on_completed(207)])


def test_an_empty_source_completes() -> None:
    assert run([on_completed(5)])[:2] == ([200], [on_completed(205)])


def test_a_transient_error_is_followed_by_another_attempt() -> None:
    began, messages, _ = run([on_error(5, unavailable())], [on_next(1, "a"), on_completed(2)])
    assert (began, messages) == ([200, 215], [on_next(216, "a"), on_completed(217)])


def test_delays_double_up_to_the_longest_and_the_last_error_comes_out() -> None:
    error = unavailable()
    began, messages, _ = run([on_error(5, error)], count=5)
    assert began == [200, 215, 240, 280, 320]  # 10, 20, 35 and 35 after each failure
    assert messages == [on_error(325, error)]


def test_a_source_that_fails_at_once_is_retried_too() -> None:
    scheduler, began = TestScheduler(), list[float]()

    def attempt(_: object) -> Observable[str]:
        began.append(scheduler.clock)
        return rx.throw(unavailable()) if len(began) < 3 else rx.just("a")

    result = scheduler.start(
        lambda: rx.defer(attempt).pipe(retry_with_backoff(4, 10, 35, 0, scheduler=scheduler)), disposed=1000
    )
    assert began == [200, 210, 230]
    assert result.messages == [on_next(230, "a"), on_completed(230)]


def test_the_server_says_when() -> None:
    began, _, _ = run([on_error(5, unavailable(retry_after=25))], [on_completed(1)])
    assert began == [200, 230]


def test_a_server_that_asks_for_too_long_is_not_asked_again() -> None:
    error = unavailable(retry_after=31)
    assert run([on_error(5, error)])[:2] == ([200], [on_error(205, error)])


def test_nothing_is_repeated_once_something_was_emitted() -> None:
    error = unavailable()
    assert run([on_next(4, "a"), on_error(5, error)])[:2] == ([200], [on_next(204, "a"), on_error(205, error)])


TRANSIENT = [
    *(HttpStatusError("", status=status) for status in (429, 502, 503, 504)),
    *(failed(number) for number in (errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT)),
    TruncatedError("short"),
]
FINAL = [
    *(HttpStatusError("", status=status) for status in (206, 400, 401, 403, 404, 406, 410, 500, 501)),
    failed(), failed(errno.EACCES), LimitError(""), ImageIdError(""), SplitError(""), DecodeError(""),
    ValueError(""), ConnectionResetError(errno.ECONNRESET, "not ours"),
]  # fmt: skip


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
def test_errors_worth_another_attempt(error: Exception) -> None:
    assert len(run([on_error(1, error)], [on_completed(1)])[0]) == 2


@pytest.mark.parametrize("error", FINAL, ids=repr)
def test_errors_that_stay(error: Exception) -> None:
    assert run([on_error(1, error)])[:2] == ([200], [on_error(201, error)])


def test_dispose_while_a_source_runs() -> None:
    began, messages, source = run([on_error(5, unavailable())], [on_next(100, "a")], disposed=250)
    assert (began, messages, source.disposed) == ([200, 215], [], [[205], [250]])


def test_dispose_while_it_waits() -> None:
    began, messages, _ = run([on_error(5, unavailable())], disposed=210)
    assert (began, messages) == ([200], [])


async def test_a_503_and_a_reset_then_200_over_the_network() -> None:
    scripts = (head(503, "Content-Length: 0", "Retry-After: 0"),), (Step.RESET,), (ok(b"at last"),)
    async with nothing_left(), raw_server(*scripts) as server, AiohttpTransport() as http:
        bodies = rx.just(HttpRequest(server.url())).pipe(fetch(http), read_body(100))
        seen = Recorder(bodies.pipe(retry_with_backoff(first_delay=0.001, jitter=0)))
        await seen.end()
    assert (seen.values, seen.error) == ([b"at last"], None)
    assert len(server.heads) == 3


async def test_dispose_on_the_loop_leaves_no_timer() -> None:
    subscribed = list[int]()

    def attempt(_: object) -> Observable[int]:
        subscribed.append(1)
        return rx.throw(unavailable())

    async with nothing_left():
        seen = Recorder(rx.defer(attempt).pipe(retry_with_backoff(first_delay=0.001, jitter=0)))
        seen.dispose()
        fired = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, fired.set)
        await fired.wait()
        await turns()
    assert (subscribed, seen.ended) == ([1], False)
