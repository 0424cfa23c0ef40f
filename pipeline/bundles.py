"""Brief calls that share one way to a worker and back, which takes longer than each of them does.

::

    calls     a b c d      asked for in one turn of the loop
    worker    [a b c d]    one after the other; what was cancelled meanwhile is passed over
    results   ────────abcd
"""

from __future__ import annotations

import asyncio
from collections import deque
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
_PATIENCE_SECONDS = 0.001  # before an idle worker gets a part of what another has: mostly more is asked for by then


class Bundles:
    """Bundles the calls of many loads. Touched on its loop only.

    Args:
        workers: Where bundles run, on threads.
    """

    def __init__(self, workers: WorkerScheduler) -> None:
        self._workers = workers
        self.brief = _Bundler(workers, _HANDS)
        self.coded = _Bundler(workers)

    def at_rank(self, rank: RankCell) -> RankedBundles:
        """These for one load."""
        return RankedBundles(self, self.brief, rank)

    def run_now(self, function: Callable[..., T], args: tuple[object, ...], rank: RankCell) -> asyncio.Future[T]:
        """Run a function that somebody waits for: alone, and before whatever bundles have not begun."""
        call = self._workers.at_rank(rank).run(function, *args)
        for bundler in (self.brief, self.coded):
            bundler.make_way()
        return call


class RankedBundles:
    """Bundles as one load sees them; see `cornerstream.operators.protocols.Workers`."""

    __slots__ = ("_bundler", "_bundles", "_rank")

    def __init__(self, bundles: Bundles, bundler: _Bundler, rank: RankCell) -> None:
        self._bundles = bundles
        self._bundler = bundler
        self._rank = rank

    @property
    def coded(self) -> RankedBundles:
        """For functions that leave Python soon and keep a core busy: no core stands idle while one of them has not begun."""
        return RankedBundles(self._bundles, self._bundles.coded, self._rank)

    def run(self, function: Callable[..., T], /, *args: object, holds_lock: bool = False) -> asyncio.Future[T]:
        """Run a brief function, soon, with others; alone, and at once, if somebody waits for it now."""
        assert not holds_lock, "what holds the interpreter lock is not brief"
        if self._rank.value.lane < Lane.PREFETCH:
            return self._bundles.run_now(function, args, self._rank)
        return self._bundler.call(function, args, self._rank)


class _Bundler:
    """Calls of one kind, with those of a turn together.

    Args:
        workers: Where bundles run.
        hands: Bundles at once; `None` gives every worker that is idle its part, also of what others have not begun.
    """

    def __init__(self, workers: WorkerScheduler, hands: int | None = None) -> None:
        self._workers = workers
        self._hands = hands
        self._asked: list[BundledCall[Any]] = []
        self._bundles: dict[_Bundle, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def call(self, function: Callable[..., T], args: tuple[object, ...], rank: RankCell) -> BundledCall[T]:
        """Run a function with others that are asked for in this turn."""
        call = BundledCall(function, args, rank)
        if not self._asked:
            asyncio.get_running_loop().call_soon(self._send)
        self._asked.append(call)
        return call

    def make_way(self) -> None:
        """What bundles have not begun waits for its turn again."""
        for bundle in tuple(self._bundles):
            if bundle.has_begun:
                self._begin(bundle.given_up(all_of_it=True))

    def ended(self, bundle: _Bundle, rest: Sequence[BundledCall[Any]]) -> None:
        """A bundle has ended, but for the rest, which begins anew."""
        self._bundles.pop(bundle, None)
        self._begin(rest)
        if self._hands is None and self._timer is None and any(one.can_share for one in self._bundles):
            self._timer = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, self._share)

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        asked, self._asked = self._asked, []
        calls = [call for call in asked if not call.done()]
        if calls:
            hands = max(1, self._idle(calls[0].rank))
            size = min(_MOST, -(-len(calls) // (hands if self._hands is None else min(hands, self._hands))))
            for start in range(0, len(calls), size):
                self._begin(calls[start : start + size])

    def _share(self) -> None:
        """Give workers that are idle a part of what others have not begun."""
        self._timer = None
        for bundle in tuple(self._bundles):
            while bundle.waiting and not self._asked and self._idle(bundle.rank):
                self._begin(bundle.given_up())

    def _idle(self, rank: RankCell) -> int:
        return idle_of(self._workers.at_rank(rank))

    def _begin(self, calls: Sequence[BundledCall[Any]]) -> None:
        if calls:
            bundle = _Bundle(calls, self)
            self._bundles[bundle] = None
            bundle.begin(self._workers)


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

    __slots__ = ("_best", "_call", "_calls", "_jobs", "_left", "_owner", "rank")

    _call: Call[None]

    def __init__(self, calls: Sequence[BundledCall[Any]], owner: _Bundler) -> None:
        self._calls = {call.job: call for call in calls}
        self._jobs = deque(self._calls)  # the worker takes from the front, the loop from the end
        self._left = len(calls)
        self._owner = owner
        self._best = BestRank() if len(calls) > 1 else None
        self.rank: RankCell = self._best or calls[0].rank
        for call in calls:
            call.bundle = self
            if self._best is not None:
                self._best.join(call.rank)

    def begin(self, workers: WorkerScheduler) -> None:
        """Wait for a worker."""
        self._call = workers.at_rank(self.rank).run(_run_jobs, self._jobs)
        self._call.add_done_callback(self._settle)

    @property
    def waiting(self) -> int:
        """Calls that have not begun."""
        return len(self._jobs)

    @property
    def can_share(self) -> bool:
        """Others could do a part of it."""
        return len(self._calls) > 1 and bool(self._jobs)

    @property
    def has_begun(self) -> bool:
        """A worker is at it."""
        return len(self._jobs) < len(self._calls)

    def given_up(self, *, all_of_it: bool = False) -> list[BundledCall[Any]]:
        """Take back what has not begun, all of it or half, and is wanted."""
        calls: list[BundledCall[Any]] = []
        for _ in range(len(self._jobs) if all_of_it else -(-len(self._jobs) // 2)):
            try:
                job = self._jobs.pop()
            except IndexError:  # the worker was faster
                break
            call = self._calls.pop(job)
            if not call.done():
                call.bundle = None
                self.left_by(call)
                calls.insert(0, call)
        return calls

    def left_by(self, call: BundledCall[Any]) -> None:
        """A call was cancelled, or given up; the last one takes the bundle with it."""
        self._left -= 1
        if not self._left:
            self._call.cancel()
        elif self._best is not None:
            self._best.leave(call.rank)

    def _settle(self, ended: asyncio.Future[None]) -> None:
        if self._best is not None:
            self._best.abandon()
        error = None if ended.cancelled() else ended.exception()
        # Where a call took too long, those behind it have done nothing yet.
        rest = self.given_up(all_of_it=True) if error is not None and self.has_begun else []
        for job, call in self._calls.items():
            call.bundle = None
            if call.done():
                continue
            if job.result:
                call.set_result(job.result.pop())
            elif job.error is not None:
                call.set_exception(job.error)
            elif error is not None:
                call.set_exception(copy(error))  # each is to name its own image
            else:
                call.cancel()
        self._owner.ended(self, rest)


def _run_jobs(jobs: deque[_Job[Any]]) -> None:
    while jobs:
        try:
            job = jobs.popleft()
        except IndexError:  # the loop was faster
            return
        if job.wanted:
            job.run()
