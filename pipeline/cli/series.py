"""`cornerstream series`: what there is."""

from typing import TYPE_CHECKING, Annotated

import typer

from cornerstream.cli.console import FAILED, complain, megabytes, show_table
from cornerstream.cli.source import Folder, Web, parse_source

if TYPE_CHECKING:
    from cornerstream.series import Series

_COLUMNS = ("Study", "#No.", "Modality", "Description", "#Images", "Size", "#Decoded", "Series")


def series(
    source: Annotated[str, typer.Argument(metavar="URL|FOLDER", help="DICOMweb root, study or series, or a folder.")],
) -> None:
    """List the series of a DICOMweb server or of a folder."""
    from cornerstream.cli.interrupt import run  # noqa: PLC0415 - for `--help` to be quick

    run(lambda: _series(parse_source(source)), lambda: "the listing")


async def _series(source: Folder | Web) -> int:
    from cornerstream.session import Session  # noqa: PLC0415 - for `--help` to be quick

    async with Session() as session:
        found = await source.list_series(session)
    if not found:
        complain("no series with images found")
        return FAILED
    show_series(found)
    return 0


def show_series(found: "list[Series]") -> None:
    """Draw the table of series."""
    show_table(_COLUMNS, [_row(one) for one in found])


def _row(one: "Series") -> tuple[str, ...]:
    return (
        one.study_instance_uid,
        "" if one.series_number is None else str(one.series_number),
        one.modality,
        one.series_description,
        str(len(one)),
        f"{one.rows} × {one.columns}" if one.rows else "?",
        megabytes(one.image_bytes * len(one)) if one.image_bytes else "?",
        one.series_instance_uid,
    )
