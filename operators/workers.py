"""Workers for operators that are used alone: any executor, without lanes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

T = TypeVar("T")


class ExecutorWorkers:
    """Runs functions on an executor, in the order they come.

    Args:
        executor: Any `concurrent.futures.Executor`; processes if decoders that hold the interpreter lock are used.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def run(
        self,
        function: Callable[..., T],
        /,
        *args: object,
        holds_lock: bool = False,  # noqa: ARG002
    ) -> asyncio.Future[T]:
        """Run `function(*args)` on the executor; cancelled before it starts, it never starts."""
        return asyncio.wrap_future(self._executor.submit(function, *args))
