"""The command line: `cornerstream`, or `python -m cornerstream`."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command that `sys.argv` names, and exit with its code: 0 fine, 1 some failed, 2 wrong usage, 130 Ctrl-C."""
    try:
        from cornerstream.cli.app import app  # noqa: PLC0415 - the package is imported without typer

        app()
    except KeyboardInterrupt:  # before a command has begun
        sys.exit(130)
