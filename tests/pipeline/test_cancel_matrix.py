"""Ways to start, moments, and ways to stop: whatever is stopped whenever, nothing of it is left."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

from cornerstream.session import Session
from cornerstream.traces import Stage
from tests.support.afterwards import children, clean, keys, nothing_runs
from tests.support.cancelling import (
    MOMENTS,
    HeldDisk,
    HeldThreads,
    Moment,
    User,
    connecting,
    occupied,
    partway,
    turn_until,
    unanswered,
)
from tests.support.leaks import turns
from tests.support.starts import (
    awaited,
    file,
    files,
    frames,
    iterated,
    iterated_elsewhere,
    iterated_volume,
    local,
    played,
    prefetched,
    prefetched_study,
    scrolled,
    slices,
    streamed,
    streamed_as_it_comes,
    streamed_placed,
    streamed_series,
    streamed_study,
    subscribed,
    waited_for_elsewhere,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cornerstream.phantom import PhantomStudy
    from tests.support.study import Served

    Start = Callable[[User], None]
    Source = Callable[[Served], list[str]]

ANY = ("before", "slot", "header", "body", "worker", "decoding", "handing", "after")
INSTANCE = ("before", "slot", "header", "between", "decoding", "handing", "after")
FILE = ("before", "worker", "reading", "decoding", "handing", "after")
VARIANT = ("slot", "body", "decoding", "handing")  # of a way to start that is there in full
ELSEWHERE = ("header", "worker", "handing", "after")  # where it has begun when it is stopped
LISTING = (*(f"listing-{moment}" for moment in ("slot", "header", "body", "worker", "work")), "header", "handing")
RX = ("dispose", "thread", "closed")
TASK = ("task", "closed")
STARTS: list[tuple[Start, Source, tuple[str, ...], tuple[str, ...]]] = [
    (subscribed, slices, ANY, ("cancel", *RX)),
    (subscribed, frames, INSTANCE, ("cancel", *RX)),
    (subscribed, file, INSTANCE, ("cancel", *RX)),
    (subscribed, local, FILE, ("cancel", *RX)),
    (awaited, slices, ANY, ("cancel", *TASK)),
    (awaited, frames, INSTANCE, ("cancel", *TASK)),
    (awaited, files, VARIANT, ("cancel", *TASK)),
    (streamed, slices, ANY, RX),
    (streamed, frames, INSTANCE, RX),
    (streamed_as_it_comes, slices, VARIANT, RX),
    (streamed_placed, frames, INSTANCE[::2], RX),
    (streamed_study, slices, LISTING, RX),
    (streamed_series, slices, VARIANT, RX),
    (iterated, slices, ANY, (*TASK, "leave")),
    (iterated, file, INSTANCE, (*TASK, "leave")),
    (iterated, local, FILE, (*TASK, "leave")),
    (iterated_volume, slices, VARIANT, (*TASK, "leave")),
    (iterated_elsewhere, slices, ELSEWHERE, ("closed", "leave")),
    (waited_for_elsewhere, files, ELSEWHERE, ("cancel", "closed")),
    (prefetched, slices, ANY, (*RX, "task")),
    (prefetched, frames, INSTANCE, (*RX, "task")),
    (prefetched_study, files, VARIANT, ("task", *RX)),
    (scrolled, slices, ANY, RX),
    (scrolled, frames, VARIANT, RX),
    (played, files, VARIANT, RX),
]


def _cases() -> Iterator[Any]:
    """The moments of every way to start, the ways to stop in turn; an iteration is left from inside."""
    for row, (start, source, moments, ways) in enumerate(STARTS):
        for column, moment in enumerate(moments):
            possible = [way for way in ways if (way == "leave") == (moment == "handing" and "leave" in ways)]
            if moment == "before" and start is prefetched:
                possible.remove("task")  # it has not begun to wait, and the prefetch is not its own
            way = possible[(row + column) % len(possible)]
            yield pytest.param(start, source, moment, way, id=f"{start.__name__}-{source.__name__}-{moment}-{way}")


@pytest.mark.parametrize(("start", "source", "moment", "way"), [*_cases()])
async def test_nothing_is_left(small_study: PhantomStudy, start: Start, source: Source, moment: str, way: str) -> None:
    held = HeldThreads()
    async with clean(small_study) as at:
        async with Session(executor=held, max_workers=1, **MOMENTS[moment].options) as session:
            user = User(session, at, source(at))
            for one in user.ids if MOMENTS[moment].warm else ():
                await session.load(one, keep=False)
            at.faults.update(faults(at, source, MOMENTS[moment]))
            await stopped(user, start, MOMENTS[moment], way, held)
            await nothing_runs(user)
            if MOMENTS[moment].fault:
                assert "client gone" in {one.outcome for one in at.ledger.served}
            if moment == "before":
                assert not at.ledger.served
        held.shutdown()


@pytest.mark.parametrize("start", [subscribed, awaited, iterated, streamed_series, prefetched, scrolled])
async def test_while_connecting(small_study: PhantomStudy, start: Start) -> None:
    with unanswered() as port:
        async with clean(small_study) as at, Session() as session:
            base = f"wadors:http://127.0.0.1:{port}/studies/1/series/2/instances"
            user = User(session, at, [f"{base}/{number}/frames/1" for number in range(6)])
            others = connecting(port)
            start(user)
            await turn_until(lambda: connecting(port) > others)
            user.stop(next(iter(user.ways)))
            await user.stopped()
            await turn_until(lambda: connecting(port) == others)
            await nothing_runs(user)


@pytest.mark.parametrize("way", ["dispose", "thread", "closed"])
async def test_while_a_process_decodes(small_study: PhantomStudy, way: str) -> None:
    """It is stopped by a signal, so that it cannot end by itself; a session's end kills it."""
    before = children()
    async with clean(small_study) as at, Session(isolated=True, max_workers=1) as session:
        user = User(session, at, slices(at)[:2])
        for one in user.ids:
            await session.load(one, keep=False)
        (process,) = children() - before
        process.suspend()
        subscribed(user)
        processes = user.engine.workers._pools.processes
        assert processes is not None
        await turn_until(lambda: processes._busy)
        await turn_until(lambda: len(keys(user)[1]) == len(user.ids))  # both frames have come, and are kept
        assert Stage.DECODING in user.stages()
        user.stop(way)
        kept = keys(user)
        await turns()
        if way != "closed":
            assert session.stats().busy_workers == 1
            process.resume()
        await user.stopped()
        await nothing_runs(user)
        assert way == "closed" or keys(user) == kept


@pytest.mark.parametrize(
    ("start", "way"),
    [(subscribed, "dispose"), (streamed, "thread"), (iterated, "task"), (prefetched, "dispose"), (scrolled, "closed")],
)
async def test_while_the_disk_is_read(small_study: PhantomStudy, tmp_path: Path, start: Start, way: str) -> None:
    disk = HeldDisk(tmp_path / "kept")
    async with clean(small_study) as at, Session(disk_cache=disk) as session:
        user = User(session, at, slices(at))
        disk.go.clear()
        start(user)
        await turn_until(disk.reading.is_set)
        user.stop(way)
        await turns()
        disk.go.set()
        await user.stopped()
        await nothing_runs(user)
        assert (disk.written, list(at.ledger.served)) == ([], [])


@pytest.mark.parametrize("start", [subscribed, iterated, prefetched])
async def test_half_an_answer_is_not_written_to_the_disk(
    small_study: PhantomStudy, tmp_path: Path, start: Start
) -> None:
    disk = HeldDisk(tmp_path / "kept")
    async with clean(small_study) as at:
        at.faults.update(faults(at, files, MOMENTS["body"]))
        async with Session(disk_cache=disk) as session:
            user = User(session, at, files(at))
            start(user)
            await reached(user, MOMENTS["body"])
            user.stop(next(iter(user.ways)))
            await user.stopped()
            await nothing_runs(user)
        assert disk.written == []


@pytest.mark.parametrize("start", [subscribed, awaited, streamed, iterated, prefetched])
@pytest.mark.parametrize("moment", ["header", "handing"])
async def test_a_session_with_a_loop_of_its_own(small_study: PhantomStudy, start: Start, moment: str) -> None:
    """All that is done to it comes from another thread than its loop's."""
    async with clean(small_study) as at:
        at.faults.update(faults(at, slices, MOMENTS[moment]))
        session = Session().__enter__()
        user = User(session, at, slices(at))
        start(user)
        await reached(user, MOMENTS[moment])
        user.stop(next(iter(user.ways)))
        await user.stopped()
        await nothing_runs(user)
        await asyncio.to_thread(session.close)


def faults(at: Served, source: Source, moment: Moment) -> dict[str, str]:
    """What the server does to pixels."""
    end = partway(at.study, in_file=source is file)
    return {moment.url: moment.fault.replace("PARTWAY", str(end))} if moment.fault else {}


async def stopped(user: User, start: Start, moment: Moment, way: str, held: HeldThreads) -> None:
    """Start, stop at the moment, and let everything go on that was held: nobody hears of it, and nothing is kept."""
    async with occupied(user, moment.occupied):
        if moment.held:
            held.hold()
        if moment is MOMENTS["handing"]:
            user.on_first = lambda: user.stop(way)
        start(user)
        await reached(user, moment)
        if moment is not MOMENTS["handing"]:
            user.stop(way)
        if user.engine.stats().running:
            await turns()  # a stream's own task, or that of whoever awaits, hears of it in the next turn
        kept = keys(user)
        await turns()
    held.release()
    ends = await user.stopped()
    assert [end for end in ends if isinstance(end, Exception)] == []
    if way in {"dispose", "cancel", "thread"}:
        await turns()
        assert keys(user) == kept
    if moment.stage is not None:
        assert user.engine.stats().cancelled_at[moment.stage]


async def reached(user: User, moment: Moment) -> None:
    """Wait for the moment."""
    if moment is MOMENTS["before"]:
        return
    if moment.fault:
        await user.at.ledger.wait_until(lambda ledger: any(re.search(moment.url, one.url) for one in ledger.open))
    if moment.figure:
        await turn_until(lambda: getattr(user.engine.stats(), moment.figure))
    elif moment.images < 0:
        await turn_until(lambda: user.images and not user.engine.tasks)
    else:
        await turn_until(
            lambda: user.images >= moment.images and (moment.stage is None or moment.stage in user.stages())
        )
