"""Checks of cancelling: before, at every step and every turn of the loop, after; nothing comes and nothing is left."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from cornerstream.images.limits import DEFAULT_LIMITS
from cornerstream.operators.transport import AiohttpTransport
from cornerstream.testing.case import ConformanceError, owed
from cornerstream.testing.delivers import check_pixels
from cornerstream.testing.leftovers import other_tasks, turns, until
from cornerstream.testing.running import on_own_loop
from cornerstream.testing.spies import Heard, Spy
from cornerstream.testing.steps import SteppedThreads, SteppedTransport, Steps

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cornerstream.session import Session
    from cornerstream.testing.case import LoaderCase


@on_own_loop
async def cancelled_before_it_begins(case: LoaderCase) -> None:
    """A load that is cancelled before anybody subscribes never begins."""
    spy = Spy(case.load)
    async with case.session(spy) as session:
        case.prepare(session)
        load, heard = session.load(case.image_id), Heard()
        load.cancel()
        load.subscribe(heard)
        try:
            await load
        except asyncio.CancelledError:
            pass
        else:
            raise ConformanceError("a cancelled load delivered an image")
        await turns()
        owed((spy.calls, heard.count) == (0, 0), "a load began that was cancelled before")


@on_own_loop
async def cancelled_at_every_step(case: LoaderCase) -> None:
    """Held at each request, header, chunk and call of a worker in turn: cancelled there, it is over there."""
    for held in range(case.moments):
        steps = Steps(held)
        async with _stepped(case, steps) as (session, spy):
            if not await _cancelled_when_held(case, session, spy, steps):
                return


@on_own_loop
async def cancelled_at_every_turn(case: LoaderCase) -> None:
    """Cancelled after 0, 1, 2, … turns of the loop: nothing comes any more, and nothing runs."""
    spy = Spy(case.load)
    async with case.session(spy) as session:
        case.prepare(session)
        for moment in range(case.moments):
            load, heard = session.load(case.image_id, keep=False), Heard()
            load.subscribe(heard)
            await turns(moment)
            load.cancel()
            heard.over = True
            await turns(moment % 3)
        await _nothing_runs(case, session, f"after it was cancelled at {case.moments} turns of the loop")
        owed(not spy.late, f"it sent {len(spy.late)} signals after it was cancelled")
        owed(not session.stats().cached_bytes, "a load that was cancelled left something in the cache")
        check_pixels(await session.load(case.image_id), case.pixels, case.tolerance)


@on_own_loop
async def cancelled_after_its_end(case: LoaderCase) -> None:
    """Cancelling a load that has ended does nothing, however often, and its image stays."""
    async with case.session() as session:
        case.prepare(session)
        load, heard = session.load(case.image_id), Heard()
        load.subscribe(heard)
        owed(await until(heard.ended.is_set, case.seconds), "it did not come to an end")
        before = heard.count
        load.cancel()
        load.cancel()
        await turns()
        owed(heard.count == before, "a load that had ended sent something when it was cancelled")
        owed(session.cached(case.image_id), "its complete image is not in the cache")


@on_own_loop
async def one_who_leaves_disturbs_nobody(case: LoaderCase) -> None:
    """Two wait for an image, one leaves: the other gets it, by the one load that both shared."""
    spy = Spy(case.load)
    async with case.session(spy) as session:
        case.prepare(session)
        leaves, stays, gone = session.load(case.image_id), session.load(case.image_id), Heard()
        leaves.subscribe(gone)
        waiting = stays.begin()
        await turns(3)
        leaves.cancel()
        count = gone.count
        image = await waiting
        check_pixels(image, case.pixels, case.tolerance)
        owed(gone.count == count, "one who had left was sent something")
        owed(spy.calls == 1, f"two who wait for one image asked it {spy.calls} times")
        owed(await session.load(case.image_id) is image, "a cached image was loaded again")


@on_own_loop
async def closed_with_its_session(case: LoaderCase) -> None:
    """A session that is closed in the middle of a load leaves nothing of it, and whoever waits is told."""
    for moment in (0, 1, 5, 20):
        spy = Spy(case.load)
        async with case.session(spy) as session:
            case.prepare(session)
            waiting, heard = session.load(case.image_id).begin(), Heard()
            session.load(case.image_id).subscribe(heard)
            await turns(moment)
        heard.over = True
        ends = await asyncio.gather(waiting, return_exceptions=True)
        told = heard.completed or isinstance(ends[0], asyncio.CancelledError)
        owed(told, f"who waited when the session was closed got {ends[0]!r}")
        await turns()
        late = heard.late + spy.late
        owed(not late, f"it sent {len(late)} signals after its session was closed")
        await _no_tasks(case, "after its session was closed")


@asynccontextmanager
async def _stepped(case: LoaderCase, steps: Steps) -> AsyncIterator[tuple[Session, Spy]]:
    """A session whose requests and workers are held at one step."""
    options = case.options
    own = AiohttpTransport(
        options.get("limits", DEFAULT_LIMITS), headers=options.get("headers"), ssl=options.get("ssl")
    )
    spy, threads = Spy(case.load), SteppedThreads(steps)
    transport = SteppedTransport(options.get("transport") or own, steps)
    try:
        async with case.session(spy, transport=transport, executor=threads, isolated=False) as session:
            case.prepare(session)
            yield session, spy
    finally:
        steps.release()
        threads.shutdown()
        await own.aclose()


async def _cancelled_when_held(case: LoaderCase, session: Session, spy: Spy, steps: Steps) -> bool:
    """Cancel the load at the step; false where it ends before."""
    load, heard = session.load(case.image_id), Heard()
    load.subscribe(heard)
    owed(
        await until(lambda: steps.place or heard.ended.is_set(), case.seconds),
        "it did not come to an end, nor to a request or a call of a worker",
    )
    if not steps.place:
        owed(not heard.errors, f"it failed: {heard.errors!r}")
        return False
    load.cancel()
    heard.over = True
    await turns()
    steps.release()
    where = f"after it was cancelled {steps.place}"
    await _nothing_runs(case, session, where)
    late = heard.late + spy.late
    owed(not late, f"it sent {len(late)} signals {where}")
    owed(not session.cached(case.image_id), f"its image is cached {where}")
    check_pixels(await session.load(case.image_id), case.pixels, case.tolerance)
    return True


async def _nothing_runs(case: LoaderCase, session: Session, where: str) -> None:
    def rests() -> bool:
        stats = session.stats()
        return not (stats.running or stats.tasks or stats.open_requests or stats.busy_workers or stats.queued_work)

    owed(await until(rests, case.seconds), f"something still runs {where}: {session.stats()}")


async def _no_tasks(case: LoaderCase, where: str) -> None:
    alone = await until(lambda: not other_tasks(), case.seconds)
    owed(alone, f"tasks are left {where}: {', '.join(map(str, other_tasks()))}"[:500])
