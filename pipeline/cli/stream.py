"""`cornerstream stream`: a whole series to files, in order."""

from typing import TYPE_CHECKING, Annotated

import typer

from cornerstream.cli.console import FAILED, complain, counted, say
from cornerstream.cli.options import Ahead, Force, Form, Out, parse_window, the_format
from cornerstream.cli.source import Folder, Web, parse_source

if TYPE_CHECKING:
    from cornerstream.cli.files import Writer
    from cornerstream.cli.loading import Tally
    from cornerstream.series import Series

_USAGE = 2


def stream(
    source: Annotated[str, typer.Argument(metavar="URL|FOLDER", help="DICOMweb root, study or series, or a folder.")],
    out: Out,
    series: Annotated[str, typer.Option(metavar="UID", help="Which series, where there are several.")] = "",
    form: Form = "png",
    window: Annotated[str, typer.Option(metavar="CENTER,WIDTH", help="In modality units, for png.")] = "",
    *,
    force: Force = False,
    ahead: Ahead = 8,
) -> None:
    """Stream a series to files, in the order of its positions, a bounded number of images at a time."""
    from cornerstream.cli.files import Writer  # noqa: PLC0415 - for `--help` to be quick
    from cornerstream.cli.interrupt import run  # noqa: PLC0415
    from cornerstream.cli.loading import Tally  # noqa: PLC0415

    chosen = the_format(form)
    writer = Writer(out, chosen, parse_window(window, chosen), force, numbered=4)
    tally = Tally()
    run(lambda: _stream(parse_source(source), series, writer, tally, ahead), tally.told)


async def _stream(source: Folder | Web, uid: str, writer: "Writer", tally: "Tally", ahead: int) -> int:
    from cornerstream.cli.loading import write_images  # noqa: PLC0415 - for `--help` to be quick
    from cornerstream.session import Session  # noqa: PLC0415

    async with Session() as session:
        found = [one for one in await source.list_series(session) if uid in {"", one.series_instance_uid}]
        if len(found) != 1:
            return _not_one(found, uid)
        await write_images(session, found[0].image_ids, writer, tally, ahead=ahead)
    say(f"{counted(tally.written, 'image')} written to {writer.folder}")
    if tally.failed:
        complain(f"{counted(tally.failed, 'image')} failed")
    return tally.code


def _not_one(found: "list[Series]", uid: str) -> int:
    if not found:
        complain(f"there is no series {uid}" if uid else "no series with images found")
        return _USAGE if uid else FAILED
    complain(f"there are {len(found)} series; choose one with --series:")
    for one in found:
        complain(f"  {one.series_instance_uid}  {one.modality}  {counted(len(one), 'image')}  {one.series_description}")
    return _USAGE
