"""Worker processes that cost one call when they crash, hang or take too much memory."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from threading import Lock
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from cornerstream.images.errors import DecodeError, LimitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.worker_process import pack, receive, send

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from cornerstream.worker_process import main; "


def default_workers() -> int:
    """One worker a core that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every platform
        return os.cpu_count() or 1


class ProcessWorkers(Executor):
    """An executor whose processes are expendable.

    Each call has a process of its own for as long as it lasts. One that dies, or takes longer or more memory than the limits
    allow, fails that call alone; the next one gets a fresh process. Nothing of the caller's program is run again in the
    processes, so that a script needs no `if __name__ == "__main__"`; a function is found there by its import.

    Args:
        count: Processes at once; one a core by default. They start when they are first needed.
        limits: `decode_seconds` and `decode_bytes` hold for each call.
    """

    def __init__(self, count: int | None = None, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        # One thread waits for each process: whoever calls is told by a plain future.
        self._threads = ThreadPoolExecutor(count or default_workers(), thread_name_prefix="cornerstream-process")
        self._lock = Lock()
        self._idle: list[_Process] = []
        self._busy: set[_Process] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"<ProcessWorkers, {len(self._busy)} busy, {len(self._idle)} idle>"

    @property
    def process_ids(self) -> frozenset[int]:
        """The processes that are there now."""
        with self._lock:
            return frozenset(process.process_id for process in (*self._idle, *self._busy))

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call `fn` in a process; it, its arguments and its result are pickled.

        The future raises what the function raises, `LimitError` where a limit is reached, and `DecodeError` where the process
        dies or is killed.
        """
        return self._threads.submit(self._call, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's
        """Take no more calls; every process ends with its call."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)

    def kill(self) -> None:
        """Take no more calls, and end those that run."""
        with self._lock:
            self._closed = True
            for process in self._busy:
                process.kill()
        self.shutdown(wait=False, cancel_futures=True)

    def _call(self, function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        process = self._take()
        try:
            good, value = process.call((function, args, kwargs))
        finally:
            self._give_back(process)
        if good:
            result: T = value
            return result
        raise value

    def _take(self) -> _Process:
        with self._lock:
            if self._closed:
                raise DecodeError("the worker processes are closed")
            process = self._idle.pop() if self._idle else _Process(self._limits)
            self._busy.add(process)
            return process

    def _give_back(self, process: _Process) -> None:
        with self._lock:
            self._busy.discard(process)
            keep = process.is_whole and not self._closed
            if keep:
                self._idle.append(process)
        if not keep:
            process.end()


class _Process:
    """One worker process, seen from its parent."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        ours, theirs = socket.socketpair()
        with theirs:
            call = f"main({theirs.fileno()}, {limits.decode_seconds!r}, {limits.decode_bytes!r})"
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, our own code
                [sys.executable, "-P", "-c", _CHILD + call, json.dumps(sys.path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._connection = Connection(ours.detach())
        self.is_whole = True

    @property
    def process_id(self) -> int:
        """Its number."""
        return self._process.pid

    def call(self, message: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]) -> tuple[bool, Any]:
        """Send one call and wait for its answer.

        Raises:
            LimitError: It took too long.
            DecodeError: The process died.
        """
        packed = pack(message)
        self.is_whole = False  # in the middle of a call it is good for nothing else
        try:
            send(self._connection, packed)
            answer: tuple[bool, Any] = receive(self._connection)
        except (EOFError, OSError) as error:
            raise self._failure() from error
        self.is_whole = True
        return answer

    def kill(self) -> None:
        """End it at once, from any thread; who waits for its answer gets DecodeError."""
        self._process.kill()

    def end(self) -> None:
        """Close the socket, which ends the process unless it is busy, and wait for it."""
        self._connection.close()
        if not self.is_whole:
            self._process.kill()
        self._process.wait()

    def _failure(self) -> DecodeError | LimitError:
        code = self._process.wait()
        if code == -signal.SIGALRM:
            return LimitError(f"it took longer than {self._limits.decode_seconds:g} s (limits.decode_seconds)")
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        return DecodeError(f"the decoder ended its process {how}; the frame is damaged, or memory is short")
