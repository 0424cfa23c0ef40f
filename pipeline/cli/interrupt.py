"""Running a command's coroutine so that Ctrl-C cancels it, and only it."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from cornerstream.cli.console import CANCELLED, FAILED, complain, complain_about
from cornerstream.images.errors import ImageLoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from typing import Any


def run(work: Callable[[], Coroutine[Any, Any, int]], cancelled: Callable[[], str]) -> None:
    """Run a command to its exit code.

    Ctrl-C cancels the coroutine, whose `async with` blocks close what they opened; then it is said what was cancelled.

    Args:
        work: Makes the command's coroutine, which returns its exit code.
        cancelled: Says what was cancelled, once everything is closed.

    Raises:
        typer.Exit: Always but for code 0.
    """
    try:
        code = _run(work)
    except KeyboardInterrupt:
        complain(f"cancelled: {cancelled()}")
        code = CANCELLED
    except ExceptionGroup as group:
        for error in _leaves(group):
            complain_about(error)
        code = FAILED
    except ImageLoadError as error:
        complain_about(error)
        code = FAILED
    if code:
        raise typer.Exit(code)


@contextmanager
def interrupts_later() -> Iterator[None]:
    """Hold Ctrl-C back for this block: a process that starts in it never gets it, this one gets it afterwards."""
    if not hasattr(signal, "pthread_sigmask"):  # not on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    runner, coroutine = asyncio.Runner(), work()
    try:
        with interrupts_later():
            runner.get_loop()  # a loop that is only half made cannot be closed
        return runner.run(coroutine)
    finally:
        coroutine.close()  # Ctrl-C may have come before it began
        runner.close()


def _leaves(group: ExceptionGroup[Exception]) -> list[Exception]:
    """The errors of a group that are about images; any other one is a defect and goes on.

    Raises:
        ExceptionGroup: What is left.
    """
    ours, others = group.split(ImageLoadError)
    if others is not None:
        raise others
    leaves: list[Exception] = []
    for error in ours.exceptions if ours is not None else ():
        leaves += _leaves(error) if isinstance(error, ExceptionGroup) else [error]
    return leaves
