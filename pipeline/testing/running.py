"""How a check runs: on a loop of its own, with a time limit, and with nothing left behind."""

from __future__ import annotations

import asyncio
from functools import wraps
from typing import TYPE_CHECKING

from cornerstream.testing.case import ConformanceError, owed
from cornerstream.testing.leftovers import Leftovers, other_tasks, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cornerstream.testing.case import LoaderCase

_PATIENCE = 6  # a check makes several loads


def on_own_loop(body: Callable[[LoaderCase], Awaitable[None]]) -> Callable[[LoaderCase], None]:
    """Make a check of a coroutine function: it runs on a new loop, within a time, and must leave nothing."""

    @wraps(body)
    def check(case: LoaderCase) -> None:
        leftovers = Leftovers()
        asyncio.run(_limited(body, case))
        leftovers.check(case.seconds)

    return check


def leaving_nothing(body: Callable[[LoaderCase], None]) -> Callable[[LoaderCase], None]:
    """Make a check of a function that needs no loop: it must leave nothing."""

    @wraps(body)
    def check(case: LoaderCase) -> None:
        leftovers = Leftovers()
        body(case)
        leftovers.check(case.seconds)

    return check


async def _limited(body: Callable[[LoaderCase], Awaitable[None]], case: LoaderCase) -> None:
    before = other_tasks()
    seconds = case.seconds * _PATIENCE
    try:
        async with asyncio.timeout(seconds):
            await body(case)
    except TimeoutError as error:
        raise ConformanceError(f"the loader did not come to an end within {seconds:g} s") from error
    gone = await until(lambda: other_tasks() <= before, case.seconds)
    owed(gone, f"tasks are left: {', '.join(map(str, other_tasks() - before))}"[:500])
