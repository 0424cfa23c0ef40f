"""Options that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from cornerstream.cli.formats import Format, Window

Out = Annotated[Path, typer.Option("-o", "--out", file_okay=False, help="Folder for the files; made if need be.")]
Form = Annotated[Literal["png", "npy", "tiff", "raw"], typer.Option("--format", help="What is written.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there.")]
Ahead = Annotated[int, typer.Option(min=1, help="Loads ahead of the writer; bounds the memory.")]


def the_format(form: str) -> "Format":
    """The format of a name."""
    from cornerstream.cli.formats import Format  # noqa: PLC0415 - for `--help` to be quick

    return Format(form)


def parse_window(text: str, form: "Format") -> "Window | None":
    """Read `CENTER,WIDTH`; empty is the image's own window.

    Raises:
        typer.BadParameter: It is no window, or the format stores values that no window applies to.
    """
    from math import isfinite  # noqa: PLC0415

    if not text:
        return None
    if form != "png":
        raise typer.BadParameter(f"{form} has the stored values; a window applies to png only")
    try:
        center, width = map(float, text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"a window reads CENTER,WIDTH, as in 40,400; not {text!r}") from error
    if not (isfinite(center) and isfinite(width) and width >= 1):  # PS3.3 C.11.2.1.2.1
        raise typer.BadParameter("a window's width is 1 at least")
    return center, width
