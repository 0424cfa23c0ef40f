"""A loopback server that answers with scripted bytes, right or wrong, and sees when its client leaves."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Sequence


class Step(Enum):
    """What a script may do beside sending bytes."""

    CLOSE = "send FIN"
    RESET = "send RST"
    WAIT = "wait for the test to set `go`"
    REPEAT = "send the next bytes again and again, until the client leaves"
    HANG = "send nothing more and wait for the client to leave"


Script = tuple[bytes | Step, ...]


def ok(body: bytes, *fields: str, version: str = "HTTP/1.1") -> bytes:
    """A well-formed 200 with its Content-Length."""
    return head(200, f"Content-Length: {len(body)}", *fields, version=version) + body


def head(status: int, *fields: str, version: str = "HTTP/1.1") -> bytes:
    lines = [f"{version} {status} Some-Reason", *fields]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"


def chunked(*pieces: bytes, last: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + last


class RawServer:
    """Answers the nth request with the nth script; further ones with the last script. A function chooses by the target.

    Attributes:
        heads: Request heads as they came.
        connections: Connections accepted.
        asked: Set when a request has come.
        go: A script that waits goes on when it is set.
        left: Set when a client has gone while a script hung.
    """

    def __init__(self, scripts: Sequence[Script] | Callable[[str], Script]) -> None:
        self._scripts = scripts
        self._tasks: set[asyncio.Task[None]] = set()
        self.heads: list[bytes] = []
        self.connections = 0
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        self.go = asyncio.Event()
        self.origin = ""

    def url(self, path: str = "/frames/1") -> str:
        return self.origin + path

    @property
    def fields(self) -> list[dict[str, str]]:
        """Header fields of each request, by lower-case name."""
        lines = [head.decode().split("\r\n")[1:] for head in self.heads]
        return [
            {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in found if line)} for found in lines
        ]

    @property
    def targets(self) -> list[str]:
        return [head.split(b" ", 2)[1].decode() for head in self.heads]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        except asyncio.CancelledError:  # the server stops: streams would report it to the loop
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        self.asked.set()
        repeats = False
        for step in self._script():
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
                while repeats:
                    await asyncio.sleep(0)  # a drain that need not wait does not let the client run
                    writer.write(step)
                    await writer.drain()
            elif step is Step.REPEAT:
                repeats = True
            elif step is Step.HANG:
                await reader.read()
                self.left.set()
                return False
            elif step is Step.WAIT:
                await self.go.wait()
            else:
                if step is Step.RESET:
                    linger = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return False
        return True

    def _script(self) -> Script:
        if callable(self._scripts):
            return self._scripts(self.targets[-1])
        return self._scripts[min(len(self.heads), len(self._scripts)) - 1]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def raw_server(
    *scripts: Script, tls: ssl.SSLContext | None = None, choose: Callable[[str], Script] | None = None
) -> AsyncIterator[RawServer]:
    """Run a server on a free loopback port while the context lasts."""
    raw = RawServer(scripts if choose is None else choose)
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0, ssl=tls)
    raw.origin = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield raw
    finally:
        server.close()
        await raw.stop()
        await server.wait_closed()


def refused_port() -> int:
    """A loopback port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
