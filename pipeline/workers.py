"""The worker scheduler: functions beside the loop, in the order of ranks, on any executor."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from reactivex.disposable import Disposable, SingleAssignmentDisposable
from reactivex.scheduler.scheduler import Scheduler

from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.process_workers import default_workers
from cornerstream.ranks import Lane, Rank, RankCell
from cornerstream.worker_calls import Call, Terms
from cornerstream.worker_lane import WorkerLane
from cornerstream.worker_pools import WorkerPools

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from reactivex import typing
    from reactivex.abc import DisposableBase, ScheduledAction

    from cornerstream.events import Recorder
    from cornerstream.loop_host import LoopHost

T = TypeVar("T")
S = TypeVar("S")


class WorkerScheduler(Scheduler):
    """Runs functions on an executor, in the order of ranks; also a scheduler for `observe_on`.

    A function that waits can still be dropped or ranked anew. One that runs cannot be interrupted: it keeps its slot
    until it ends, and its result is dropped.

    Args:
        host: The loop on which they wait.
        executor: Any executor, which stays its owner's to shut down; `None` makes threads, and processes where they are
            needed.
        slots: Functions at once.
        limits: `decode_seconds` is how long a function may take; a thread that takes longer is given up.
        isolated: Decoders run in processes, which limits can end; actions of `schedule` stay on threads.
        recorder: Hears when functions begin.
    """

    def __init__(
        self,
        host: LoopHost,
        executor: Executor | None = None,
        slots: int | None = None,
        *,
        limits: Limits = DEFAULT_LIMITS,
        isolated: bool = False,
        recorder: Recorder | None = None,
    ) -> None:
        super().__init__()
        self._host = host
        slots = slots or default_workers()
        self._limits = limits
        self._pools = WorkerPools(executor, slots, limits)
        self._lane = WorkerLane(host.loop, self._pools, slots, recorder)
        seconds = limits.decode_seconds
        self._decoding = (Terms(in_process=isolated, seconds=seconds), Terms(in_process=True, seconds=seconds))
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<WorkerScheduler {self._lane!r}>"

    @property
    def busy(self) -> int:
        """Functions running now, those included whose result nobody wants any more."""
        return self._lane.busy

    @property
    def waiting(self) -> int:
        """Functions that have not begun."""
        return self._lane.waiting

    def at_rank(self, rank: RankCell) -> RankedWorkers:
        """These workers for one load."""
        return RankedWorkers(self._lane, rank, self._decoding)

    def waiting_at_rank(self, rank: RankCell) -> RankedWorkers:
        """These workers for what one load waits for: on threads, however long it takes."""
        return RankedWorkers(self._lane, rank, (Terms(), Terms()))

    async def run(self, function: Callable[..., T], /, *args: object, rank: RankCell, holds_lock: bool = False) -> T:
        """Run `function(*args)` when its rank's turn comes, however long it takes; see `Workers.run`.

        Raises:
            DecodeError: The executor broke, or a worker process died; the next call gets a fresh one.
        """
        return await self._lane.call(function, args, rank, Terms(holds_lock))

    async def decode(self, function: Callable[..., T], /, *args: object, rank: RankCell, holds_lock: bool = False) -> T:
        """As `run`, for what works on a stranger's frame: within limits, and in a process where that is asked for.

        Raises:
            LimitError: It takes longer than `limits.decode_seconds`, or a process needs more than `limits.decode_bytes`.
            DecodeError: The executor broke, or a worker process died; the next call gets a fresh one.
        """
        return await self._lane.call(function, args, rank, self._decoding[holds_lock])

    def schedule(self, action: ScheduledAction[S], state: S | None = None) -> DisposableBase:
        """Run an action on a worker, as work that somebody waits for."""
        return self._schedule(0.0, action, state)

    def schedule_relative(
        self, duetime: typing.RelativeTime, action: ScheduledAction[S], state: S | None = None
    ) -> DisposableBase:
        """Run an action on a worker after `duetime`."""
        return self._schedule(max(0.0, self.to_seconds(duetime)), action, state)

    def schedule_absolute(
        self, duetime: typing.AbsoluteTime, action: ScheduledAction[S], state: S | None = None
    ) -> DisposableBase:
        """Run an action on a worker at `duetime`."""
        return self.schedule_relative(self.to_datetime(duetime) - self.now, action, state)

    async def aclose(self) -> None:
        """Wait for what runs on threads, end what runs in processes, and shut down the executors made here.

        A thread that does not end within `limits.decode_seconds` is left to itself: nothing can stop it.
        """
        self._lane.close()  # what a thread schedules from here on begins no more
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._pools.kill()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.decode_seconds):
                while jobs := self._lane.jobs:
                    await asyncio.gather(*map(asyncio.wrap_future, jobs), return_exceptions=True)
        self._lane.stop_clock()
        self._pools.shut_down(wait=not self._lane.jobs)

    def shut_down(self) -> None:
        """Shut down the executors made here, and take no more work; the loop need not be there any more."""
        self._lane.closed = True
        self._pools.shut_down(wait=True)

    def _schedule(self, seconds: float, action: ScheduledAction[S], state: S | None) -> DisposableBase:
        inner = SingleAssignmentDisposable()
        outer = Disposable(lambda: self._host.call(cancel))
        started: list[asyncio.Task[None]] = []

        def work() -> None:
            if not outer.is_disposed:
                inner.disposable = self.invoke_action(action, state)

        async def later() -> None:
            await asyncio.sleep(seconds)
            await self.run(work, rank=RankCell(Rank(Lane.INTERACTION)))

        def start() -> None:
            if not (outer.is_disposed or self._lane.closed):
                task = self._host.loop.create_task(later())
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                started.append(task)

        def cancel() -> None:
            inner.dispose()
            for task in started:
                task.cancel()

        self._host.call(start)
        return outer


class RankedWorkers:
    """The workers as one load sees them: every function runs at the rank of that load."""

    __slots__ = ("_decoding", "_lane", "_rank")

    def __init__(self, lane: WorkerLane, rank: RankCell, decoding: tuple[Terms, Terms]) -> None:
        self._lane = lane
        self._rank = rank
        self._decoding = decoding

    @property
    def idle(self) -> int:
        """See `idle_of`."""
        return max(0, self._lane.slots - self._lane.busy)

    def run(self, function: Callable[..., T], /, *args: object, holds_lock: bool = False) -> Call[T]:
        """See `Workers.run`."""
        return self._lane.call(function, args, self._rank, self._decoding[holds_lock])
