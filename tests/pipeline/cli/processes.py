"""The program in a process of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

# A shell that runs the tests in the background makes its children deaf to Ctrl-C; who types it is not.
_LISTENING = (
    "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "sys.argv[0] = 'cornerstream'; runpy.run_module('cornerstream', run_name='__main__')"
)
_SECONDS = 40


@asynccontextmanager
async def program(*arguments: object, cwd: Path | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start the program; it is killed when the block is left before its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _LISTENING,
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=cwd,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def interrupt(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    """Press Ctrl-C: the exit code, and what else came on stdout and on stderr."""
    process.send_signal(signal.SIGINT)
    stdout, stderr = await process.communicate()
    return process.returncode, stdout.decode(), stderr.decode()


async def line_with(process: asyncio.subprocess.Process, text: str) -> str:
    """The first line of stdout, from here on, that has a text in it."""
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode():
        if text in line:
            return line
    raise AssertionError(f"the program ended without saying {text!r}")
