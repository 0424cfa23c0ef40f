from __future__ import annotations

import asyncio
import gc
from concurrent.futures import CancelledError
from typing import Any

import pytest
import reactivex as rx
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import Observable
from reactivex import operators as ops
from reactivex.subject import Subject

from cornerstream.operators.bridge import running_tasks
from cornerstream.operators.map_ordered import Ready, map_ordered
from tests.support.leaks import nothing_left, turns
from tests.support.recording import Recorder


class Calls:
    """An async function whose calls end when the test says so."""

    def __init__(self) -> None:
        self.open: dict[int, asyncio.Future[str]] = {}
        self.started: list[int] = []
        self.cancelled: list[int] = []
        self.most = 0

    async def __call__(self, value: int) -> str:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.started.append(value)
        self.open[value] = future
        self.most = max(self.most, len(self.open))
        try:
            return await future
        except asyncio.CancelledError:
            self.cancelled.append(value)
            raise
        finally:
            del self.open[value]

    async def finish(self, *values: int) -> None:
        for value in values:
            self.open[value].set_result(str(value))
            await turns(3)


def several(count: int) -> Observable[int]:
    return rx.from_iterable(range(count))


@pytest.mark.parametrize("count", [0, 1, 5])
async def test_none_one_and_many(count: int) -> None:
    async def same(value: int) -> int:
        await asyncio.sleep(0)
        return value

    async with nothing_left():
        seen = Recorder(several(count).pipe(map_ordered(same, 2)))
        await seen.end()
    assert (seen.values, seen.error) == (list(range(count)), None)


async def test_order_is_kept_and_concurrency_bounded() -> None:
    calls = Calls()
    seen = Recorder(several(4).pipe(map_ordered(calls, 2)))
    await turns()
    assert calls.started == [0, 1]
    await calls.finish(1)
    assert (seen.values, calls.started) == ([], [0, 1, 2])
    await calls.finish(2)
    await calls.finish(0)
    assert seen.values == ["0", "1", "2"]
    await calls.finish(3)
    assert (seen.values, seen.ended, calls.most) == (["0", "1", "2", "3"], True, 2)


async def test_a_slow_call_does_not_let_the_others_run_away() -> None:
    calls = Calls()
    seen = Recorder(several(100).pipe(map_ordered(calls, 2, max_waiting=3)))
    await turns()
    for value in range(1, 5):
        await calls.finish(value)
    assert calls.started == [0, 1, 2, 3, 4]
    await calls.finish(0)
    assert (seen.values, calls.started) == (["0", "1", "2", "3", "4"], [0, 1, 2, 3, 4, 5, 6])
    seen.dispose()
    await turns()


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(8)), st.integers(1, 8), st.integers(0, 4))
def test_any_order_of_ends_gives_the_order_of_the_source(ends: list[int], concurrent: int, waiting: int) -> None:
    async def run() -> None:
        calls = Calls()
        seen = Recorder(several(8).pipe(map_ordered(calls, concurrent, waiting)))
        left = list(ends)
        while left:
            await turns(2)
            value = next(value for value in left if value in calls.open)
            left.remove(value)
            await calls.finish(value)
        assert seen.values == [str(value) for value in range(8)]
        assert seen.ended
        assert calls.most <= concurrent

    asyncio.run(run())


async def test_an_error_of_a_call_comes_in_its_turn_and_cancels_the_others() -> None:
    calls = Calls()
    async with nothing_left():
        seen = Recorder(several(4).pipe(map_ordered(calls, 3)))
        await turns()
        calls.open[1].set_exception(ValueError("own"))
        await turns()
        assert not seen.ended
        await calls.finish(0)
        await turns()
    assert (seen.values, str(seen.error), calls.cancelled) == (["0"], "own", [2, 3])


async def test_an_error_of_the_source_cancels_every_call() -> None:
    calls, source = Calls(), Subject[int]()
    async with nothing_left():
        seen = Recorder(source.pipe(map_ordered(calls, 2)))
        source.on_next(0)
        await turns()
        source.on_error(ValueError("upstream"))
        await turns()
    assert (str(seen.error), calls.cancelled) == ("upstream", [0])


async def test_dispose_midway_cancels_calls_and_upstream() -> None:
    calls, source = Calls(), Subject[int]()
    async with nothing_left():
        seen = Recorder(source.pipe(map_ordered(calls, 2)))
        for value in range(5):
            source.on_next(value)
        await turns()
        seen.dispose()
        assert not source.observers
        await turns()
    assert (sorted(calls.cancelled), calls.started, seen.values, seen.ended) == ([0, 1], [0, 1], [], False)


async def test_dispose_inside_on_next() -> None:
    calls = Calls()
    async with nothing_left():
        seen = Recorder(several(5).pipe(map_ordered(calls, 3), ops.take(1)))
        await turns()
        await calls.finish(1, 0)
        await turns()
    assert (seen.values, seen.ended, sorted(calls.cancelled)) == (["0"], True, [2, 3])


async def test_dispose_from_another_thread() -> None:
    calls = Calls()
    async with nothing_left():
        seen = Recorder(several(5).pipe(map_ordered(calls, 3)))
        await turns()
        await asyncio.to_thread(seen.dispose)
        await turns()
    assert (seen.values, sorted(calls.cancelled)) == ([], [0, 1, 2])


async def test_completion_waits_for_the_last_call() -> None:
    calls, source = Calls(), Subject[int]()
    seen = Recorder(source.pipe(map_ordered(calls, 2)))
    source.on_next(0)
    source.on_completed()
    await turns()
    assert not seen.ended
    await calls.finish(0)
    assert (seen.values, seen.ended) == (["0"], True)


async def test_a_call_that_was_cancelled_elsewhere_does_not_hang() -> None:
    calls = Calls()
    async with nothing_left():
        seen = Recorder(several(2).pipe(map_ordered(calls, 2)))
        await turns()
        calls.open[0].cancel()
        await seen.end()
        await turns()
    assert isinstance(seen.error, CancelledError)


async def test_an_on_next_that_raises_cancels_the_rest_and_is_reported() -> None:
    calls, reported = Calls(), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def on_next(value: str) -> None:
        raise ValueError(value)

    async with nothing_left():
        several(4).pipe(map_ordered(calls, 2)).subscribe(on_next)
        await turns()
        await calls.finish(0)
        await turns()
    gc.collect()
    assert calls.cancelled == [1]
    assert [str(context["exception"]) for context in reported] == ["0"]


async def test_a_source_that_goes_on_inside_on_next_keeps_the_order() -> None:
    source, calls = Subject[int](), Calls()

    def more(value: str) -> None:
        if value == "0":
            source.on_completed()

    seen = Recorder(source.pipe(map_ordered(calls, 2)), more)
    source.on_next(0)
    source.on_next(1)
    await turns()
    await calls.finish(1, 0)
    assert (seen.values, seen.ended) == (["0", "1"], True)


@pytest.mark.parametrize("bounds", [(0, None), (1, -1)])
def test_bounds_that_make_no_sense(bounds: tuple[int, int | None]) -> None:
    with pytest.raises(ValueError, match="at least"):
        map_ordered(Calls(), *bounds)


async def test_results_that_are_ready_keep_their_place_and_need_no_task() -> None:
    first = asyncio.Event()
    called: list[int] = []

    async def slow(value: int) -> int:
        called.append(value)
        await first.wait()
        return value

    def at_once(value: int) -> Ready[int] | None:
        return Ready(10 * value) if value % 2 else None

    seen: list[object] = []
    done = asyncio.Event()
    source = rx.of(1, 2, 3, 5).pipe(map_ordered(slow, at_once=at_once))
    source.subscribe(seen.append, on_completed=done.set)
    assert seen == [10]
    first.set()
    await done.wait()
    assert seen == [10, 2, 30, 50]
    assert called == [2]


async def test_an_error_of_what_should_be_ready_ends_the_sequence() -> None:
    async def never(_: int) -> int:
        raise AssertionError

    def at_once(value: int) -> Ready[int]:
        if value == 2:
            raise OSError("not ready")
        return Ready(value)

    seen: list[object] = []
    rx.of(1, 2, 3).pipe(map_ordered(never, at_once=at_once)).subscribe(seen.append, seen.append)
    assert [str(signal) for signal in seen] == ["1", "not ready"]


async def test_a_future_is_awaited_as_it_is() -> None:
    """Without a task of its own; dispose cancels it before it returns."""
    futures = [asyncio.get_running_loop().create_future() for _ in range(3)]
    tasks = asyncio.all_tasks()
    seen = Recorder(several(3).pipe(map_ordered(futures.__getitem__, 3)))
    assert asyncio.all_tasks() == tasks
    futures[1].set_result("b")
    futures[0].set_result("a")
    await turns(3)
    assert seen.values == ["a", "b"]
    seen.dispose()
    assert futures[2].cancelled()
    await turns(3)
    assert (seen.values, seen.ended) == (["a", "b"], False)


async def test_a_future_that_somebody_else_cancels_is_an_error() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    seen = Recorder(several(1).pipe(map_ordered(lambda _: future)))
    future.cancel()
    await turns(3)
    assert isinstance(seen.error, CancelledError)


async def test_a_function_that_raises_before_it_awaits() -> None:
    def refuse(value: int) -> asyncio.Future[str]:
        raise KeyError(value)

    seen = Recorder(several(3).pipe(map_ordered(refuse)))
    assert isinstance(seen.error, KeyError)
    assert seen.error.args == (0,)


async def test_a_task_that_is_cancelled_from_outside_is_silent() -> None:
    held: set[asyncio.Task[Any]] = set()
    token = running_tasks.set(held)
    seen = Recorder(several(1).pipe(map_ordered(Calls())))
    running_tasks.reset(token)
    await turns(3)
    (task,) = held
    task.cancel()
    await turns(3)
    assert (seen.values, seen.ended) == ([], False)


async def test_what_is_no_exception_of_the_function_is_the_loops() -> None:
    class Stop(BaseException):
        """As KeyboardInterrupt."""

    heard: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: heard.append(context["exception"]))
    future: asyncio.Future[str] = loop.create_future()
    seen = Recorder(several(1).pipe(map_ordered(lambda _: future)))
    future.set_exception(Stop())
    await turns(3)
    assert [type(error) for error in heard] == [Stop]
    assert not seen.ended
