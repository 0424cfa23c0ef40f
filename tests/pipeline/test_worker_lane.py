"""The worker lane on a pool whose workers begin and end when the test says so."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from cornerstream.images.errors import DecodeError, LimitError
from cornerstream.loop_host import LoopHost
from cornerstream.process_workers import ProcessWorkers
from cornerstream.ranks import BestRank, Lane, Rank, RankCell
from cornerstream.stats import Counters
from cornerstream.traces import Stage
from cornerstream.worker_calls import Call, Terms
from cornerstream.worker_lane import WorkerLane
from cornerstream.workers import WorkerScheduler
from tests.support.leaks import nothing_left
from tests.support.manual_pool import ManualPool, OnePool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

IN_PROCESS = Terms(in_process=True)


@pytest.fixture(autouse=True)
async def nothing_fails_in_the_loop() -> AsyncIterator[None]:
    """What a callback raises is only logged; here it fails the test."""
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    yield
    assert not failures


async def turn(times: int = 3) -> None:
    """Let the loop go round."""
    for _ in range(times):
        await asyncio.sleep(0)


def same(value: object) -> object:
    """The pool never calls it."""
    return value


class Bench:
    """A lane, its pool, and calls with names; made on the loop."""

    def __init__(self, slots: int = 1, *, own: bool = True, processes: ManualPool | None = None) -> None:
        self.pool = ManualPool(slots)
        self.counters = Counters()
        self.pools = OnePool(self.pool, own=own, processes=processes)
        self.lane = WorkerLane(asyncio.get_running_loop(), self.pools, slots, self.counters)

    def call(self, name: str, distance: float = 0.0, terms: Terms = Terms()) -> Call[object]:  # noqa: B008 - frozen
        return self.lane.call(same, (name,), RankCell(Rank(Lane.PREFETCH, distance)), terms)

    @property
    def figures(self) -> tuple[int, int]:
        return self.lane.busy, self.lane.waiting


async def test_the_next_call_is_on_deck_and_counts_as_waiting() -> None:
    bench = Bench()
    one, two, three = (bench.call(name) for name in "abc")
    assert (bench.pool.begun, bench.pool.queued) == (["a"], 1)
    assert bench.figures == (1, 2)
    assert repr(bench.lane) == "<WorkerLane 1 of 1 busy, 2 waiting>"
    bench.pool.end("a")
    assert bench.pool.begun == ["a", "b"]  # the loop has not heard of it
    assert await one == "a"
    assert bench.figures == (1, 1)
    bench.pool.end("b")
    assert await two == "b"
    bench.pool.end("c")
    assert await three == "c"
    assert bench.figures == (0, 0)


async def test_a_call_on_deck_that_is_cancelled_never_runs() -> None:
    bench = Bench()
    one, two, three = (bench.call(name) for name in "abc")
    two.cancel()
    assert bench.pool.queued == 0  # before anything else could happen
    assert bench.figures == (1, 1)
    await turn()
    assert bench.pool.queued == 1  # the next one took its place
    bench.pool.end("a")
    await one
    bench.pool.end("c")
    await three
    assert bench.pool.begun == ["a", "c"]
    assert bench.figures == (0, 0)


async def test_everything_cancelled_at_once_begins_nothing_more() -> None:
    bench = Bench(2)
    several = [bench.call(str(number), number) for number in range(50)]
    for call in several:
        call.cancel()
    assert bench.pool.queued == 0
    assert bench.figures == (2, 0)
    for name in ("0", "1"):
        bench.pool.end(name)
    await turn()
    assert bench.pool.begun == ["0", "1"]
    assert bench.figures == (0, 0)


async def test_an_urgent_call_overtakes_the_one_on_deck() -> None:
    bench = Bench()
    running, deck, behind = bench.call("a", 1), bench.call("b", 5), bench.call("c", 6)
    click = bench.lane.call(same, ("click",), RankCell(Rank()), Terms())
    await turn()
    order: list[object] = []
    for name in ("a", "click", "b", "c"):
        order.append(name)
        bench.pool.end(name)
        await turn()
    assert bench.pool.begun == order
    assert list(await asyncio.gather(running, click, deck, behind)) == order


async def test_ranks_that_change_on_deck_count() -> None:
    bench = Bench()
    bench.call("a")
    cells = [RankCell(Rank(Lane.PREFETCH, distance)) for distance in range(100)]
    for distance, cell in enumerate(cells):
        bench.lane.call(same, (distance,), cell, Terms())
    for distance, cell in enumerate(cells):
        cell.change(Rank(Lane.PREFETCH, 100 - distance))
    await turn()
    assert len(bench.pool.queue) == 2  # the one taken back and the one there now: once a turn, however many change
    bench.pool.end("a")
    for expected in range(99, -1, -1):
        await turn()
        assert bench.pool.begun[-1] == expected
        bench.pool.end(expected)
    await turn()
    assert bench.figures == (0, 0)
    assert not any(cell._listeners for cell in cells)


async def test_those_on_deck_are_in_order() -> None:
    bench = Bench(4)
    for number in range(4):
        bench.call(str(number))
    cells = [RankCell(Rank(Lane.PREFETCH, distance)) for distance in (1, 2)]
    for name, cell in zip("ab", cells, strict=True):
        bench.lane.call(same, (name,), cell, Terms())
    assert bench.pool.queued == 2
    cells[0].change(Rank(Lane.PREFETCH, 3))
    await turn()
    for number in range(4):
        bench.pool.end(str(number))
    assert bench.pool.begun[-2:] == ["b", "a"]
    await turn()
    for name in "ab":
        bench.pool.end(name)
    await turn()
    assert bench.figures == (0, 0)


async def test_a_call_that_began_behind_the_loops_back_is_not_taken_back() -> None:
    bench = Bench()
    first, second = bench.call("a"), bench.call("b", 5)
    bench.pool.end("a")  # "b" runs now
    click = bench.lane.call(same, ("click",), RankCell(Rank()), Terms())
    assert await first == "a"
    assert bench.pool.begun == ["a", "b"]
    bench.pool.end("b")
    assert await second == "b"
    bench.pool.end("click")
    assert await click == "click"


async def test_cancelled_when_it_has_begun_behind_the_loops_back() -> None:
    bench = Bench()
    first, second = bench.call("a"), bench.call("b")
    bench.pool.end("a")
    second.cancel()
    await first
    assert bench.figures == (1, 0)  # it keeps its slot
    assert second.trace.stage == Stage.ELSEWHERE
    assert bench.counters.worker_wait.summary().count == 1  # nobody waited for it
    third = bench.call("c")
    bench.pool.end("b")
    await turn()
    bench.pool.end("c")
    assert await third == "c"
    assert bench.figures == (0, 0)


async def test_one_that_runs_keeps_its_slot_and_its_result_is_dropped() -> None:
    bench = Bench()
    call = bench.call("a")
    assert call.cancel()
    assert not call.cancel()
    await turn()
    assert bench.figures == (1, 0)
    bench.pool.end("a", KeyError("for nobody"))
    await turn()
    assert bench.figures == (0, 0)


async def test_many_ends_in_one_turn_wake_the_loop_once() -> None:
    bench = Bench(4)
    several = [bench.call(str(number)) for number in range(12)]
    woken: list[Callable[..., object]] = []
    loop = asyncio.get_running_loop()
    wake = loop.call_soon_threadsafe

    class Loop:
        """Counts."""

        def __getattr__(self, name: str) -> object:
            return getattr(loop, name)

        def call_soon_threadsafe(self, function: Callable[[], object]) -> None:
            woken.append(function)
            wake(function)

    bench.lane.loop = Loop()  # type: ignore[assignment]  # as much of one as is used
    for number in range(6):
        bench.pool.end(str(number))
    assert len(woken) == 1
    assert await asyncio.gather(*several[:6]) == [str(number) for number in range(6)]
    assert bench.figures == (4, 2)
    for number in range(6, 12):
        bench.pool.end(str(number))
        await turn()
    assert await asyncio.gather(*several[6:]) == [str(number) for number in range(6, 12)]


async def test_workers_go_on_before_anybody_hears_of_results() -> None:
    bench = Bench()
    seen: list[int] = []
    several = [bench.call(str(number)) for number in range(4)]
    several[0].add_done_callback(lambda _: seen.append(bench.pool.queued))
    bench.pool.end("0")
    await turn()
    assert bench.pool.begun == ["0", "1"]
    assert seen == [1]  # the next one is on deck already
    for call in several:
        call.cancel()


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


async def test_a_foreign_pool_gets_no_more_than_the_slots() -> None:
    bench = Bench(2, own=False)
    bench.pool.workers = 1  # its business
    several = [bench.call(str(number), number) for number in range(4)]
    click = bench.lane.call(same, ("click",), RankCell(Rank()), Terms())
    assert (bench.pool.queued, bench.figures) == (1, (2, 3))
    several[1].cancel()  # it has a slot, and has not begun
    await turn()
    assert (bench.pool.queued, bench.figures) == (1, (2, 2))
    for name in ("0", "click", "2", "3"):
        bench.pool.end(name)
        await turn()
    assert await click == "click"
    assert bench.pool.begun == ["0", "click", "2", "3"]


async def test_a_call_for_another_pool_waits_for_a_slot() -> None:
    """On deck of a pool whose workers are idle it would begin at once, beyond the slots."""
    processes = ManualPool(1)
    bench = Bench(processes=processes)
    bench.call("a")
    bench.call("b", 5)
    other = bench.call("p", 1, IN_PROCESS)
    await turn()
    assert (bench.pool.queued, processes.begun) == (0, [])  # "b" gives way as well: "p" is wanted more
    bench.pool.end("a")
    await turn()
    assert processes.begun == ["p"]
    assert (bench.pool.queued, bench.pool.begun) == (0, ["a"])
    processes.end("p")
    assert await other == "p"
    assert bench.pool.begun == ["a", "b"]
    bench.pool.end("b")


async def test_stages_and_waits_are_told_when_calls_begin() -> None:
    bench = Bench()
    ranks = [BestRank() for _ in range(3)]
    several = [bench.lane.call(same, (name,), rank, Terms()) for name, rank in zip("abc", ranks, strict=True)]

    def stages() -> list[Stage]:
        return [rank.trace.stage for rank in ranks]

    assert stages() == [Stage.DECODING, Stage.WORKER_QUEUE, Stage.WORKER_QUEUE]
    bench.pool.end("a")
    await several[0]
    assert stages() == [Stage.ELSEWHERE, Stage.DECODING, Stage.WORKER_QUEUE]
    several[2].cancel()
    assert stages() == [Stage.ELSEWHERE, Stage.DECODING, Stage.ELSEWHERE]
    bench.pool.end("b")
    await several[1]
    assert stages() == [Stage.ELSEWHERE] * 3
    assert bench.counters.worker_wait.summary().count == 2


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


def test_a_lane_without_slots_is_refused() -> None:
    loop = asyncio.new_event_loop()
    with pytest.raises(ValueError, match="at least one slot"):
        WorkerLane(loop, OnePool(ManualPool(1)), 0)
    loop.close()


async def test_a_loop_that_is_closed_hears_of_no_end() -> None:
    pool = ManualPool(1)
    loop = asyncio.new_event_loop()
    lane = WorkerLane(loop, OnePool(pool), 1)
    call = lane.call(same, ("a",), RankCell(), Terms())
    loop.close()
    pool.end("a")
    assert not call.done()


# On real threads


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


async def test_a_thread_pool_of_the_callers_is_never_given_more_than_the_slots() -> None:
    with ThreadPoolExecutor(4) as executor:
        scheduler = WorkerScheduler(LoopHost(asyncio.get_running_loop()), executor, slots=1)
        go = threading.Event()
        several = [asyncio.ensure_future(scheduler.run(go.wait, 30, rank=RankCell())) for _ in range(4)]
        await turn()
        assert (executor._work_queue.qsize(), scheduler.busy, scheduler.waiting) == (0, 1, 3)
        go.set()
        assert all(await asyncio.gather(*several))
        await scheduler.aclose()


def wait_for(began: threading.Event, go: threading.Event) -> None:
    """Runs until it is told to end."""
    began.set()
    assert go.wait(30)
