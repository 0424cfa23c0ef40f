"""What a loader leaves behind: tasks, threads and descriptors that were not there before."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from cornerstream.testing.case import owed

if TYPE_CHECKING:
    from collections.abc import Callable

_DESCRIPTORS = Path("/proc/self/fd")
_BUSY_TURNS = 50  # before the loop rests a little between two looks
_REST = 0.002


async def turns(count: int = 20) -> None:
    """Let the loop do what it has been asked to do."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object], seconds: float) -> bool:
    """Let the loop go round until a condition holds; false where the time is over first."""
    end, count = monotonic() + seconds, 0
    while not condition():
        if monotonic() > end:
            return False
        count += 1
        await asyncio.sleep(0 if count < _BUSY_TURNS else _REST)
    return True


def other_tasks() -> set[asyncio.Task[Any]]:
    """The tasks of this loop, but for the current one."""
    return asyncio.all_tasks() - {asyncio.current_task()}


def open_descriptors() -> set[tuple[int, str]]:
    """The descriptors of this process and what each is open on; none where the system does not list them."""
    found: set[tuple[int, str]] = set()
    if _DESCRIPTORS.is_dir():
        for descriptor in _DESCRIPTORS.iterdir():
            with suppress(FileNotFoundError):  # the one that lists the others
                found.add((int(descriptor.name), str(descriptor.readlink())))
    return found


class Leftovers:
    """Threads and descriptors as they are when this is made."""

    def __init__(self) -> None:
        self._threads = set(threading.enumerate())
        self._descriptors = open_descriptors()

    def check(self, seconds: float) -> None:
        """Refuse new ones.

        Args:
            seconds: How long a thread may take to end.
        """
        end = monotonic() + seconds
        for thread in set(threading.enumerate()) - self._threads:
            thread.join(max(0.0, end - monotonic()))
            owed(not thread.is_alive(), f"a thread is left: {thread.name}")
        self.check_descriptors()

    def check_now(self) -> None:
        """Refuse new ones that are here now, those included that would end."""
        started = set(threading.enumerate()) - self._threads
        owed(not started, f"it has started a thread: {', '.join(thread.name for thread in started)}")
        self.check_descriptors()

    def check_descriptors(self) -> None:
        """Refuse new descriptors."""
        opened = open_descriptors() - self._descriptors
        owed(not opened, f"descriptors are left open: {', '.join(sorted(name for _, name in opened))}")
