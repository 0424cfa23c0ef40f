"""The worker lane on a pool whose workers begin and end when the test says so."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from cornerstream.loop_host import LoopHost
from cornerstream.ranks import BestRank, Lane, Rank, RankCell
from cornerstream.traces import Stage
from cornerstream.worker_calls import Terms
from cornerstream.worker_lane import WorkerLane
from cornerstream.workers import WorkerScheduler
from tests.support.lane_bench import IN_PROCESS, Bench, same, turn
from tests.support.manual_pool import ManualPool, OnePool

if TYPE_CHECKING:
    from collections.abc import Callable


pytestmark = pytest.mark.usefixtures("nothing_fails_in_the_loop")


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


def test_a_lane_without_slots_is_refused() -> None:
    loop = asyncio.new_event_loop()
    with pytest.raises(ValueError, match="at least one slot"):
        WorkerLane(loop, OnePool(ManualPool(1)), 0)
    loop.close()


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
