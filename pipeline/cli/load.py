"""`cornerstream load`: single images to files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cornerstream.cli.console import complain, counted, say
from cornerstream.cli.options import Ahead, Force, Form, Out, parse_window, the_format

if TYPE_CHECKING:
    from cornerstream.cli.files import Writer
    from cornerstream.cli.loading import Tally
    from cornerstream.images.image_id import ImageId


def load(
    image_ids: Annotated[
        list[str], typer.Argument(metavar="IMAGE_ID…", help="As in wadors:https://…/frames/1, or the path of a file.")
    ],
    out: Out,
    form: Form = "png",
    window: Annotated[str, typer.Option(metavar="CENTER,WIDTH", help="In modality units, for png.")] = "",
    *,
    force: Force = False,
    ahead: Ahead = 8,
) -> None:
    """Load images and write each to a file; png as displayed, npy, tiff and raw with the stored values."""
    from cornerstream.cli.files import Writer  # noqa: PLC0415 - for `--help` to be quick
    from cornerstream.cli.interrupt import run  # noqa: PLC0415
    from cornerstream.cli.loading import Tally  # noqa: PLC0415

    chosen = the_format(form)
    writer = Writer(out, chosen, parse_window(window, chosen), force)
    tally = Tally()
    ids = list(dict.fromkeys(map(parse_image_id, image_ids)))  # each once
    run(lambda: _load(ids, writer, tally, ahead), tally.told)


async def _load(ids: "list[ImageId]", writer: "Writer", tally: "Tally", ahead: int) -> int:
    from cornerstream.cli.loading import write_images  # noqa: PLC0415 - for `--help` to be quick
    from cornerstream.session import Session  # noqa: PLC0415

    async with Session() as session:
        await write_images(session, ids, writer, tally, ahead=ahead)
    say(f"{counted(tally.written, 'image')} written to {writer.folder}")
    if tally.failed:
        complain(f"{counted(tally.failed, 'image')} failed")
    return tally.code


def parse_image_id(text: str) -> "ImageId":
    """Read an image id; the path of a file, with `?frame=N` behind it or not, stands for `dicomfile:` and the path.

    The path of a picture stands for `web:` and the path.

    Raises:
        typer.BadParameter: It is neither.
    """
    from cornerstream.images.errors import ImageIdError  # noqa: PLC0415 - for `--help` to be quick
    from cornerstream.images.image_id import ImageId  # noqa: PLC0415

    path = text.rpartition("?frame=")[0] or text
    try:
        return ImageId.parse(f"{_scheme_of(Path(path))}:{text}" if Path(path).is_file() else text)
    except ImageIdError as error:
        raise typer.BadParameter(f"{error}; nor is there such a file") from error


def _scheme_of(path: Path) -> str:
    """By the bytes of a file; one that cannot be read is its loader's to complain about."""
    from cornerstream.operators.web_format import is_picture  # noqa: PLC0415 - for `--help` to be quick

    try:
        with path.open("rb") as file:
            return "web" if is_picture(file.read(132)) else "dicomfile"
    except OSError:
        return "dicomfile"
