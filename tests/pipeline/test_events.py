"""Events and live figures of a session: what happened, at which stage it was cancelled, what it cost."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from cornerstream.events import (
    Cached,
    CacheHit,
    Cancelled,
    Decoded,
    Evicted,
    Failed,
    FirstByte,
    LoadQueued,
    LoadStarted,
    Received,
    SessionEvent,
)
from cornerstream.images.errors import FetchError
from cornerstream.images.image_id import ImageId
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.operators.bridge import from_async_generator
from cornerstream.operators.fetch import Body, read_whole
from cornerstream.operators.protocols import HttpRequest
from cornerstream.phantom import write_study
from cornerstream.ranks import BestRank, Lane
from cornerstream.session import Session
from cornerstream.traces import Stage, Trace
from tests.support.fakes import HeldLoader, make_image, registry_of
from tests.support.held_transport import HeldTransport
from tests.support.leaks import turns
from tests.support.study import served

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from cornerstream.images.image import Image
    from cornerstream.load import Load
    from cornerstream.loaders.context import LoadContext

IMAGE_BYTES = 8 * 8 * 2


def fetched_and_decoded(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    """A body over the network, then a function on a worker."""

    async def run() -> AsyncGenerator[Image, None]:
        await read_whole(Body(HttpRequest(f"http://far/{image_id.address}", image_id=image_id), context.http), 1 << 20)
        yield await context.workers.run(make_image, image_id)

    return ImageLoadObject(image_id, from_async_generator(run))


class Heard:
    """The events of a session."""

    def __init__(self, session: Session) -> None:
        self.events: list[SessionEvent] = []
        self.completed = False
        self.subscription = session.events.subscribe(self.events.append, None, self._complete)

    def kinds(self, image_id: ImageId | str) -> list[type[SessionEvent]]:
        key = ImageId.parse(image_id)
        return [type(event) for event in self.events if event.image_id == key]

    def _complete(self) -> None:
        self.completed = True


def begun(load: Load) -> Load:
    load.observable.subscribe(lambda _: None)
    return load


def stage_of(trace: Trace) -> Stage:
    return trace.stage


async def until(session: Session, stage: Stage, load: Load) -> None:
    """Let the loop go round until a load is at a stage."""
    while session._engine.loads._loads[load.image_id].rank.trace.stage is not stage:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(0)


# The life of a load


async def test_the_life_of_an_image() -> None:
    transport = HeldTransport()
    async with Session(transport=transport, registry=registry_of(far=fetched_and_decoded)) as session:
        heard = Heard(session)
        load = asyncio.ensure_future(session.load("far:1"))
        await transport.until_asked(1)
        await transport.send(b"x" * 100)
        await transport.send(b"x" * 20)
        transport.end()
        await load
        await session.load("far:1")
        await turns()
        key = ImageId.parse("far:1")
        assert heard.events == [
            LoadQueued(key, Lane.INTERACTION),
            LoadStarted(key),
            FirstByte(key),
            Received(key, 120),
            Decoded(key, IMAGE_BYTES),
            Cached(key, IMAGE_BYTES),
            CacheHit(key),
        ]
        stats = session.stats()
        assert (stats.network_wait.count, stats.worker_wait.count, stats.cache_hits) == (1, 1, 1)
        assert not heard.completed
    assert heard.completed


async def test_evictions_and_failures(held: HeldLoader) -> None:
    held.release("held:1", "held:2")
    held.fail("held:3", FetchError("gone"))
    async with Session(registry=registry_of(held=held), cache_bytes=IMAGE_BYTES + 10) as session:
        heard = Heard(session)
        await session.load("held:1")
        await session.load("held:2")
        with pytest.raises(FetchError):
            await session.load("held:3")
        await turns()
        assert heard.kinds("held:1") == [LoadQueued, Decoded, Cached, Evicted]
        assert heard.events[-1] == Failed(ImageId.parse("held:3"), FetchError)
        assert (session.stats().evictions, session.stats().errors) == (1, 1)


async def test_nobody_is_told_after_leaving_and_nothing_is_made_without_them(
    session: Session, held: HeldLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.release("held:1", "held:2")
    heard = Heard(session)
    heard.subscription.dispose()

    def refuse(event: SessionEvent) -> None:
        raise AssertionError(event)

    monkeypatch.setattr(session._engine.events, "tell", refuse)
    await session.load("held:1")
    await session.load("held:1")
    assert heard.events == []


async def test_a_subscriber_may_use_the_session_and_may_raise(session: Session, held: HeldLoader) -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    load = session.load("held:1")

    def on_event(event: SessionEvent) -> None:
        load.cancel()
        raise ValueError(event)

    session.events.subscribe(on_event)
    heard = Heard(session)
    begun(load)
    await turns()
    assert heard.kinds("held:1") == [LoadQueued, Cancelled]
    assert [type(error) for error in reported] == [ValueError]
    assert session.stats().running == 0


async def test_events_come_in_the_next_turn_and_cannot_undo_what_they_tell_of(
    session: Session, held: HeldLoader
) -> None:
    held.release("held:0")
    await session.load("held:0")
    await turns()
    load, events = session.load("held:0"), Heard(session)
    images: list[Image] = []
    session.events.subscribe(lambda _: load.cancel())
    load.observable.subscribe(images.append)
    assert (len(images), events.kinds("held:0")) == (1, [])
    await turns()
    assert events.kinds("held:0") == [CacheHit]


def test_from_another_thread() -> None:
    held = HeldLoader()
    held.release("held:1")
    with Session(registry=registry_of(held=held)) as session:
        heard = Heard(session)
        session.load("held:1").result()
    assert heard.kinds("held:1") == [LoadQueued, Decoded, Cached]
    assert heard.completed


# Where it was cancelled


async def test_cancelled_in_the_queue_of_the_network() -> None:
    transport = HeldTransport()
    async with Session(transport=transport, registry=registry_of(far=fetched_and_decoded), max_requests=1) as session:
        heard = Heard(session)
        first, second = begun(session.load("far:1")), begun(session.load("far:2"))
        await transport.until_asked(1)
        await until(session, Stage.NETWORK_QUEUE, second)
        second.cancel()
        await turns()
        assert heard.events[-1] == Cancelled(second.image_id, Stage.NETWORK_QUEUE, 0)
        assert LoadStarted not in heard.kinds("far:2")
        first.cancel()
        assert session.stats().cancelled_at == {Stage.NETWORK_QUEUE: 1, Stage.BODY: 1}


async def test_cancelled_before_the_header_and_in_the_body() -> None:
    transport = HeldTransport()
    transport.headers_held.clear()
    async with Session(transport=transport, registry=registry_of(far=fetched_and_decoded)) as session:
        heard = Heard(session)
        load = begun(session.load("far:1"))
        await transport.until_asked(1)
        load.cancel()
        await turns()
        assert heard.events[-1] == Cancelled(load.image_id, Stage.CONNECTING, 0)
        transport.headers_held.set()
        load = begun(session.load("far:1"))
        await transport.until_asked(2)
        await transport.send(b"x" * 70)
        load.cancel()
        await turns()
        assert heard.events[-1] == Cancelled(load.image_id, Stage.BODY, 70)
        stats = session.stats()
        assert stats.cancelled_at == {Stage.CONNECTING: 1, Stage.BODY: 1}
        assert (stats.cancelled, stats.bytes_cancelled, stats.bytes_wasted) == (2, 70, 0)


async def test_cancelled_in_the_queue_of_the_workers_and_while_decoding() -> None:
    transport, go, decoding = HeldTransport(), threading.Event(), threading.Event()

    def hold(image_id: ImageId) -> Image:
        decoding.set()
        assert go.wait(30)
        return make_image(image_id)

    def loader(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        async def run() -> AsyncGenerator[Image, None]:
            await read_whole(Body(HttpRequest("http://far/x", image_id=image_id), context.http), 1 << 20)
            yield await context.workers.run(hold, image_id)

        return ImageLoadObject(image_id, from_async_generator(run))

    async with Session(transport=transport, registry=registry_of(far=loader), max_workers=1) as session:
        heard = Heard(session)
        loads = []
        for number in (1, 2):
            loads.append(begun(session.load(f"far:{number}")))
            await transport.until_asked(number)
            await transport.send(b"x" * 10 * number)
            transport.end()
            await until(session, Stage.DECODING if number == 1 else Stage.WORKER_QUEUE, loads[-1])
        assert await asyncio.to_thread(decoding.wait, 30)
        for load in reversed(loads):
            load.cancel()
        await turns()
        assert heard.events[-2:] == [
            Cancelled(loads[1].image_id, Stage.WORKER_QUEUE, 20),
            Cancelled(loads[0].image_id, Stage.DECODING, 10),
        ]
        assert session.stats().bytes_cancelled == 30
        go.set()


async def test_cancelled_in_a_loader_that_uses_no_lane(session: Session, held: HeldLoader) -> None:
    load = begun(session.load("held:1"))
    await held.until_started(1)
    load.cancel()
    assert session.stats().cancelled_at == {Stage.ELSEWHERE: 1}


@pytest.mark.parametrize("route", ["wadors", "wadouri"])
async def test_what_a_load_waits_for_is_its_stage(tmp_path: Path, route: str) -> None:
    """Frames of one instance share a request, or a file: its body is theirs, its bytes are counted once."""
    study = write_study(tmp_path, slices=2, size=16, cine_frames=4)
    cine = study.series[-1]
    async with served(study) as at, Session() as session:
        heard = Heard(session)
        if route == "wadors":
            ids = [at.wadors(cine, index, "?fault=hold-body:200") for index in range(3)]
        else:
            ids = [at.wadouri(cine, index, "&fault=hold-body:200") for index in range(3)]
        loads = [begun(session.load(one)) for one in ids]
        await until(session, Stage.BODY, loads[-1])
        while session.stats().bytes_received < 200:  # noqa: ASYNC110 - the figures have no event of their own
            await asyncio.sleep(0)
        for load in loads:
            load.cancel()
        await turns()
        stages = [event.stage for event in heard.events if isinstance(event, Cancelled)]
        assert stages == [Stage.BODY] * 3
        assert 0 < session.stats().bytes_cancelled <= session.stats().bytes_received
        assert all(FirstByte in heard.kinds(one) for one in ids)


# Bytes


async def test_bytes_that_only_prefetch_has_had_are_wasted_until_somebody_looks() -> None:
    transport = HeldTransport()
    async with Session(transport=transport, registry=registry_of(far=fetched_and_decoded)) as session:
        for number, nbytes in ((1, 40), (2, 60)):
            prefetch = session.prefetch([f"far:{number}"])
            await transport.until_asked(number)
            await transport.send(b"x" * nbytes)
            transport.end()
            await prefetch
        assert session.stats().bytes_wasted == 100
        await session.load("far:1")
        await session.load("far:1")
        assert session.stats().bytes_wasted == 60
        _ = [image async for image in session.stream(["far:2"])]  # it reads, in whichever lane
        assert session.stats().bytes_wasted == 0


async def test_the_bytes_of_frames_that_travel_together_are_their_loads(tmp_path: Path) -> None:
    study = write_study(tmp_path, slices=2, size=16, cine_frames=4)
    async with served(study) as at, Session() as session:
        loads = [session.load(at.wadors(study.series[-1], index)) for index in range(4)]
        images = await asyncio.gather(*loads)
        assert len(images) == 4
        assert all(load.bytes_received > 0 for load in loads)
        assert sum(load.bytes_received for load in loads) <= session.stats().bytes_received
        assert session.stats().stages["decompress"].count == 4


def test_the_furthest_of_what_a_load_waits_for() -> None:
    load, metadata, pixels = Trace(ImageId.parse("held:1")), Trace(), Trace()
    assert stage_of(load) == Stage.ELSEWHERE
    load.follow(metadata)
    load.follow(pixels)
    metadata.at = Stage.NETWORK_QUEUE
    assert stage_of(load) == Stage.NETWORK_QUEUE
    pixels.at = Stage.BODY
    assert stage_of(load) == Stage.BODY
    assert list(pixels.loads()) == [load]
    load.at = Stage.WORKER_QUEUE
    assert stage_of(load) == Stage.WORKER_QUEUE
    load.at = None
    load.unfollow(pixels)
    assert stage_of(load) == Stage.NETWORK_QUEUE
    metadata.received = 5
    metadata.hand_over(load, 9)
    assert (metadata.received, load.received) == (0, 5)


def test_what_is_shared_works_for_those_who_wait_and_not_for_who_left() -> None:
    shared = BestRank()
    stayer, leaver = (BestRank(ImageId.parse(f"held:{number}")) for number in range(2))
    shared.join(stayer)
    shared.join(leaver)
    shared.trace.at = Stage.BODY
    shared.leave(leaver)
    assert list(shared.trace.loads()) == [stayer.trace]
    assert (stage_of(stayer.trace), stage_of(leaver.trace)) == (Stage.BODY, Stage.ELSEWHERE)
