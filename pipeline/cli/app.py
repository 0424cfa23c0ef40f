"""The commands together; each module imports what it needs when it runs, so that `--help` is quick."""

from typing import Annotated

import typer

import cornerstream
from cornerstream.cli.codecs import codecs
from cornerstream.cli.demo import demo
from cornerstream.cli.load import load
from cornerstream.cli.loaders import loaders
from cornerstream.cli.series import series
from cornerstream.cli.serve import serve
from cornerstream.cli.stream import stream

app = typer.Typer(
    name="cornerstream",
    help="Streams medical images reactively, and stops at once when nobody wants them any more.",
    epilog="Exit codes: 0 fine, 1 something failed (named on stderr), 2 wrong usage, 130 cancelled by Ctrl-C.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback with local variables could show patient data
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it
    if wanted:
        typer.echo(f"cornerstream {cornerstream.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say it and exit.")
    ] = False,
) -> None:
    """Options of the program itself."""


for command in (demo, load, series, stream, serve, codecs, loaders):
    app.command()(command)
