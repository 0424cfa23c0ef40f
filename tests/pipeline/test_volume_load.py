"""A series on its way into one array: awaited, blocked for, watched, cancelled, failed."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from cornerstream import fill_array
from cornerstream.images.errors import DecodeError
from cornerstream.session import Session
from tests.support.afterwards import clean
from tests.support.cancelling import turn_until
from tests.support.fakes import HeldLoader, registry_of
from tests.support.leaks import nothing_left, turns
from tests.support.slices import write_slices

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from cornerstream.phantom import PhantomStudy
    from cornerstream.stream_progress import StreamProgress
    from cornerstream.volume_load import VolumeLoad

    Array = NDArray[np.generic]

COUNT = 20
IDS = [f"held:{index}" for index in range(COUNT)]


@pytest.fixture
def arrays(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Array]]:
    """The arrays that were made, as far as they are alive."""
    made: list[weakref.ref[Array]] = []
    make = fill_array.array_for

    def noted(*args: Any) -> Array:
        array = make(*args)
        made.append(weakref.ref(array))
        return array

    monkeypatch.setattr(fill_array, "array_for", noted)
    return made


def gone(arrays: list[weakref.ref[Array]]) -> bool:
    gc.collect()
    return all(array() is None for array in arrays)


async def until_filling(held: HeldLoader, done: int = 3) -> int:
    """Let some images come; how many loads have begun then."""
    held.release(*IDS[:done])
    await held.until_ended(done)
    await held.until_started(done + 8)
    return done + 8


async def test_nothing_starts_before_it_is_wanted(session: Session, held: HeldLoader) -> None:
    load = session.array(IDS)
    await turns()
    assert held.started == []
    assert repr(load) == "<VolumeLoad, 0 of None images>"
    held.release(*IDS)
    array = await load
    assert array.shape == (COUNT, 8, 8)
    assert repr(load) == f"<VolumeLoad, {COUNT} of {COUNT} images>"
    assert await load is array  # kept as long as the load is
    assert held.starts.total() == COUNT


async def test_the_first_image_comes_alone_then_eight_at_once(session: Session, held: HeldLoader) -> None:
    waiting = asyncio.ensure_future(_result(session.array(IDS)))
    await held.until_started(1)
    await turns()
    assert held.started == IDS[:1]
    held.release(IDS[0])
    await held.until_started(9)
    await turns()
    assert held.started == IDS[:9]
    held.release(*IDS)
    await waiting


async def test_all_who_wait_share_one_load_and_the_last_to_leave_ends_it(
    session: Session, held: HeldLoader, arrays: list[weakref.ref[Array]]
) -> None:
    load = session.array(IDS)
    waiting = [asyncio.ensure_future(_result(load)) for _ in range(3)]
    begun = await until_filling(held)
    for one in waiting[:2]:
        one.cancel()
    await turns()
    assert len(held.ended) == 3
    waiting[2].cancel()
    await held.until_ended(begun)
    await turn_until(lambda: session.stats().tasks == 0)
    assert all(one.cancelled() for one in waiting)
    del waiting, one
    assert gone(arrays)
    held.release(*IDS)
    assert (await load).shape == (COUNT, 8, 8)  # it was given up, not cancelled
    assert held.starts[IDS[5]] == 2


@pytest.mark.parametrize("stage", ["before", "first", "midway", "done"])
async def test_cancel(
    session: Session, held: HeldLoader, arrays: list[weakref.ref[Array]], stage: str, nothing_fails_in_the_loop: None
) -> None:
    async with nothing_left():
        load = session.array(IDS)
        waiting = asyncio.ensure_future(_result(load))
        begun = 0
        if stage == "first":
            await held.until_started(1)
            begun = 1
        elif stage == "midway":
            begun = await until_filling(held)
        elif stage == "done":
            held.release(*IDS)
            await waiting
            begun = COUNT
        load.cancel()
        load.cancel()
        await held.until_ended(begun)
        await turn_until(waiting.done)
        await turns()
        assert waiting.cancelled() is (stage != "done")
        assert load.cancelled
        del waiting
        assert gone(arrays)
        with pytest.raises(asyncio.CancelledError):
            await load
        await turns()
        assert len(held.started) == begun
        assert session.stats().cached_bytes == 0
        assert session.stats().tasks == 0
        assert repr(load) == "<VolumeLoad, cancelled>"


@pytest.mark.parametrize("index", range(4))
async def test_cancel_of_requests(small_study: PhantomStudy, index: int, nothing_fails_in_the_loop: None) -> None:
    """When the first image has come: single frames in three transfer syntaxes, and many frames of one instance."""
    async with clean(small_study) as at, Session() as session:
        series = (await session.study(at.address.dicomweb, small_study.study_instance_uid))[index]
        load = session.array(series)
        load.progress.subscribe(lambda now: load.cancel() if now.images_done else None)
        with pytest.raises(asyncio.CancelledError):
            await load
        assert load.progress_now.images_done < len(series)
        await at.ledger.wait_until_idle()
        await turn_until(lambda: not (session.stats().tasks or session._engine.workers.busy))
        stats = session.stats()
        assert (stats.running, stats.open_requests, stats.queued_requests, stats.queued_work) == (0, 0, 0, 0)
        assert (stats.tasks, stats.cached_bytes) == (0, 0)


async def test_others_keep_their_image(session: Session, held: HeldLoader) -> None:
    load = session.array(IDS)
    waiting = asyncio.ensure_future(_result(load))
    await until_filling(held)
    viewer = session.load(IDS[5]).begin()
    load.cancel()
    held.release(IDS[5])
    assert (await viewer).pixels.shape == (8, 8)
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_failure_ends_it_and_the_next_try_is_afresh(
    session: Session, held: HeldLoader, arrays: list[weakref.ref[Array]], nothing_fails_in_the_loop: None
) -> None:
    load = session.array(IDS)
    waiting = [asyncio.ensure_future(_result(load)) for _ in range(2)]
    begun = await until_filling(held)
    held.fail(IDS[6], DecodeError("no picture", image_id=IDS[6]))
    for one in waiting:
        with pytest.raises(DecodeError, match="held:6: no picture"):
            await one
    await held.until_ended(begun)
    assert load.progress_now.images_failed == 1
    held.hold(IDS[6])
    held.release(*IDS)
    assert (await load).shape == (COUNT, 8, 8)


async def test_a_failure_of_the_first_image(session: Session, held: HeldLoader) -> None:
    held.fail(IDS[0], DecodeError("no picture", image_id=IDS[0]))
    async with nothing_left():
        with pytest.raises(DecodeError, match="held:0: no picture"):
            await session.array(IDS)
    assert held.started == IDS[:1]


async def test_closing_the_session_ends_it(held: HeldLoader, arrays: list[weakref.ref[Array]]) -> None:
    async with nothing_left():
        async with Session(registry=registry_of(held=held)) as session:
            load = session.array(IDS)
            waiting = asyncio.ensure_future(_result(load))
            begun = await until_filling(held)
        await held.until_ended(begun)
        with pytest.raises(asyncio.CancelledError):
            await waiting
        del waiting
        assert gone(arrays)
        with pytest.raises(RuntimeError, match="closed"):
            await load
        with pytest.raises(RuntimeError, match="closed"):
            session.array(IDS)


async def test_progress(session: Session, held: HeldLoader) -> None:
    load = session.array(IDS)
    seen: list[StreamProgress] = []
    ended = asyncio.Event()
    load.progress.subscribe(seen.append, on_completed=ended.set)
    held.release(*IDS)
    array = await load
    await ended.wait()
    assert [one.images_done for one in seen] == sorted(one.images_done for one in seen)
    assert {one.images_done for one in seen} >= set(range(1, COUNT + 1))
    assert seen[-1] == load.progress_now
    assert (seen[-1].images_total, seen[-1].pixel_bytes, seen[-1].images_ahead) == (COUNT, array.nbytes, 0)


async def test_as_an_observable(session: Session, held: HeldLoader) -> None:
    load = session.array(IDS)
    seen: list[object] = []
    ended = asyncio.Event()
    load.observable.subscribe(seen.append, on_completed=ended.set)
    disposed = load.observable.subscribe(lambda _: pytest.fail("it was disposed"))
    await until_filling(held)
    disposed.dispose()
    held.release(*IDS)
    await ended.wait()
    assert seen == [await load]
    assert held.starts.total() == COUNT


async def test_disposing_the_only_subscription_ends_it(session: Session, held: HeldLoader) -> None:
    async with nothing_left():
        subscription = session.array(IDS).observable.subscribe(lambda _: pytest.fail("it was disposed"))
        begun = await until_filling(held)
        subscription.dispose()
        await held.until_ended(begun)


async def test_blocking_on_its_own_loop_is_refused(session: Session) -> None:
    with pytest.raises(RuntimeError, match=r"use `await session\.volume\(series\)`"):
        session.array(IDS).result()


async def test_a_cancel_while_values_are_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker has begun it ends, and nobody hears of it."""
    monkeypatch.setattr(fill_array, "_AT_ONCE", 0)
    write_slices(tmp_path, 3)
    begun, go_on = threading.Event(), threading.Event()
    put = fill_array.put

    def held_put(*args: Any, **kwargs: Any) -> Any:
        begun.set()
        go_on.wait(50)
        return put(*args, **kwargs)

    monkeypatch.setattr(fill_array, "put", held_put)
    async with nothing_left(), Session() as session:
        (series,) = await session.folder(tmp_path)
        load = session.array(series, modality=True)
        waiting = asyncio.ensure_future(_result(load))
        await turn_until(begun.is_set)
        load.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert session.stats().tasks == 0
        go_on.set()


async def _result(load: VolumeLoad[Array]) -> Array:
    return await load
