"""Brief calls that share one way to a worker and back, which takes longer than each of them does.

::

    calls     a b c d      asked for in one turn of the loop
    worker    [a b c d]    one after the other; what was cancelled meanwhile is passed over
    results   ────────abcd
"""

from __future__ import annotations

import asyncio
from copy import copy
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cornerstream.operators.protocols import idle_of
from cornerstream.ranks import BestRank, Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cornerstream.ranks import RankCell
    from cornerstream.worker_calls import Call
    from cornerstream.workers import WorkerScheduler

T = TypeVar("T")

_MOST = 4  # calls of a bundle: what the first of them waits for the others is less than it saves
_HANDS = 3  # bundles at once: brief calls are mostly Python's own work, which more threads do not do sooner


class Bundles:
    """Bundles the calls of many loads. Touched on its loop only.

    Args:
        workers: Where bundles run, on threads.
    """

    def __init__(self, workers: WorkerScheduler) -> None:
        self._workers = workers
        self._asked: list[BundledCall[Any]] = []

    def at_rank(self, rank: RankCell) -> RankedBundles:
        """These for one load."""
        return RankedBundles(self, rank)

    def call(self, function: Callable[..., T], args: tuple[object, ...], rank: RankCell) -> asyncio.Future[T]:
        """Run a function with others that are asked for in this turn; alone, and at once, if somebody waits for it now."""
        if rank.value.lane < Lane.PREFETCH:
            return self._workers.at_rank(rank).run(function, *args)
        call = BundledCall(function, args, rank)
        if not self._asked:
            asyncio.get_running_loop().call_soon(self._send)
        self._asked.append(call)
        return call

    def _send(self) -> None:
        asked, self._asked = self._asked, []
        calls = [call for call in asked if not call.done()]
        if calls:
            hands = min(_HANDS, max(1, idle_of(self._workers.at_rank(calls[0].rank))))
            size = min(_MOST, -(-len(calls) // hands))
            for start in range(0, len(calls), size):
                _Bundle(calls[start : start + size], self._workers)


class RankedBundles:
    """Bundles as one load sees them; see `cornerstream.operators.protocols.Workers`."""

    __slots__ = ("_bundles", "_rank")

    def __init__(self, bundles: Bundles, rank: RankCell) -> None:
        self._bundles = bundles
        self._rank = rank

    def run(self, function: Callable[..., T], /, *args: object, holds_lock: bool = False) -> asyncio.Future[T]:
        """Run a brief function, soon, with others."""
        assert not holds_lock, "what holds the interpreter lock is not brief"
        return self._bundles.call(function, args, self._rank)


class BundledCall(asyncio.Future[T]):
    """One call; what its caller awaits. Cancelled, it is passed over if it has not begun, and dropped if it has."""

    def __init__(self, function: Callable[..., T], args: tuple[object, ...], rank: RankCell) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self.job = _Job(function, args)
        self.rank = rank
        self.bundle: _Bundle | None = None

    def cancel(self, msg: Any | None = None) -> bool:
        """Leave the bundle, before this returns."""
        if not super().cancel(msg):
            return False
        self.job.wanted = False
        if self.bundle is not None:
            self.bundle.left_by(self)
        return True


class _Job(Generic[T]):
    """What the worker sees of a call; `wanted` may change in between, from the loop."""

    __slots__ = ("args", "error", "function", "result", "wanted")

    def __init__(self, function: Callable[..., T], args: tuple[object, ...]) -> None:
        self.function = function
        self.args = args
        self.wanted = True
        self.result: list[T] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.result.append(self.function(*self.args))
        except Exception as error:  # noqa: BLE001 - whatever the function raises is its caller's to see
            self.error = error


class _Bundle:
    """Calls on their way together, at the rank of the most urgent one."""

    __slots__ = ("_call", "_calls", "_left", "_rank")

    def __init__(self, calls: Sequence[BundledCall[Any]], workers: WorkerScheduler) -> None:
        self._calls = calls
        self._left = len(calls)
        self._rank = BestRank()
        for call in calls:
            call.bundle = self
            self._rank.join(call.rank)
        self._call: Call[None] = workers.at_rank(self._rank).run(_run_jobs, [call.job for call in calls])
        self._call.add_done_callback(self._settle)

    def left_by(self, call: BundledCall[Any]) -> None:
        """A call was cancelled; the last one takes the bundle with it."""
        self._left -= 1
        if not self._left:
            self._call.cancel()
        else:
            self._rank.leave(call.rank)

    def _settle(self, ended: asyncio.Future[None]) -> None:
        self._rank.abandon()
        error = None if ended.cancelled() else ended.exception()
        for call in self._calls:
            call.bundle = None
            if call.done():
                continue
            job = call.job
            if job.result:
                call.set_result(job.result.pop())
            elif job.error is not None:
                call.set_exception(job.error)
            elif error is not None:
                call.set_exception(copy(error))  # each is to name its own image
            else:
                call.cancel()


def _run_jobs(jobs: Sequence[_Job[Any]]) -> None:
    for job in jobs:
        if job.wanted:
            job.run()
