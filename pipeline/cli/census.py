"""What a program holds: sockets, tasks, threads."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_DESCRIPTORS = Path("/dev/fd")  # every open descriptor of this process, on Linux and macOS


@dataclass(frozen=True, slots=True)
class Census:
    """Counts of this process; taken on a loop, whose own sockets and task are among them.

    Attributes:
        sockets: `None` where the system does not list them.
    """

    sockets: int | None
    tasks: int
    threads: int

    @classmethod
    def take(cls) -> Self:
        """Count now."""
        return cls(_sockets(), len(asyncio.all_tasks()), threading.active_count())

    def beyond(self, before: Census) -> Census:
        """What there is more than before."""
        sockets = None if self.sockets is None or before.sockets is None else self.sockets - before.sockets
        return Census(sockets, self.tasks - before.tasks, self.threads - before.threads)

    @property
    def is_nothing(self) -> bool:
        """Nothing is left."""
        return not self.sockets and self.tasks == 0 and self.threads == 0


def _sockets() -> int | None:
    try:
        descriptors = [int(name) for name in os.listdir(_DESCRIPTORS)]  # noqa: PTH208 - names are all that is wanted
    except OSError:
        return None
    return sum(map(_is_socket, descriptors))


def _is_socket(descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:  # the descriptor that the listing itself was read by
        return False
