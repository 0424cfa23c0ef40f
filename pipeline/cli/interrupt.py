"""Running a command's coroutine so that Ctrl-C cancels it, and only it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from cornerstream.cli.console import CANCELLED, FAILED, complain, complain_about
from cornerstream.images.errors import ImageLoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any


def run(work: Coroutine[Any, Any, int], cancelled: Callable[[], str]) -> None:
    """Run a command to its exit code.

    Ctrl-C cancels the coroutine, whose `async with` blocks close what they opened; then it is said what was cancelled.

    Args:
        work: The command; it returns its exit code.
        cancelled: Says what was cancelled, once everything is closed.

    Raises:
        typer.Exit: Always but for code 0.
    """
    try:
        code = asyncio.run(work)
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
    finally:
        work.close()  # Ctrl-C may have come before it began
    if code:
        raise typer.Exit(code)


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
