from __future__ import annotations

import asyncio
import multiprocessing
import time
from typing import TYPE_CHECKING
from urllib.request import urlopen

import aiohttp
import pytest

from cornerstream.server import running_server, serve, server_process
from cornerstream.server.reply import Link

if TYPE_CHECKING:
    from pathlib import Path

    from cornerstream.phantom import PhantomStudy


def test_a_process_of_its_own_serves_and_ends(small_study: PhantomStudy) -> None:
    with server_process(small_study.folder, faults=True) as address:
        assert address.origin.startswith("http://127.0.0.1:")
        with urlopen(address.dicomweb + "/studies") as response:
            assert small_study.study_instance_uid.encode() in response.read()
        assert len(multiprocessing.active_children()) == 1
    assert not multiprocessing.active_children()


def test_a_process_that_cannot_start_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="ended before it listened"), server_process(tmp_path / "missing"):
        pytest.fail("it started")
    assert "not a folder" in capfd.readouterr().err
    assert not multiprocessing.active_children()


async def test_serve_ends_when_cancelled(small_study: PhantomStudy) -> None:
    task = asyncio.ensure_future(serve(small_study.folder, port=0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nothing_listens_afterwards(small_study: PhantomStudy) -> None:
    async with running_server(small_study.folder) as address:
        pass
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.get(address.dicomweb + "/studies")


async def test_latency_comes_before_every_answer(small_study: PhantomStudy) -> None:
    async with running_server(small_study.folder, latency_seconds=0.05) as address, aiohttp.ClientSession() as client:
        started = time.monotonic()
        async with client.get(address.dicomweb + "/studies") as response:
            assert response.status == 200
        assert time.monotonic() - started >= 0.05


async def test_the_link_is_shared(small_study: PhantomStudy) -> None:
    path = small_study.series[0].files[0]
    url_path = str(path.relative_to(small_study.folder))
    rate = 200_000.0
    async with running_server(small_study.folder, bytes_per_second=rate) as address, aiohttp.ClientSession() as client:

        async def get() -> bytes:
            async with client.get(address.file(url_path)) as response:
                return await response.read()

        started = time.monotonic()
        bodies = await asyncio.gather(get(), get())
        assert time.monotonic() - started >= 2 * path.stat().st_size / rate * 0.9
    assert list(bodies) == [path.read_bytes()] * 2


def test_pieces_of_a_slow_link_make_up_the_body() -> None:
    body = bytes(range(256)) * 300
    assert b"".join(Link(0, 1000).pieces(body)) == body
    assert Link().pieces(body) == [body]
