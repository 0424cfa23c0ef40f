"""The executors behind the workers: the caller's, or threads and processes that are made when they are first needed."""

from __future__ import annotations

from concurrent.futures import Executor, ThreadPoolExecutor

from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.process_workers import ProcessWorkers


class WorkerPools:
    """Chooses where a function runs.

    Args:
        given: The caller's executor, which stays its owner's to shut down.
        slots: Functions at once; the pools made here have so many workers each.
        limits: Hold in the processes.
    """

    def __init__(self, given: Executor | None, slots: int, limits: Limits = DEFAULT_LIMITS) -> None:
        self._given = given
        self._slots = slots
        self._limits = limits
        self._threads: ThreadPoolExecutor | None = None
        self.processes: ProcessWorkers | None = None

    def pool(self, *, in_process: bool) -> Executor:
        """The caller's, but never its threads for a function that belongs into a process."""
        if self._given is not None and not (in_process and isinstance(self._given, ThreadPoolExecutor)):
            return self._given
        if in_process:
            self.processes = self.processes or ProcessWorkers(self._slots, self._limits)
            return self.processes
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._slots, thread_name_prefix="cornerstream-worker")
        return self._threads

    def is_own(self, pool: Executor) -> bool:
        """The pool has exactly one worker a slot, serves nobody else, first come, first served, and can cancel what waits."""
        return pool is not self._given

    def kill(self) -> None:
        """End what runs in processes made here."""
        if self.processes is not None:
            self.processes.kill()

    def shut_down(self, *, wait: bool) -> None:
        """Shut down the executors made here."""
        for pool in (self._threads, self.processes):
            if pool is not None:
                pool.shutdown(wait=wait, cancel_futures=True)
        self._threads = self.processes = None
