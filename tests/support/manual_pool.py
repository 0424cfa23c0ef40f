"""A pool whose workers begin and end when the test says so, and the pools of a lane that has only that one."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class ManualPool(Executor):
    """First come, first served, as a pool of threads.

    Args:
        workers: How many work at once.

    Attributes:
        begun: The first argument of each call that a worker has begun, in order.
        running: What runs, by that argument.
        refuses: Raised by the next `submit`, if any.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.begun: list[Any] = []
        self.running: dict[Any, Future[Any]] = {}
        self.refuses: Exception | None = None
        self.queue: deque[tuple[Future[Any], Any]] = deque()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queue a call; an idle worker begins it at once."""
        if self.refuses is not None:
            refusal, self.refuses = self.refuses, None
            raise refusal
        future: Future[T] = Future()
        self.queue.append((future, args[0]))
        self.go_on()
        return future

    def go_on(self) -> None:
        """Idle workers begin what is queued."""
        while self.queue and len(self.running) < self.workers:
            future, name = self.queue.popleft()
            if future.set_running_or_notify_cancel():
                assert name not in self.running
                self.begun.append(name)
                self.running[name] = future

    def end(self, name: object, error: BaseException | None = None) -> None:
        """A worker ends a call and goes on with the next one, whatever the loop knows of it."""
        future = self.running.pop(name)
        if error is None:
            future.set_result(name)
        else:
            future.set_exception(error)
        self.go_on()

    @property
    def queued(self) -> int:
        """What waits here and is not cancelled."""
        return sum(not future.cancelled() for future, _ in self.queue)


class OnePool:
    """Every call goes to one pool; for processes there may be another."""

    def __init__(self, pool: Executor, *, own: bool = True, processes: Executor | None = None) -> None:
        self._pool = pool
        self._own = own
        self._processes = processes

    def pool(self, *, in_process: bool) -> Executor:
        """See `Pools`."""
        return self._processes if in_process and self._processes is not None else self._pool

    def is_own(self, pool: Executor) -> bool:
        """See `Pools`."""
        return self._own
