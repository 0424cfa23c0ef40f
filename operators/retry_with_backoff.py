"""`retry_with_backoff`: another attempt after a transient failure, while nothing has been emitted yet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from reactivex import Observable
from reactivex.disposable import CompositeDisposable, SerialDisposable, SingleAssignmentDisposable
from reactivex.scheduler.eventloop import AsyncIOScheduler
from tenacity import RetryCallState, Retrying
from tenacity.retry import retry_if_exception
from tenacity.stop import stop_after_attempt
from tenacity.wait import wait_base, wait_exponential, wait_random

from cornerstream.images.errors import HttpStatusError
from cornerstream.operators.fetch_errors import is_transient

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

T = TypeVar("T")


class wait_retry_after(wait_base):  # noqa: N801 - tenacity's waits are named so
    """Waits as long as the server's Retry-After field asks, else as `otherwise` says."""

    def __init__(self, otherwise: wait_base) -> None:
        self._otherwise = otherwise

    def __call__(self, retry_state: RetryCallState) -> float:
        """Seconds to wait after the failed attempt."""
        asked = _retry_after(_failure(retry_state))
        return self._otherwise(retry_state) if asked is None else asked


def backoff_policy(
    attempts: int = 4,
    first_delay: float = 0.2,
    max_delay: float = 5.0,
    jitter: float = 0.2,
    longest_retry_after: float = 30.0,
) -> Retrying:
    """When to try again, and how long to wait: the delays double up to `max_delay`.

    Args:
        attempts: Attempts in all, from 1.
        first_delay: Seconds before the second attempt.
        max_delay: Longest delay in seconds.
        jitter: Up to so many seconds are added at random, so that many clients do not come back at once.
        longest_retry_after: A server that asks to wait longer than this many seconds is not asked again.
    """
    delays = wait_exponential(multiplier=first_delay, max=max_delay) + wait_random(0, jitter)

    def worthwhile(error: BaseException) -> bool:
        return is_transient(error) and (_retry_after(error) or 0.0) <= longest_retry_after

    return Retrying(
        stop=stop_after_attempt(attempts), wait=wait_retry_after(delays), retry=retry_if_exception(worthwhile)
    )


def retry_with_backoff(
    attempts: int = 4,
    first_delay: float = 0.2,
    max_delay: float = 5.0,
    jitter: float = 0.2,
    longest_retry_after: float = 30.0,
    scheduler: SchedulerBase | None = None,
) -> Callable[[Observable[T]], Observable[T]]:
    """Subscribe again after a transient error (see `is_transient`), unless something has been emitted already.

    ::

        source   ──#             (503)
        again        ····──#     (reset)
        result   ─────────────────────········──a──|      the last error comes out when the attempts are used up

    Order is the source's; one subscription at a time; dispose cancels the source or the timer.

    Args:
        attempts: See `backoff_policy`, as for the other numbers.
        first_delay: Seconds before the second attempt.
        max_delay: Longest delay in seconds.
        jitter: Seconds added at random, at most.
        longest_retry_after: Most seconds that a server may ask to wait.
        scheduler: Where delays are timed; the loop running at subscription if it is `None`.
    """
    policy = backoff_policy(attempts, first_delay, max_delay, jitter, longest_retry_after)

    def operator(source: Observable[T]) -> Observable[T]:
        def subscribe(observer: ObserverBase[T], outer: SchedulerBase | None = None) -> DisposableBase:
            timing = scheduler or AsyncIOScheduler(asyncio.get_running_loop())
            run = _Attempts(source, observer, policy, timing)
            run.attempt(outer)
            return CompositeDisposable(run.timer, run.subscription)

        return Observable(subscribe)

    return operator


class _Attempts(Generic[T]):
    """One subscription and its attempts."""

    def __init__(
        self, source: Observable[T], observer: ObserverBase[T], policy: Retrying, timing: SchedulerBase
    ) -> None:
        self.subscription = SerialDisposable()
        self.timer = SerialDisposable()
        self._source = source
        self._observer = observer
        self._policy = policy
        self._timing = timing
        self._state = RetryCallState(policy, None, (), {})
        self._emitted = False

    def attempt(self, scheduler: SchedulerBase | None) -> None:
        inner = SingleAssignmentDisposable()
        # In place before it is filled: a source that fails at once starts the next attempt from inside `subscribe`.
        self.subscription.disposable = inner
        inner.disposable = self._source.subscribe(
            self._on_next, self._on_error, self._observer.on_completed, scheduler=scheduler
        )

    def _on_next(self, value: T) -> None:
        self._emitted = True
        self._observer.on_next(value)

    def _on_error(self, error: Exception) -> None:
        state, policy = self._state, self._policy
        state.set_exception((type(error), error, error.__traceback__))
        if self._emitted or not policy.retry(state) or policy.stop(state):
            self._observer.on_error(error)
            return
        delay = policy.wait(state)
        state.prepare_for_next_attempt()
        self.timer.disposable = self._timing.schedule_relative(delay, self._again)

    def _again(self, scheduler: SchedulerBase, _: object = None) -> None:
        self.attempt(scheduler)


def _failure(state: RetryCallState) -> BaseException | None:
    return None if state.outcome is None else state.outcome.exception()


def _retry_after(error: BaseException | None) -> float | None:
    return error.retry_after if isinstance(error, HttpStatusError) else None
