"""What is said, and where: results on stdout, complaints and progress on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

FAILED = 1
CANCELLED = 130  # 128 + SIGINT, as shells count it
_PIPED_WIDTH = 200  # columns of a table that no terminal bounds


def plain(text: str) -> str:
    """Text as it may go to a terminal: what a file or a server wrote cannot steer it."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def say(text: str) -> None:
    """A line of the result."""
    typer.echo(plain(text))


def complain(text: str) -> None:
    """A line about what went wrong or otherwise than asked."""
    typer.echo(plain(text), err=True)


def complain_about(error: BaseException) -> None:
    """A line with an error's type and message."""
    complain(f"{type(error).__name__}: {error}")


def progress_console() -> Console:
    """Where progress is drawn: stderr."""
    from rich.console import Console  # noqa: PLC0415 - heavy

    return Console(stderr=True, markup=False, highlight=False, emoji=False)


def result_console() -> Console:
    """Where tables are drawn: stdout, wide enough for UIDs where it is no terminal."""
    from rich.console import Console  # noqa: PLC0415 - heavy

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    return console


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "") -> None:
    """Draw a table; a column whose name starts with `#` is aligned to the right."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - heavy
    from rich.table import Table  # noqa: PLC0415 - heavy

    table = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for column in columns:
        right = column.startswith("#")
        table.add_column(column.removeprefix("#"), justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(plain, row))
    result_console().print(table)


def megabytes(nbytes: float) -> str:
    """Bytes as decimal megabytes, `12.3 MB`."""
    return f"{nbytes / 1e6:,.1f} MB"


def counted(count: int, noun: str) -> str:
    """A number and its noun, `1 image`, `2 images`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
