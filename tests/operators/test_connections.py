"""Connections that are cut close at once, whatever the server does with its end."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING

import psutil
import pytest

from cornerstream.images.errors import HttpStatusError
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.transport import AiohttpTransport
from tests.support.leaks import nothing_left, turns
from tests.support.raw_server import Step, head, ok, raw_server
from tests.support.tls import Tls, make_tls

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

BODY = bytes(range(256)) * 40
HEADER = head(200, "Content-Length: 9")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return make_tls(tmp_path_factory.mktemp("tls"))


class DeafServer:
    """Reads one request, sends some bytes, and neither reads nor closes until the test is over."""

    def __init__(self, answer: bytes, tls: ssl.SSLContext | None) -> None:
        self._answer = answer
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self.answered = threading.Event()
        self.port: int = self._listener.getsockname()[1]

    def serve(self) -> None:
        accepted, _ = self._listener.accept()
        with accepted if self._tls is None else self._tls.wrap_socket(accepted, server_side=True) as connection:
            connection.recv(1 << 16)
            connection.sendall(self._answer)
            self.answered.set()
            self._over.wait()

    def stop(self) -> None:
        self._over.set()
        self._listener.close()

    def clients(self) -> int:
        """Sockets of this process that are connected to it."""
        connections = psutil.Process().net_connections("tcp4")
        return sum(bool(one.raddr) and one.raddr[1] == self.port for one in connections)


@contextmanager
def deaf_server(answer: bytes, tls: ssl.SSLContext | None) -> Iterator[DeafServer]:
    server = DeafServer(answer, tls)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


async def read(transport: AiohttpTransport, url: str, seen: asyncio.Semaphore | None = None) -> bytes:
    """Read an answer; `seen` is released for its header and for each chunk."""
    seen = asyncio.Semaphore(0) if seen is None else seen
    pieces = []
    async with transport.open(HttpRequest(url)) as response, aclosing(response.chunks()) as chunks:
        seen.release()
        async for chunk in chunks:
            pieces.append(chunk)
            seen.release()
    return b"".join(pieces)


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(("answer", "signs"), [(b"", 0), (HEADER, 1), (HEADER + b"abc", 2)], ids=["", "header", "body"])
async def test_cancelled_it_is_closed_two_turns_later(answer: bytes, signs: int, secure: bool, tls: Tls) -> None:
    with deaf_server(answer, tls.serving() if secure else None) as server:
        async with AiohttpTransport(ssl=tls.trusting()) as transport:
            seen, url = asyncio.Semaphore(0), f"http{'s' if secure else ''}://127.0.0.1:{server.port}/"
            task = asyncio.create_task(read(transport, url, seen))
            await asyncio.get_running_loop().run_in_executor(None, server.answered.wait)
            for _ in range(signs):
                await seen.acquire()
            assert server.clients() == 1
            task.cancel()
            await turns(2)
            assert task.cancelled()
            assert server.clients() == 0


async def test_a_refusal_whose_body_is_not_read_is_cut(tls: Tls) -> None:
    with deaf_server(head(404, "Content-Length: 9") + b"abc", tls.serving()) as server:
        async with AiohttpTransport(ssl=tls.trusting()) as transport:
            with pytest.raises(HttpStatusError):
                await read(transport, f"https://127.0.0.1:{server.port}/")
            await turns(2)
            assert server.clients() == 0


async def test_connections_are_used_again_over_tls(tls: Tls) -> None:
    async with nothing_left(), raw_server((ok(BODY),), tls=tls.serving()) as server:
        async with AiohttpTransport(ssl=tls.trusting()) as transport:
            for _ in range(3):
                assert await read(transport, server.url()) == BODY
        assert server.connections == 1


async def test_one_that_is_cut_does_not_take_the_others_along(tls: Tls) -> None:
    async with raw_server((Step.WAIT, ok(BODY)), tls=tls.serving()) as server:
        with deaf_server(HEADER + b"abc", tls.serving()) as deaf:
            async with AiohttpTransport(ssl=tls.trusting()) as transport:
                whole = asyncio.create_task(read(transport, server.url()))
                await asyncio.wait_for(server.asked.wait(), 5)
                slow = asyncio.create_task(read(transport, f"https://127.0.0.1:{deaf.port}/"))
                await asyncio.get_running_loop().run_in_executor(None, deaf.answered.wait)
                slow.cancel()
                await turns(2)
                assert deaf.clients() == 0
                server.go.set()
                assert await whole == BODY
