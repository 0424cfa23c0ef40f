"""How calls of the worker lane end other than well: closed, broken, refused, too late, or with nobody left to hear of it."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from concurrent.futures import BrokenExecutor

import pytest

from cornerstream.images.errors import DecodeError, LimitError
from cornerstream.loop_host import LoopHost
from cornerstream.process_workers import ProcessWorkers
from cornerstream.ranks import RankCell
from cornerstream.worker_calls import Terms
from cornerstream.worker_lane import WorkerLane
from cornerstream.workers import WorkerScheduler
from tests.support.lane_bench import Bench, same, turn
from tests.support.leaks import nothing_left
from tests.support.manual_pool import ManualPool, OnePool

pytestmark = pytest.mark.usefixtures("nothing_fails_in_the_loop")


async def test_closed_with_calls_everywhere() -> None:
    bench = Bench()
    running, deck, waiting = (bench.call(name) for name in "abc")
    gone = bench.call("d")
    gone.cancel()
    bench.lane.close()
    for call in (deck, waiting, bench.call("late")):
        with pytest.raises(DecodeError, match="session is closed"):
            await call
    assert bench.pool.queued == 0
    assert bench.lane.jobs == list(bench.pool.running.values())
    bench.pool.end("a")
    assert await running == "a"
    assert (bench.figures, bench.lane.jobs) == ((0, 0), [])
    assert bench.pool.begun == ["a"]


async def test_closed_when_the_one_on_deck_has_begun() -> None:
    bench = Bench()
    bench.call("a")
    deck = bench.call("b")
    bench.pool.end("a")
    bench.lane.close()
    assert len(bench.lane.jobs) == 2  # whoever closes waits for it as well
    with pytest.raises(DecodeError):
        await deck
    await turn()
    assert bench.figures == (1, 0)
    bench.pool.end("b")
    await turn()
    assert (bench.figures, bench.lane.jobs) == ((0, 0), [])


async def test_a_pool_that_breaks() -> None:
    bench = Bench()
    running, deck, behind = (bench.call(name) for name in "abc")
    bench.pool.end("a", BrokenExecutor("a process died"))
    with pytest.raises(DecodeError, match="a worker died in the middle of its work: a process died") as caught:
        await running
    assert isinstance(caught.value.__cause__, BrokenExecutor)
    bench.pool.refuses = BrokenExecutor("it is broken")
    bench.pool.end("b")
    await deck
    bench.pool.end("c")
    assert await behind == "c"
    bench.pool.refuses = BrokenExecutor("it is broken")
    with pytest.raises(DecodeError, match="take no more work: it is broken"):
        await bench.call("d")
    assert bench.figures == (0, 0)


async def test_a_pool_that_refuses_what_waits() -> None:
    """The error is that call's; the one behind it has its turn."""
    bench = Bench()
    running = bench.call("a")
    bench.pool.refuses = TypeError("no such thing")
    refused, behind = bench.call("b"), bench.call("c")
    with pytest.raises(TypeError, match="no such thing"):
        await refused
    bench.pool.end("a")
    assert await running == "a"
    bench.pool.end("c")
    assert await behind == "c"
    assert not refused.rank._listeners


@pytest.mark.parametrize("raised", [KeyError("k"), StopIteration(3)])
async def test_what_a_function_raises_arrives(raised: Exception) -> None:
    bench = Bench()
    call = bench.call("a")
    bench.pool.end("a", raised)
    with pytest.raises((KeyError, RuntimeError)) as caught:
        await call
    assert raised in (caught.value, caught.value.__cause__)


async def test_a_job_that_its_pool_cancels() -> None:
    bench = Bench(own=False)
    bench.pool.workers = 0
    call = bench.call("a")
    bench.pool.queue[0][0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert bench.figures == (0, 0)


async def test_a_clock_for_all_gives_up_each_in_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(2)
    now = [1000.0]
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "time", lambda: now[0])
    limited = Terms(seconds=60.0)
    slow, free = bench.call("slow", terms=limited), bench.call("free")
    now[0] += 30
    bench.pool.end("free")
    await free
    later = bench.call("later", terms=limited)
    deck = bench.call("deck", terms=limited)
    now[0] += 31
    with pytest.raises(LimitError, match=r"longer than 60 s on a worker \(limits.decode_seconds\)"):
        await slow
    await turn()
    assert bench.figures == (2, 1)  # its thread keeps its slot
    assert not later.done()
    now[0] += 1000
    with pytest.raises(LimitError):
        await later
    assert not deck.done()  # its time has not begun
    bench.pool.end("slow")
    await turn()
    bench.pool.end("deck")
    assert await deck == "deck"
    bench.lane.stop_clock()
    bench.lane.stop_clock()


async def test_processes_have_a_clock_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Processes(ManualPool, ProcessWorkers):
        """Would begin and end as the test says."""

    bench = Bench(processes=Processes(1))
    now = [1000.0]
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])
    call = bench.call("a", terms=Terms(in_process=True, seconds=60.0))
    now[0] += 1000
    await turn()
    assert not call.done()
    processes = call.pool
    assert isinstance(processes, Processes)
    processes.end("a")
    assert await call == "a"


async def test_a_result_is_not_kept() -> None:
    bench = Bench()

    class Value:
        """What weak references are made to."""

    call = bench.lane.call(same, (Value(),), RankCell(), Terms(seconds=60.0))
    (name,) = bench.pool.running
    kept = weakref.ref(name)
    bench.pool.begun.clear()
    bench.pool.end(name)
    del name
    assert await call is kept()
    del call
    await turn()
    gc.collect()
    assert kept() is None


async def test_a_loop_that_is_closed_hears_of_no_end() -> None:
    pool = ManualPool(1)
    loop = asyncio.new_event_loop()
    lane = WorkerLane(loop, OnePool(pool), 1)
    call = lane.call(same, ("a",), RankCell(), Terms())
    loop.close()
    pool.end("a")
    assert not call.done()


async def test_closing_waits_for_one_that_was_on_deck() -> None:
    async with nothing_left():
        scheduler = WorkerScheduler(LoopHost(asyncio.get_running_loop()), slots=1)
        began, go, ran = threading.Event(), threading.Event(), threading.Event()
        first = asyncio.ensure_future(scheduler.run(wait_for, began, go, rank=RankCell()))
        second = asyncio.ensure_future(scheduler.run(ran.set, rank=RankCell()))
        await asyncio.to_thread(began.wait, 30)
        closing = asyncio.ensure_future(scheduler.aclose())
        with pytest.raises(DecodeError, match="closed"):
            await second
        assert not closing.done()
        go.set()
        await closing
        await first
        assert not ran.is_set()


def wait_for(began: threading.Event, go: threading.Event) -> None:
    """Runs until it is told to end."""
    began.set()
    assert go.wait(30)
