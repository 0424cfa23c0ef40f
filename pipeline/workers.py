"""The worker scheduler: functions beside the loop, in the order of ranks, on any executor."""

from __future__ import annotations

import asyncio
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from reactivex.disposable import Disposable, SingleAssignmentDisposable
from reactivex.scheduler.scheduler import Scheduler

from cornerstream.gate import PriorityGate
from cornerstream.images.errors import DecodeError, LimitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.process_workers import ProcessWorkers, default_workers
from cornerstream.ranks import Lane, Rank, RankCell
from cornerstream.traces import Stage, Trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import typing
    from reactivex.abc import DisposableBase, ScheduledAction

    from cornerstream.events import Recorder
    from cornerstream.loop_host import LoopHost

T = TypeVar("T")
S = TypeVar("S")


class WorkerScheduler(Scheduler):
    """Runs functions on an executor behind a priority gate; also a scheduler for `observe_on`.

    A function is submitted only when a slot is free, so that one which waits can still be dropped or ranked anew. One
    that runs cannot be interrupted: it keeps its slot until it ends, and its result is dropped.

    Args:
        host: The loop on which the gate lives.
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
        self._gate = PriorityGate(slots or default_workers())
        self._given = executor
        self._limits = limits
        self._isolated = isolated
        self._recorder = recorder
        self._threads: ThreadPoolExecutor | None = None
        self._processes: ProcessWorkers | None = None
        self._closed = False
        self._running: set[Future[object]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<WorkerScheduler {self._gate!r}>"

    @property
    def busy(self) -> int:
        """Functions running now, those included whose result nobody wants any more."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Functions that wait for a slot."""
        return self._gate.waiting

    def at_rank(self, rank: RankCell) -> RankedWorkers:
        """These workers for one load."""
        return RankedWorkers(self, rank)

    async def run(self, function: Callable[..., T], /, *args: object, rank: RankCell, holds_lock: bool = False) -> T:
        """Run `function(*args)` when its rank's turn comes, however long it takes; see `Workers.run`.

        Raises:
            DecodeError: The executor broke, or a worker process died; the next call gets a fresh one.
        """
        return await self._run(function, args, rank, in_process=holds_lock, seconds=None)

    async def decode(self, function: Callable[..., T], /, *args: object, rank: RankCell, holds_lock: bool = False) -> T:
        """As `run`, for what works on a stranger's frame: within limits, and in a process where that is asked for.

        Raises:
            LimitError: It takes longer than `limits.decode_seconds`, or a process needs more than `limits.decode_bytes`.
            DecodeError: The executor broke, or a worker process died; the next call gets a fresh one.
        """
        in_process = self._isolated or holds_lock
        return await self._run(function, args, rank, in_process=in_process, seconds=self._limits.decode_seconds)

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
        self._closed = True  # what a thread schedules from here on begins no more
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._processes is not None:
            self._processes.kill()
        ends = asyncio.gather(*(asyncio.wrap_future(future) for future in self._running), return_exceptions=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(ends, self._limits.decode_seconds)
        self.shut_down(wait=not self._running)

    def shut_down(self, *, wait: bool = True) -> None:
        """Shut down the executors made here, and take no more work."""
        self._closed = True
        for executor in (self._threads, self._processes):
            if executor is not None:
                executor.shutdown(wait=wait)
        self._threads = self._processes = None

    async def _run(
        self,
        function: Callable[..., T],
        args: tuple[object, ...],
        rank: RankCell,
        *,
        in_process: bool,
        seconds: float | None,
    ) -> T:
        trace = rank.trace or Trace()
        with trace.staying(Stage.WORKER_QUEUE):
            future, executor = await self._submit(function, args, rank, trace, in_process=in_process)
            return await _result(future, None if isinstance(executor, ProcessWorkers) else seconds)

    async def _submit(
        self, function: Callable[..., T], args: tuple[object, ...], rank: RankCell, trace: Trace, *, in_process: bool
    ) -> tuple[Future[T], Executor]:
        """Wait for a slot and begin."""
        asked = perf_counter()
        await self._gate.acquire(rank)
        try:
            if self._recorder is not None:
                self._recorder.worked_on(trace, perf_counter() - asked)
            executor = self._executor(in_process=in_process)
            future = executor.submit(function, *args)
        except (BrokenExecutor, RuntimeError) as error:
            self._gate.release()
            raise DecodeError(f"the workers take no more work: {error}") from error
        except BaseException:
            self._gate.release()
            raise
        self._hold(future)
        return future, executor

    def _schedule(self, seconds: float, action: ScheduledAction[S], state: S | None) -> DisposableBase:
        inner = SingleAssignmentDisposable()
        outer = Disposable(lambda: self._host.call(cancel))
        started: list[asyncio.Task[None]] = []

        def work() -> None:
            if not outer.is_disposed:
                inner.disposable = self.invoke_action(action, state)

        async def later() -> None:
            await asyncio.sleep(seconds)
            await self._run(work, (), RankCell(Rank(Lane.INTERACTION)), in_process=False, seconds=None)

        def start() -> None:
            if not (outer.is_disposed or self._closed):
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

    def _executor(self, *, in_process: bool) -> Executor:
        """The caller's, but never its threads for a function that belongs into a process."""
        if self._closed:
            raise RuntimeError("the session is closed")
        if self._given is not None and not (in_process and isinstance(self._given, ThreadPoolExecutor)):
            return self._given
        if in_process:
            self._processes = self._processes or ProcessWorkers(self._gate.slots, self._limits)
            return self._processes
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._gate.slots, thread_name_prefix="cornerstream-worker")
        return self._threads

    def _hold(self, future: Future[T]) -> None:
        """Keep the slot until the function really ends, whoever still waits for it."""
        held: Future[object] = future  # type: ignore[assignment]  # Future is invariant; only its end matters here
        self._running.add(held)

        def ended() -> None:
            self._running.discard(held)
            self._gate.release()

        def done(_: Future[T]) -> None:
            if not self._host.loop.is_closed():
                self._host.loop.call_soon_threadsafe(ended)

        future.add_done_callback(done)


class RankedWorkers:
    """The workers as one load sees them: every function runs at the rank of that load."""

    def __init__(self, scheduler: WorkerScheduler, rank: RankCell) -> None:
        self._scheduler = scheduler
        self._rank = rank

    async def run(self, function: Callable[..., T], /, *args: object, holds_lock: bool = False) -> T:
        """See `Workers.run`."""
        return await self._scheduler.decode(function, *args, rank=self._rank, holds_lock=holds_lock)


async def _result(future: Future[T], seconds: float | None) -> T:
    """What the function returns, unless it takes too long; it then goes on in its thread, and is no longer waited for."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await asyncio.wrap_future(future)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise LimitError(f"it took longer than {seconds:g} s on a worker (limits.decode_seconds)") from error
    except BrokenExecutor as error:
        raise DecodeError(f"a worker died in the middle of its work: {error}") from error
