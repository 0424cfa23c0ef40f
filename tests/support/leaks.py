"""Proof that nothing is left: tasks and file descriptors before and after."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def open_descriptors() -> set[tuple[int, str]]:
    """The descriptors of this process and what each is open on."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists the others
            found.add((int(descriptor.name), descriptor.readlink().name))
    return found


async def turns(count: int = 10) -> None:
    """Let the loop do what it has been asked to do."""
    for _ in range(count):
        await asyncio.sleep(0)


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Tasks and descriptors are after the block what they were before it."""
    tasks, descriptors = asyncio.all_tasks(), open_descriptors()
    yield
    await turns()
    more_tasks = asyncio.all_tasks() - tasks - {asyncio.current_task()}
    assert not more_tasks, more_tasks
    more_descriptors = open_descriptors() - descriptors
    assert not more_descriptors, more_descriptors
