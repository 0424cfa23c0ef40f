"""Closing a session ends whatever waits for it, in whichever thread, and leaves nothing."""

from __future__ import annotations

import asyncio
import socket
import threading
import warnings
from collections.abc import Generator
from concurrent.futures import CancelledError
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from cornerstream.images.errors import DecodeError
from cornerstream.ranks import RankCell
from cornerstream.session import Session
from tests.support.fakes import HeldLoader, registry_of
from tests.support.leaks import nothing_left, open_descriptors
from tests.support.raw_server import Step, raw_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

IDS = ["held:1", "held:2"]


class Waiting:
    """A thread that waits for something of a session, and what became of it."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self.raised: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def ended(self) -> BaseException | None:
        self._thread.join(20)
        assert not self._thread.is_alive(), "it waits for ever"
        return self.raised

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - CancelledError is one, and whatever it is the test judges it
            self.raised = error


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        yield server


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    yield
    assert set(threading.enumerate()) <= threads
    assert open_descriptors() <= descriptors


def test_a_listing_in_another_thread(silent: socket.socket) -> None:
    session = Session()
    listing = session.study(f"http://127.0.0.1:{silent.getsockname()[1]}", "1.2")
    waiting = Waiting(listing.result)
    connection, _ = silent.accept()
    session.close()
    assert isinstance(waiting.ended(), CancelledError)
    connection.settimeout(20)
    while connection.recv(4096):
        """The request, and then the end: the socket was closed."""
    connection.close()
    with pytest.raises(RuntimeError, match="closed"):
        listing.result()


async def elsewhere(session: Session) -> None:
    async for _ in session.stream(IDS):
        """Nothing comes."""


def left(session: Session) -> None:
    images = iter(session.stream(IDS))
    next(images)
    assert isinstance(images, Generator)
    images.close()


async def left_elsewhere(session: Session) -> None:
    async with aclosing(aiter(session.stream(IDS))) as images:
        await anext(images)


@pytest.mark.parametrize(
    "leave", [left, lambda session: asyncio.run(left_elsewhere(session))], ids=["for", "async for"]
)
def test_a_session_that_closes_while_a_reader_leaves(
    leave: Callable[[Session], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = HeldLoader()
    held.release(*IDS)
    session = Session(registry=registry_of(held=held))
    host = session._engine.host

    def closing_before(ask: Callable[..., Any]) -> Callable[..., Any]:
        def asked(coroutine: Any, *args: Any) -> Any:
            if coroutine.__name__ == "_close":
                session.close()
            return ask(coroutine, *args)

        return asked

    monkeypatch.setattr(host, "block", closing_before(host.block))
    monkeypatch.setattr(host, "run", closing_before(host.run))
    leave(session)
    assert host.has_ended


@pytest.mark.parametrize(
    "work",
    [
        lambda session: list(session.stream(IDS)),
        lambda session: asyncio.run(elsewhere(session)),
        lambda session: session.load(IDS[0]).result(),
        lambda session: session.prefetch(IDS).wait(),
    ],
    ids=["for", "async for", "result", "prefetch"],
)
def test_who_waits_in_another_thread(work: Callable[[Session], object]) -> None:
    held = HeldLoader()
    session = Session(registry=registry_of(held=held))
    host = session._engine.host
    waiting = Waiting(lambda: work(session))
    host.block(held.until_started(1))
    session.close()
    assert isinstance(waiting.ended(), CancelledError | asyncio.CancelledError)
    assert len(held.started) == len(held.ended)


async def test_a_listing_that_is_cancelled_midway() -> None:
    async with raw_server((Step.HANG,)) as server, nothing_left(), Session() as session:
        listing = asyncio.ensure_future(session.study(server.origin, "1.2")._wait())
        await server.asked.wait()
        listing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listing
        await server.left.wait()
        assert (session.stats().open_requests, session.stats().tasks) == (0, 0)


async def test_a_folder_listing_that_is_cancelled_midway(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / str(number)).write_bytes(b"no image")
    async with nothing_left(), Session(max_workers=1) as session:
        go = threading.Event()
        blocking = asyncio.ensure_future(session.workers.run(go.wait, 20, rank=RankCell()))
        listing = asyncio.ensure_future(session.folder(tmp_path)._wait())
        while not session.stats().queued_work:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0)
        listing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listing
        assert session.stats().queued_work == 0
        go.set()
        await blocking


async def test_nothing_begins_after_the_end(tmp_path: Path) -> None:
    async with Session() as session:
        workers, listing = session.workers, session.folder(tmp_path)
    with pytest.raises(RuntimeError, match="closed"):
        await listing
    with pytest.raises(DecodeError, match="closed"):
        await workers.run(abs, -1, rank=RankCell())


def test_a_session_whose_loop_has_gone_can_still_be_closed() -> None:
    session = Session(registry=registry_of(held=HeldLoader()))

    async def use() -> int:
        return await session.workers.run(abs, -3, rank=RankCell())

    assert asyncio.run(use()) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        session.close()
    session.close()
