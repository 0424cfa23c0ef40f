"""Brief calls on one way to a worker: together, each with its own end."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cornerstream.bundles import Bundles
from cornerstream.images.errors import DecodeError, ImageLoadError, LimitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.loop_host import LoopHost
from cornerstream.ranks import Lane, Rank, RankCell
from cornerstream.session import Session
from cornerstream.stats import Counters
from cornerstream.workers import WorkerScheduler
from tests.support.leaks import nothing_left
from tests.support.part10 import native

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

FAR = Rank(Lane.PREFETCH, 1.0)


class Desk:
    """One worker behind a door, what it has begun, and how many ways there were to it."""

    def __init__(self, slots: int = 1, limits: Limits = DEFAULT_LIMITS) -> None:
        self.counters = Counters()
        host = LoopHost(asyncio.get_running_loop())
        self.scheduler = WorkerScheduler(host, slots=slots, limits=limits, recorder=self.counters)
        self.bundles = Bundles(self.scheduler)
        self.door = threading.Event()
        self.door.set()
        self.begun: list[object] = []
        self.doors: dict[object, threading.Event] = {}

    def work(self, value: object) -> object:
        self.begun.append(value)
        assert self.doors.get(value, self.door).wait(20)
        if isinstance(value, Exception):
            raise value
        return value

    def call(self, value: object, rank: Rank = FAR) -> asyncio.Future[object]:
        return self.bundles.at_rank(RankCell(rank)).run(self.work, value)

    def coded(self, value: object, rank: Rank = FAR) -> asyncio.Future[object]:
        return self.bundles.at_rank(RankCell(rank)).coded.run(self.work, value)

    def hold(self, *values: object) -> None:
        self.doors.update({value: threading.Event() for value in values})

    @property
    def ways(self) -> int:
        return self.counters.worker_wait.summary().count

    async def until_begun(self, count: int) -> None:
        while len(self.begun) < count:  # noqa: ASYNC110 - a worker tells no loop when it begins
            await asyncio.sleep(0.001)


@pytest.fixture
async def desk() -> AsyncGenerator[Desk, None]:
    async with nothing_left():
        made = Desk()
        yield made
        made.door.set()
        await made.scheduler.aclose()


async def test_calls_of_one_turn_go_together_and_four_at_most(desk: Desk) -> None:
    assert await asyncio.gather(*map(desk.call, range(9))) == list(range(9))
    assert desk.begun == list(range(9))
    assert desk.ways == 3
    assert await desk.call("alone") == "alone"
    assert desk.ways == 4


async def test_idle_workers_share_what_there_is() -> None:
    desk = Desk(slots=2)
    assert await asyncio.gather(*map(desk.call, range(4))) == [0, 1, 2, 3]
    assert desk.ways == 2
    await desk.scheduler.aclose()


async def test_what_somebody_waits_for_goes_alone_and_at_once(desk: Desk) -> None:
    calls = [desk.call(0), desk.call(1, Rank(Lane.INTERACTION)), desk.call(2, Rank(Lane.THUMBNAIL)), desk.call(3)]
    assert await asyncio.gather(*calls) == [0, 1, 2, 3]
    assert desk.begun[0] == 1
    assert desk.ways == 3


async def test_an_error_is_that_of_its_call(desk: Desk) -> None:
    outcomes = await asyncio.gather(*map(desk.call, (1, ValueError("two"), 3)), return_exceptions=True)
    assert outcomes[::2] == [1, 3]
    assert isinstance(outcomes[1], ValueError)


async def test_cancelled_before_it_is_sent_nothing_begins(desk: Desk) -> None:
    calls = [desk.call(number) for number in range(3)]
    for call in calls[1:]:
        assert call.cancel()
        assert not call.cancel()
    assert await calls[0] == 0
    assert desk.begun == [0]
    desk.call("nobody").cancel()
    await asyncio.sleep(0)
    assert desk.ways == 1


async def test_cancelled_while_the_bundle_waits_or_runs_it_is_passed_over(desk: Desk) -> None:
    desk.door.clear()
    calls = [desk.call(number) for number in range(4)]
    await desk.until_begun(1)
    waiting = [desk.call(number) for number in (10, 11)]
    await asyncio.sleep(0)
    for call in (calls[0], calls[2], waiting[0]):
        assert call.cancel()
    desk.door.set()
    assert [await call for call in (calls[1], calls[3], waiting[1])] == [1, 3, 11]
    assert desk.begun == [0, 1, 3, 11]


async def test_a_bundle_that_nobody_waits_for_leaves_the_lane(desk: Desk) -> None:
    desk.door.clear()
    first = desk.call("runs")
    await desk.until_begun(1)
    waiting = [desk.call(number) for number in range(3)]
    await asyncio.sleep(0)
    assert desk.scheduler.waiting == 1
    for call in waiting:
        call.cancel()
    assert desk.scheduler.waiting == 0
    desk.door.set()
    assert await first == "runs"
    assert desk.begun == ["runs"]


async def test_a_bundle_is_as_urgent_as_its_most_urgent_call(desk: Desk) -> None:
    desk.door.clear()
    blocking = desk.call("runs")
    await desk.until_begun(1)
    rank = RankCell(FAR)
    far = desk.call("far", Rank(Lane.PREFETCH, 0.5))
    await asyncio.sleep(0)
    late = [desk.bundles.at_rank(rank).run(desk.work, "late"), desk.call("with it")]
    await asyncio.sleep(0)
    rank.change(Rank(Lane.INTERACTION))
    await asyncio.sleep(0)
    desk.door.set()
    await asyncio.gather(blocking, far, *late)
    assert desk.begun == ["runs", "late", "with it", "far"]


async def test_the_end_of_the_workers_is_an_error_of_each(desk: Desk) -> None:
    await desk.scheduler.aclose()
    outcomes = await asyncio.gather(*map(desk.call, range(2)), return_exceptions=True)
    assert [type(error) for error in outcomes] == [DecodeError, DecodeError]
    assert outcomes[0] is not outcomes[1]
    assert isinstance(outcomes[0], ImageLoadError)


async def test_coded_calls_go_to_every_idle_worker_and_four_at_most() -> None:
    desk = Desk(slots=8)
    assert await asyncio.gather(*map(desk.coded, range(6))) == list(range(6))
    assert desk.ways == 6
    await desk.scheduler.aclose()
    desk = Desk(slots=1)
    assert await asyncio.gather(*map(desk.coded, range(9))) == list(range(9))
    assert desk.ways == 3
    await desk.scheduler.aclose()


async def test_a_worker_that_is_idle_takes_over_what_another_has_not_begun() -> None:
    async with nothing_left():
        desk = Desk(slots=2)
        desk.hold("long")
        calls = [desk.coded(value) for value in ("long", 1, 2, 3, 4, 5)]
        assert await asyncio.gather(*calls[1:]) == [1, 2, 3, 4, 5]  # while the first one still runs
        assert not calls[0].done()
        desk.doors["long"].set()
        assert await calls[0] == "long"
        assert sorted(map(str, desk.begun)) == ["1", "2", "3", "4", "5", "long"]  # none of them twice
        await desk.scheduler.aclose()


async def test_what_was_taken_over_and_cancelled_does_not_begin() -> None:
    desk = Desk(slots=2)
    desk.hold("long", "short")
    calls = [desk.coded(value) for value in ("long", 1, 2, "short", 4)]
    await desk.until_begun(2)
    calls[2].cancel()
    desk.doors["short"].set()
    assert [await call for call in (calls[1], calls[4])] == [1, 4]
    desk.doors["long"].set()
    assert await calls[0] == "long"
    assert 2 not in desk.begun
    await desk.scheduler.aclose()


async def test_nothing_is_left_of_a_bundle_whose_rest_was_taken_over_and_whose_first_is_cancelled() -> None:
    async with nothing_left():
        desk = Desk(slots=2)
        desk.hold("long")
        calls = [desk.coded(value) for value in ("long", 1, 2, 3)]
        await desk.until_begun(1)
        calls[0].cancel()
        assert await asyncio.gather(*calls[1:]) == [1, 2, 3]
        desk.doors["long"].set()
        await desk.scheduler.aclose()
        assert desk.begun.count("long") == 1


@pytest.mark.parametrize("kind", ["call", "coded"])
async def test_what_somebody_waits_for_goes_before_what_a_bundle_has_not_begun(desk: Desk, kind: str) -> None:
    desk.hold(0)
    calls = [getattr(desk, kind)(number) for number in range(3)]
    await desk.until_begun(1)
    urgent = desk.call("urgent", Rank(Lane.INTERACTION))
    await asyncio.sleep(0)
    calls[1].cancel()
    desk.doors[0].set()
    assert [await call for call in (calls[0], urgent, calls[2])] == [0, "urgent", 2]
    assert desk.begun == [0, "urgent", 2]


async def test_a_call_that_takes_too_long_is_the_only_one_that_fails() -> None:
    desk = Desk(limits=replace(DEFAULT_LIMITS, decode_seconds=0.05))
    desk.hold("hangs")
    calls = [desk.coded(value) for value in (1, "hangs", 3)]
    with pytest.raises(LimitError):
        await calls[1]
    assert await calls[0] == 1
    desk.doors["hangs"].set()
    assert await calls[2] == 3
    assert desk.begun == [1, "hangs", 3]
    await desk.scheduler.aclose()


async def test_streams_of_small_files_need_few_ways(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"{number:02}.dcm").write_bytes(native(bytes([number]) * 8, InstanceNumber=number))
    async with Session(max_workers=1) as session:
        (series,) = await session.folder(tmp_path)
        before = session.stats().worker_wait.count
        images = [image async for image in session.stream(series)]
        assert [int(image.pixels[0, 0]) for image in images] == list(range(60))
        assert session.stats().worker_wait.count - before < 40
