"""Running the server: within a program, in a process of its own, or for good."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from cornerstream.server.app import BASE_PATH, create_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path

_START_SECONDS = 60.0
_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server listens.

    Attributes:
        origin: Such as `http://127.0.0.1:8042`.
    """

    origin: str

    @property
    def dicomweb(self) -> str:
        """Root of its DICOMweb service."""
        return self.origin + BASE_PATH

    @property
    def wado(self) -> str:
        """Its WADO-URI service, without the query."""
        return self.origin + "/wado"

    def file(self, path: str) -> str:
        """URL of a file, by its path relative to the folder."""
        from urllib.parse import quote  # noqa: PLC0415

        return f"{self.origin}/files/{quote(path)}"


@asynccontextmanager
async def running_app(app: web.Application, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[ServerAddress]:
    """Run an application on the running loop; port 0 takes a free one.

    A client that goes cancels its handler at once.
    """
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        bound = runner.addresses[0]
        name = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        yield ServerAddress(f"http://{name}:{bound[1]}")
    finally:
        await runner.cleanup()


@asynccontextmanager
async def running_server(
    folder: Path | str, *, faults: bool = False, latency_seconds: float = 0.0, bytes_per_second: float | None = None
) -> AsyncIterator[ServerAddress]:
    """Serve a folder on the running loop, on loopback and a free port; arguments as `create_app`."""
    app = create_app(folder, faults=faults, latency_seconds=latency_seconds, bytes_per_second=bytes_per_second)
    async with running_app(app) as address:
        yield address


@contextmanager
def server_process(
    folder: Path | str, *, faults: bool = False, latency_seconds: float = 0.0, bytes_per_second: float | None = None
) -> Iterator[ServerAddress]:
    """Serve a folder from a process of its own, on loopback and a free port; arguments as `create_app`.

    The process ends with the context, and by itself if this program ends without leaving it. It is spawned, so a script
    that calls this at its top level needs `if __name__ == "__main__":` around it.

    Raises:
        RuntimeError: The server did not start.
    """
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(
        target=_serve_until_closed,
        args=(folder, _Options(faults, latency_seconds, bytes_per_second), theirs),
        daemon=True,
    )
    process.start()
    theirs.close()
    try:
        yield ServerAddress(_received(ours))
    finally:
        ours.close()  # the process sees the end of the pipe and stops
        process.join(_STOP_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()


async def serve(folder: Path, host: str = "127.0.0.1", port: int = 8042) -> None:
    """Serve a folder until cancelled.

    Args:
        folder: Its DICOM files are served.
        host: The address to listen on; anything but loopback makes the folder readable for the network.
        port: 0 takes a free one.
    """
    async with running_app(create_app(folder), host, port):
        await asyncio.Event().wait()


def _received(pipe: Connection) -> str:
    try:
        origin = pipe.recv() if pipe.poll(_START_SECONDS) else ""
    except EOFError as error:
        raise RuntimeError("the server process ended before it listened; its own message says why") from error
    if not origin:
        raise RuntimeError(f"the server process did not listen within {_START_SECONDS:g} s")
    return str(origin)


@dataclass(frozen=True, slots=True)
class _Options:
    """The arguments of `create_app`, on their way to another process."""

    faults: bool
    latency_seconds: float
    bytes_per_second: float | None


def _serve_until_closed(folder: Path, options: _Options, pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started it, which then ends the pipe

    async def run() -> None:
        closed = asyncio.Event()
        async with running_server(folder, **asdict(options)) as address:
            asyncio.get_running_loop().add_reader(pipe.fileno(), closed.set)
            pipe.send(address.origin)
            await closed.wait()
            asyncio.get_running_loop().remove_reader(pipe.fileno())

    asyncio.run(run())
