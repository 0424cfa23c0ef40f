"""What must be true after something was stopped: nothing runs, nothing is open, nothing was kept."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psutil

from tests.support.cancelling import turn_until
from tests.support.leaks import nothing_left
from tests.support.study import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable

    from cornerstream.cache import ByteCache
    from cornerstream.phantom import PhantomStudy
    from tests.support.cancelling import User
    from tests.support.study import Served


@asynccontextmanager
async def clean(study: PhantomStudy) -> AsyncIterator[Served]:
    """Serve a study; no task, descriptor, thread or process is left."""
    threads, processes = set(threading.enumerate()), children()
    async with nothing_left(), served(study) as at:
        yield at
    assert set(threading.enumerate()) <= threads
    assert children() <= processes


def children() -> set[psutil.Process]:
    """Processes of this one."""
    return set(psutil.Process().children())


async def nothing_runs(user: User) -> None:
    """The server has no open request, and the session no load, slot, task, work, wish or pin; nobody heard of anything."""
    engine = user.engine
    await user.at.ledger.wait_until_idle()
    await turn_until(lambda: not (engine.tasks or engine.workers.busy))
    stats = engine.stats()
    assert (stats.running, stats.open_requests, stats.queued_requests) == (0, 0, 0)
    assert (stats.busy_workers, stats.queued_work, stats.tasks) == (0, 0, 0)
    assert (len(engine.resources.files), len(engine.resources.values), len(engine.resources.lists)) == (0, 0, 0)
    assert (len(engine.board), len(engine.cache._pins), len(engine.budget._views)) == (0, 0, 0)
    assert (user.late, user.errors) == ([], [])


def keys(user: User) -> list[set[Hashable]]:
    """What is kept, in all tiers."""
    resources = user.engine.resources
    tiers: list[ByteCache[Any]] = [user.engine.cache, resources.frames.cache, resources.kept]
    return [{*tier._free, *tier._pinned} for tier in tiers]
