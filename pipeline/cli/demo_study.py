"""The demonstration's study: made while a bar counts the files."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cornerstream.cli.console import progress_console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cornerstream.phantom import PhantomStudy

_LOOK_SECONDS = 0.1


def make_study(folder: Path, slices: int) -> PhantomStudy:
    """Compute the phantom and write it, on this thread.

    Args:
        folder: Empty, or with the same study in it.
        slices: Of each CT series.
    """
    from cornerstream.phantom import CT_SYNTAXES, write_study  # noqa: PLC0415 - heavy

    with _counting_files(folder, slices * len(CT_SYNTAXES) + 1):
        return write_study(folder, slices=slices)


@contextmanager
def _counting_files(folder: Path, total: int) -> Iterator[None]:
    """A bar that counts the files of a folder as they come."""
    console = progress_console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("computing", total=total)
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_LOOK_SECONDS):
                count = sum(1 for _ in folder.rglob("*.dcm"))
                progress.update(task, completed=count, description="writing" if count else "computing")

        watcher = threading.Thread(target=watch, name="cornerstream-count", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
