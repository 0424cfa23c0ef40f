"""Progress bars on stderr, where it is a terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from cornerstream.cli.console import megabytes, progress_console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Task

    from cornerstream.session import Session

_NAME_WIDTH = 34  # bars that follow one another begin at one place


class _Counted(Protocol):
    """What counts the bytes of pixels."""

    nbytes: int


class BytesColumn(ProgressColumn):
    """Bytes so far and a second: those received, or the pixels' where nothing came over a network.

    Args:
        session: Whose bytes are received.
        tally: Counts the pixels' bytes.
    """

    def __init__(self, session: Session, tally: _Counted) -> None:
        super().__init__()
        self._session = session
        self._tally = tally
        self._before = session.stats().bytes_received

    def render(self, task: Task) -> Text:
        """Draw it; called on the thread that refreshes the screen."""
        received = self._session.stats().bytes_received - self._before
        nbytes = received or self._tally.nbytes
        seconds = task.elapsed or 0.0
        rate = f" · {megabytes(nbytes / seconds)}/s · {task.completed / seconds:.0f} images/s" if seconds else ""
        return Text(f"{megabytes(nbytes)} {'received' if received else 'of pixels'}{rate}")


@contextmanager
def image_progress(name: str, total: int, session: Session, tally: _Counted) -> Iterator[Callable[[], None]]:
    """A bar of images and bytes.

    Args:
        name: What stands in front of it.
        total: Images in all.
        session: Whose bytes are received; open while the bar is.
        tally: Counts the pixels' bytes.

    Yields:
        To be called after each image.
    """
    console = progress_console()
    with Progress(
        TextColumn(f"{{task.description:<{_NAME_WIDTH}}}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        BytesColumn(session, tally),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(name, total=total)
        yield lambda: progress.advance(task)
