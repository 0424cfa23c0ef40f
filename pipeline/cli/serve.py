"""`cornerstream serve`: a folder as a DICOMweb server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cornerstream.cli.console import FAILED, complain, counted, say

if TYPE_CHECKING:
    from aiohttp.web import Application


def serve(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Its DICOM files are served.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8042,
    host: Annotated[str, typer.Option(help="Anything but loopback opens the folder to the network.")] = "127.0.0.1",
) -> None:
    """Serve a folder over DICOMweb and WADO-URI until Ctrl-C."""
    from cornerstream.cli.interrupt import run  # noqa: PLC0415 - for `--help` to be quick

    if not _is_loopback(host):
        complain(f"warning: everybody who can reach {host} can read this folder; there is no password")
    run(lambda: _serve(folder, host, port), lambda: "the server has stopped")


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address  # noqa: PLC0415 - for `--help` to be quick

    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"


async def _serve(folder: Path, host: str, port: int) -> int:
    from asyncio import Event  # noqa: PLC0415 - for `--help` to be quick

    from cornerstream.server import create_app, running_app  # noqa: PLC0415

    app = create_app(folder)
    try:
        async with running_app(app, host, port) as address:
            say(f"DICOMweb   {address.dicomweb}")
            say(f"WADO-URI   {address.wado}")
            _tell_contents(app, address.dicomweb)
            say("ready; Ctrl-C stops it")
            await Event().wait()
    except OSError as error:
        complain(f"cannot listen on {host}, port {port}: {error.strerror or error}")
    return FAILED


def _tell_contents(app: "Application", root: str) -> None:
    from cornerstream.server.folder import FOLDER  # noqa: PLC0415 - for `--help` to be quick

    index = app[FOLDER].index
    instances = index.select()
    if not instances:
        complain("there is no DICOM image in this folder")
        return
    one = instances[0]
    say(f"holds      {counted(len(index), 'instance')} of {len(index.studies)} studies")
    say(
        f"image id   wadors:{root}/studies/{one.study_instance_uid}/series/{one.series_instance_uid}"
        f"/instances/{one.sop_instance_uid}/frames/1"
    )
