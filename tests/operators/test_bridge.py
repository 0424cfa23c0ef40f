from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

import pytest
from reactivex import Observable
from reactivex import operators as ops
from reactivex.disposable import SingleAssignmentDisposable
from reactivex.observer import Observer

from cornerstream.operators.bridge import from_async_generator, from_coroutine, running_tasks
from tests.support.leaks import nothing_left, turns
from tests.support.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class Source:
    """An async generator that yields what it is told to, then waits, fails or ends; and says when it was closed."""

    def __init__(
        self, *values: int, error: Exception | None = None, hang: bool = False, fail_closing: bool = False
    ) -> None:
        self.values = values
        self.error = error
        self.hang = hang
        self.fail_closing = fail_closing
        self.started = 0
        self.closed = 0

    async def __call__(self) -> AsyncGenerator[int, None]:
        self.started += 1
        try:
            for value in self.values:
                await asyncio.sleep(0)
                yield value
            if self.error:
                raise self.error
            if self.hang:
                await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.closed += 1
            if self.fail_closing:
                raise OSError("while closing")

    def observable(self) -> Observable[int]:
        return from_async_generator(self)


@pytest.mark.parametrize("values", [(), (1,), (1, 2, 3)])
async def test_values_come_in_order_and_completion_after_the_generator_has_closed(values: tuple[int, ...]) -> None:
    source, at_completion = Source(*values), list[int]()
    async with nothing_left():
        seen = Recorder(
            source.observable().pipe(ops.do_action(on_completed=lambda: at_completion.append(source.closed)))
        )
        await seen.end()
    assert (seen.values, seen.error) == (list(values), None)
    assert at_completion == [1]


async def test_an_error_comes_after_the_values_and_after_closing() -> None:
    error = ValueError("x")
    source, at_error = Source(1, error=error), list[int]()
    seen = Recorder(source.observable().pipe(ops.do_action(on_error=lambda _: at_error.append(source.closed))))
    await seen.end()
    assert (seen.values, seen.error, at_error) == ([1], error, [1])


async def test_it_is_cold() -> None:
    source = Source(1)
    observable = source.observable()
    await turns()
    assert source.started == 0
    first, second = Recorder(observable), Recorder(observable)
    await first.end()
    await second.end()
    assert (source.started, first.values, second.values) == (2, [1], [1])


async def test_dispose_midway_closes_the_generator_and_silences_it() -> None:
    source = Source(1, hang=True)
    async with nothing_left():
        seen = Recorder(source.observable())
        await seen.count(1)
        seen.dispose()
        seen.dispose()
        await turns()
    assert (source.closed, seen.values, seen.ended) == (1, [1], False)


async def test_dispose_before_the_first_step_never_starts_it() -> None:
    source = Source(1)
    async with nothing_left():
        seen = Recorder(source.observable())
        seen.dispose()
        await turns()
    assert (source.started, seen.values) == (0, [])


async def test_an_error_while_closing_after_dispose_is_for_nobody() -> None:
    source = Source(1, hang=True, fail_closing=True)
    seen = Recorder(source.observable())
    await seen.count(1)
    seen.dispose()
    await turns()
    assert (source.closed, seen.error) == (1, None)


async def test_an_error_while_closing_is_the_observers_to_see() -> None:
    seen = Recorder(Source(1, fail_closing=True).observable())
    await seen.end()
    assert str(seen.error) == "while closing"


async def test_dispose_inside_on_next_ends_the_generator_there() -> None:
    source, subscription, values = Source(1, 2, 3), SingleAssignmentDisposable(), list[int]()

    def on_next(value: int) -> None:
        values.append(value)
        subscription.dispose()

    async with nothing_left():
        subscription.disposable = source.observable().subscribe(on_next)
        await turns(20)
    assert (values, source.closed) == ([1], 1)


async def test_take_ends_the_generator() -> None:
    source = Source(1, 2, 3, hang=True)
    async with nothing_left():
        seen = Recorder(source.observable().pipe(ops.take(2)))
        await seen.end()
    assert (seen.values, source.closed) == ([1, 2], 1)


async def test_dispose_from_another_thread_is_silent_at_once_and_closes_on_the_loop() -> None:
    closed_in = asyncio.Queue[threading.Thread]()

    async def endless() -> AsyncGenerator[int, None]:
        try:
            while True:
                await asyncio.sleep(0)
                yield 1
        finally:
            closed_in.put_nowait(threading.current_thread())

    async with nothing_left():
        for _ in range(30):
            seen = Recorder(from_async_generator(endless))
            await seen.count(3)
            await asyncio.to_thread(seen.dispose)
            count = len(seen.values)
            assert await asyncio.wait_for(closed_in.get(), 5) is threading.current_thread()
            await turns()
            assert (len(seen.values), seen.error) == (count, None)


async def test_an_on_next_that_raises_ends_the_subscription_and_is_reported() -> None:
    source, reported = Source(1, 2, hang=True), list[dict[str, Any]]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context))

    def on_next(value: int) -> None:
        raise ValueError(value)

    async with nothing_left():
        source.observable().subscribe(on_next)
        await turns(20)
    gc.collect()
    assert source.closed == 1
    assert [str(context["exception"]) for context in reported] == ["1"]


async def test_a_raising_mapper_is_an_error_of_the_stream() -> None:
    source = Source(1, hang=True)

    def divide(value: int) -> int:
        return value // 0

    async with nothing_left():
        seen = Recorder(source.observable().pipe(ops.map(divide)))
        await seen.end()
        await turns()
    assert isinstance(seen.error, ZeroDivisionError)
    assert source.closed == 1


async def test_a_cancelled_inner_call_does_not_hang_the_observer() -> None:
    async def awaits_what_is_cancelled() -> int:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        future.cancel()
        return await future

    seen = Recorder(from_coroutine(awaits_what_is_cancelled))
    await seen.end()
    assert isinstance(seen.error, CancelledError)


async def test_a_task_cancelled_from_outside_is_silent() -> None:
    source, tasks = Source(1, hang=True), set[asyncio.Task[None]]()
    token = running_tasks.set(tasks)
    seen = Recorder(source.observable())
    running_tasks.reset(token)
    await seen.count(1)
    (task,) = tasks
    task.cancel()
    await turns()
    assert (source.closed, seen.ended, tasks) == (1, False, set())


async def test_a_held_disposable_keeps_no_observer_alive() -> None:
    observer = Observer[int]()
    alive = weakref.ref(observer)
    # Beneath reactivex's own AutoDetachObserver, which keeps its closures.
    subscription = Source(1, hang=True).observable()._subscribe_core(observer)
    await turns()
    subscription.dispose()
    del observer
    await turns()
    gc.collect()
    assert alive() is None


async def test_dispose_after_the_end_and_after_the_loop_is_harmless() -> None:
    seen = Recorder(Source(1).observable())
    await seen.end()
    seen.dispose()


def test_dispose_after_the_loop_has_closed_is_harmless() -> None:
    async def subscribe() -> Recorder[int]:
        return Recorder(Source(1, hang=True).observable())

    seen = asyncio.run(subscribe())
    seen.dispose()
    assert seen.values == []


def test_subscribing_without_a_loop_says_so() -> None:
    with pytest.raises(RuntimeError, match="loop"):
        Source(1).observable().subscribe()


async def test_one_value_of_a_coroutine() -> None:
    async def three() -> int:
        return 3

    seen = Recorder(from_coroutine(three))
    await seen.end()
    assert seen.values == [3]
