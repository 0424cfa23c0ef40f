"""Proof that nothing is left: tasks and file descriptors before and after."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def turns(count: int = 10) -> None:
    """Let the loop do what it has been asked to do."""
    for _ in range(count):
        await asyncio.sleep(0)


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Tasks and descriptors are after the block what they were before it."""
    process = psutil.Process()
    tasks, descriptors = asyncio.all_tasks(), process.num_fds()
    yield
    await turns()
    assert asyncio.all_tasks() <= tasks
    assert process.num_fds() <= descriptors
