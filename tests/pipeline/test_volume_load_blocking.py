"""A series on its way into one array, waited for by threads that are not the loop's."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

import pytest

from cornerstream.session import Session
from tests.support.cancelling import turn_until
from tests.support.fakes import HeldLoader, registry_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COUNT = 20
IDS = [f"held:{index}" for index in range(COUNT)]


class Blocking:
    """A session with a thread, held loads in it, and a thread that waits."""

    def __init__(self, session: Session, held: HeldLoader) -> None:
        self.session = session
        self.held = held

    def on_loop(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function, or run a coroutine, on the session's loop."""

        async def run() -> Any:
            made = function(*args)
            return await made if asyncio.iscoroutine(made) else made

        return self.session._engine.host.block(run())


@pytest.fixture
def blocking() -> Iterator[Blocking]:
    held = HeldLoader()
    before = set(threading.enumerate())
    with Session(registry=registry_of(held=held)) as session:
        yield Blocking(session, held)
    assert set(threading.enumerate()) <= before


def test_result_waits(blocking: Blocking) -> None:
    load = blocking.session.array(IDS)
    blocking.on_loop(blocking.held.release, *IDS)
    array = load.result(timeout=50)
    assert array.shape == (COUNT, 8, 8)
    assert load.result() is array


def test_result_gives_up_when_its_time_is_over(blocking: Blocking) -> None:
    load = blocking.session.array(IDS)
    with pytest.raises(TimeoutError):
        load.result(timeout=0.01)
    blocking.on_loop(blocking.held.until_ended, len(blocking.held.started))
    blocking.on_loop(turn_until, lambda: blocking.session.stats().running == 0)
    blocking.on_loop(blocking.held.release, *IDS)
    assert load.result(timeout=50).shape == (COUNT, 8, 8)


@pytest.mark.parametrize("by", ["cancel", "close"])
def test_another_thread_stops_the_wait(blocking: Blocking, by: str) -> None:
    load = blocking.session.array(IDS)
    outcome: list[BaseException] = []

    def wait() -> None:
        try:
            load.result()
        except CancelledError as error:
            outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    blocking.on_loop(_fill, blocking.held)
    load.cancel() if by == "cancel" else blocking.session.close()
    thread.join(50)
    assert len(outcome) == 1
    assert len(blocking.held.ended) == len(blocking.held.started)


async def _fill(held: HeldLoader) -> None:
    """Let some images come, and others begin."""
    held.release(*IDS[:3])
    await held.until_ended(3)
    await held.until_started(11)
