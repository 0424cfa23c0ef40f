"""Streams, scrolling and prefetch over loads that the test holds."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornerstream.images.errors import FetchError, ImageLoadError, ObserverError
from cornerstream.images.image_id import ImageId
from cornerstream.policies import Situation, Window, around, in_order
from cornerstream.ranks import Lane
from cornerstream.series import Series
from cornerstream.session import Session
from tests.support.fakes import HeldLoader, registry_of
from tests.support.leaks import turns

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cornerstream.image_stream import ImageStream
    from cornerstream.images.image import Image

IDS = [f"held:{index}" for index in range(20)]
SERIES = Series(tuple(ImageId.parse(text) for text in IDS))


class Failure:
    """An on_error that can be waited for."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self._heard = asyncio.Event()

    def __call__(self, error: Exception) -> None:
        self.errors.append(error)
        self._heard.set()

    async def heard(self) -> Exception:
        await self._heard.wait()
        return self.errors[0]


def iterated(stream: ImageStream[Image]) -> AsyncGenerator[Image, None]:
    return stream.__aiter__()


def names(images: list[Image]) -> list[str]:
    return [str(image.image_id) for image in images]


# Streams


async def test_a_stream_keeps_the_order_and_bounds_what_is_ahead(session: Session, held: HeldLoader) -> None:
    images: list[Image] = []
    done = asyncio.Event()
    session.stream(SERIES, ahead=3).subscribe(images.append, None, done.set)
    await held.until_started(3)
    await turns()
    assert held.started == IDS[:3]
    held.release(IDS[2], IDS[1])
    await held.until_ended(2)
    await turns()
    assert images == []  # the first is still missing
    assert held.started == IDS[:3]
    held.release(*IDS)
    await done.wait()
    assert names(images) == IDS


async def test_a_slow_reader_holds_the_loads_back(session: Session, held: HeldLoader) -> None:
    held.release(*IDS)
    async with aclosing(iterated(session.stream(SERIES, ahead=2))) as images:
        assert (await anext(images)).image_id == SERIES[0]
        await turns(30)
        assert len(held.started) == 3
        assert (await anext(images)).image_id == SERIES[1]
        await turns(30)
        assert len(held.started) == 4


async def test_leaving_an_iteration_cancels_what_is_ahead(session: Session, held: HeldLoader) -> None:
    held.release(IDS[0])
    async with aclosing(iterated(session.stream(SERIES, ahead=4))) as images:
        await anext(images)
        await held.until_started(5)
    await held.until_ended(5)
    assert session.stats().running == 0


async def test_disposing_a_stream_cancels_what_is_ahead(session: Session, held: HeldLoader) -> None:
    images: list[Image] = []
    subscription = session.stream(SERIES, ahead=4).subscribe(images.append)
    await held.until_started(4)
    subscription.dispose()
    held.release(*IDS)
    await held.until_ended(4)
    await turns()
    assert (images, session.stats().running, len(held.started)) == ([], 0, 4)


async def test_the_first_failure_ends_a_stream(session: Session, held: HeldLoader) -> None:
    images: list[Image] = []
    failure = Failure()
    held.fail(IDS[2], FetchError("gone"))
    held.release(*IDS)
    session.stream(SERIES, ahead=4).subscribe(images.append, failure)
    assert str(await failure.heard()) == "held:2: gone"
    assert names(images) == IDS[:2]
    assert session.stats().running == 0


async def test_an_on_next_that_raises_ends_a_stream(session: Session, held: HeldLoader) -> None:
    failure = Failure()
    held.release(*IDS)

    def raises(image: Image) -> None:
        raise ValueError("mine")

    session.stream(SERIES).subscribe(raises, failure)
    assert isinstance(await failure.heard(), ObserverError)
    assert str(failure.errors[0]).startswith("held:0: on_next raised ValueError")


async def test_an_empty_series_and_a_senseless_bound(session: Session) -> None:
    assert [image async for image in session.stream([])] == []
    with pytest.raises(ValueError, match="at least 1"):
        session.stream(SERIES, ahead=0)


def test_a_stream_read_without_a_loop_and_from_another_one() -> None:
    def released() -> HeldLoader:
        held = HeldLoader()
        held.release(*IDS)
        return held

    async def elsewhere(session: Session) -> list[str]:
        return names([image async for image in session.stream(SERIES)])

    with Session(registry=registry_of(held=released())) as session:
        assert names(list(session.stream(SERIES))) == IDS
        for image in session.stream(SERIES):
            assert image.image_id == SERIES[0]
            break
        assert asyncio.run(elsewhere(session)) == IDS


# Scrolling


async def test_the_latest_index_wins_and_what_is_far_is_cancelled(session: Session, held: HeldLoader) -> None:
    scroll = session.scroll(SERIES, policy=Window(ahead=1, behind=1))
    shown: list[Image] = []
    scroll.images.subscribe(shown.append)
    scroll.to(0)
    await held.until_started(2)
    scroll.to(10)
    await held.until_ended(2)
    assert sorted(held.ended) == [IDS[0], IDS[1]]
    assert scroll.cancelled == 2
    held.release(*IDS)
    await session.load(IDS[10])
    assert names(shown) == [IDS[10]]
    scroll.to(11)  # a neighbour, already here
    await session.load(IDS[11])
    assert names(shown) == [IDS[10], IDS[11]]
    scroll.to(10)  # back, out of the cache
    await turns()
    assert names(shown) == [IDS[10], IDS[11], IDS[10]]
    scroll.dispose()


async def test_an_image_that_comes_late_is_not_shown(session: Session, held: HeldLoader) -> None:
    scroll = session.scroll(SERIES, policy=Window(ahead=5, behind=5))
    shown: list[Image] = []
    scroll.images.subscribe(shown.append)
    for index in (3, 4, 5):
        scroll.to(index)
    await held.until_started(6)
    held.release(IDS[5])
    await session.load(IDS[5])
    held.release(IDS[3], IDS[4])
    await session.load(IDS[4])
    assert names(shown) == [IDS[5]]
    assert scroll.index == 5
    scroll.dispose()


async def test_the_index_asked_for_has_the_first_rank(session: Session) -> None:
    scroll = session.scroll(SERIES, policy=Window(ahead=2, behind=1))
    scroll.to(5)
    scroll.to(6)
    loads = {index: running.load for index, running in scroll._wishes._running.items()}
    assert [(index, load.rank.lane) for index, load in sorted(loads.items())] == [
        (5, Lane.PREFETCH),
        (6, Lane.INTERACTION),
        (7, Lane.PREFETCH),
        (8, Lane.PREFETCH),
    ]
    assert loads[7].rank < loads[8].rank
    scroll.dispose()
    assert scroll.running == 0


async def test_a_failure_does_not_end_a_scroll(session: Session, held: HeldLoader) -> None:
    scroll = session.scroll(SERIES, policy=Window(0, 0))
    shown: list[Image] = []
    failure = Failure()
    scroll.images.subscribe(shown.append)
    scroll.errors.subscribe(failure)
    held.fail(IDS[1], FetchError("gone"))
    held.release(IDS[2])
    scroll.to(1)
    error = await failure.heard()
    scroll.to(2)
    await session.load(IDS[2])
    assert (str(error), names(shown)) == ("held:1: gone", [IDS[2]])
    scroll.dispose()


async def test_a_disposed_scroll_completes_and_stays_silent(session: Session, held: HeldLoader) -> None:
    scroll = session.scroll(SERIES)
    completed: list[bool] = []
    scroll.images.subscribe(None, None, lambda: completed.append(True))
    scroll.to(3)
    await held.until_started(1)
    scroll.dispose()
    await held.until_ended(len(held.started))
    scroll.to(4)
    await turns()
    assert (completed, session.stats().running) == ([True], 0)
    with pytest.raises(IndexError):
        scroll.to(20)


async def test_what_is_shown_stays_in_the_cache_until_it_is_not_shown(held: HeldLoader) -> None:
    held.release(*IDS)
    one_image = 8 * 8 * 2
    async with Session(registry=registry_of(held=held), cache_bytes=4 * one_image) as session:
        scroll = session.scroll(SERIES, policy=Window(0, 0))
        scroll.to(0)
        for text in IDS[1:8]:
            await session.load(text)
        assert session.cached(IDS[0])
        scroll.to(1)
        scroll.to(1)
        for text in IDS[2:9]:
            await session.load(text)
        assert [session.cached(text) for text in IDS[:2]] == [False, True]
        scroll.dispose()
        for text in IDS[2:9]:
            await session.load(text)
        assert not session.cached(IDS[1])
        with session.pin(IDS[0]):
            for text in IDS[:9]:
                await session.load(text)
            assert session.cached(IDS[0])
        await session.load(IDS[10])
        assert session._engine.cache._pins == {}


# Prefetch


async def test_prefetch_fills_the_cache_from_the_index_outwards(held: HeldLoader) -> None:
    async with Session(registry=registry_of(held=held), max_requests=1) as session:
        prefetch = session.prefetch(SERIES, around=10)
        await held.until_started(20)
        assert held.started[:5] == [IDS[10], IDS[11], IDS[9], IDS[12], IDS[8]]
        held.fail(IDS[0], FetchError("gone"))
        held.release(*IDS)
        await prefetch
        assert (prefetch.remaining, list(prefetch.failures)) == (0, [0])
        assert all(session.cached(text) for text in IDS[1:])


async def test_a_disposed_prefetch_cancels_what_has_not_come(session: Session, held: HeldLoader) -> None:
    prefetch = session.prefetch(SERIES)
    await held.until_started(20)
    held.release(IDS[0])
    await session.load(IDS[0])
    prefetch.dispose()
    await held.until_ended(20)
    assert prefetch.cancelled == 19
    with pytest.raises((asyncio.CancelledError, CancelledError)):
        await prefetch
    assert session.stats().running == 0


async def test_prefetch_of_nothing_is_done(session: Session) -> None:
    await session.prefetch([])


async def test_a_load_that_is_wanted_sooner_overtakes_prefetch(session: Session, held: HeldLoader) -> None:
    prefetch = session.prefetch(SERIES)
    load = session.load(IDS[7])
    load.observable.subscribe(lambda _: None)
    assert session._engine.loads._loads[SERIES[7]].rank.value.lane is Lane.INTERACTION
    load.cancel()
    assert session._engine.loads._loads[SERIES[7]].rank.value.lane is Lane.PREFETCH
    prefetch.dispose()


# Policies

SITUATIONS = st.builds(
    Situation,
    count=st.integers(0, 60),
    position=st.integers(0, 59),
    direction=st.sampled_from([-1, 0, 1]),
    image_bytes=st.integers(0, 10),
    budget_bytes=st.integers(0, 400),
)


@given(SITUATIONS)
def test_wishes_are_indexes_of_the_series_each_once(situation: Situation) -> None:
    for policy in (around, in_order, Window(), Window(0, 0)):
        wishes = list(policy(situation))
        assert len(set(wishes)) == len(wishes)
        assert all(0 <= index < situation.count for index in wishes)
        if policy in (around, in_order) and situation.image_bytes == 0 and situation.position < situation.count:
            assert sorted(wishes) == list(range(situation.count))
        if policy is not in_order and wishes and situation.position < situation.count:
            assert wishes[0] == situation.position


@given(SITUATIONS)
def test_wishes_stay_within_the_budget(situation: Situation) -> None:
    for policy in (around, in_order):
        assert len(policy(situation)) * situation.image_bytes <= max(situation.budget_bytes, 0)


def test_the_window_leans_in_the_direction_of_travel() -> None:
    assert sorted(Window(3, 1)(Situation(20, 10, 1))) == [9, 10, 11, 12, 13]
    assert sorted(Window(3, 1)(Situation(20, 10, -1))) == [7, 8, 9, 10, 11]
    assert list(Window(2, 2)(Situation(20, 10, 1)))[:3] == [10, 11, 9]


# The session ends


def test_moves_and_streams_around_the_end_of_a_session() -> None:
    """What another thread still asks for while the session closes is silent, or a typed error, and starts nothing."""
    held = HeldLoader()
    reported: list[object] = []
    with Session(registry=registry_of(held=held)) as session:
        host = session._engine.host
        host.call(host.loop.set_exception_handler, lambda _, context: reported.append(context))
        scroll, stream, load = session.scroll(SERIES), session.stream(SERIES), session.load(IDS[0])
        for index in range(20):
            scroll.to(index)
    scroll.to(3)
    errors: list[Exception] = []
    load.observable.subscribe(None, errors.append)
    stream.subscribe(None, errors.append)
    assert reported == []
    assert errors == []


async def test_a_closed_session_loads_nothing_more() -> None:
    held = HeldLoader()
    async with Session(registry=registry_of(held=held)) as session:
        load, stream = session.load(IDS[0]), session.stream(SERIES)
        first = session.load(IDS[1])
        begun = asyncio.ensure_future(first.begin())
        await held.until_started(1)
    with pytest.raises(asyncio.CancelledError):
        await begun
    with pytest.raises((asyncio.CancelledError, ImageLoadError)):
        await load
    with pytest.raises(ImageLoadError, match="the session is closed"):
        _ = [image async for image in stream]
    assert held.started == [IDS[1]]
