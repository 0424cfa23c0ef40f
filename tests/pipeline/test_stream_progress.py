"""How far a stream is, in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from reactivex.testing import TestScheduler

from cornerstream.images.errors import FetchError
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.operators.bridge import from_async_generator
from cornerstream.operators.fetch import Body, read_whole
from cornerstream.operators.protocols import HttpRequest
from cornerstream.session import Session
from cornerstream.stream_progress import Pace, StreamProgress
from tests.support.fakes import HeldLoader, make_image, registry_of
from tests.support.held_transport import HeldTransport
from tests.support.leaks import turns

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from reactivex.abc import DisposableBase

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.loaders.context import LoadContext

IDS = [f"held:{index}" for index in range(4)]


class Clock(TestScheduler):
    """Time that the test moves; actions that come due run at once."""

    timers = 0

    def schedule_relative(self, *args: Any, **kwargs: Any) -> DisposableBase:
        self.timers += 1
        return super().schedule_relative(*args, **kwargs)

    def pass_time(self, seconds: float) -> None:
        self.advance_by(seconds)


def load_over_network(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    async def run() -> AsyncGenerator[Image, None]:
        await read_whole(Body(HttpRequest(f"http://far/{image_id.address}", image_id=image_id), context.http), 1 << 20)
        yield make_image(image_id)

    return ImageLoadObject(image_id, from_async_generator(run))


def test_a_pace_is_exact_when_it_is_steady() -> None:
    pace = Pace(10.0)
    assert pace.at(10.0, 0) == 0.0
    assert pace.at(10.0, 50) == 0.0  # before any time has passed
    assert pace.at(11.0, 100) == pytest.approx(100, rel=0.2)
    for second in range(12, 60):
        steady = pace.at(float(second), (second - 10) * 100)
    assert steady == pytest.approx(100)
    for second in range(60, 90):
        slower = pace.at(float(second), 4900 + (second - 59) * 10)
    assert slower == pytest.approx(10, rel=0.01)


async def test_images_time_left_and_the_end(session: Session, held: HeldLoader) -> None:
    clock = Clock()
    stream = session.stream(IDS, ahead=2, scheduler=clock)
    assert stream.progress_now == StreamProgress()
    seen: list[StreamProgress] = []
    ended: list[bool] = []
    stream.progress.subscribe(seen.append, None, lambda: ended.append(True))
    held.release(*IDS)
    async with aclosing(stream.__aiter__()) as images:
        await anext(images)
        first = stream.progress_now
        assert (first.images_total, first.images_done, first.images_ahead) == (4, 1, 0)  # it had a head start
        assert (first.seconds_left, first.pixel_bytes) == (None, 128)
        clock.pass_time(2.0)
        await anext(images)
        clock.pass_time(2.0)
        now = stream.progress_now
        assert now.seconds == pytest.approx(4.0)
        assert now.seconds_left is not None
        assert 2.0 < now.seconds_left < 8.0
        assert ended == []
    assert ended == [True]
    last = stream.progress_now
    assert (last.images_done, last.images_ahead, last.images_failed) == (2, 2, 0)
    assert seen[-1] == last
    late: list[StreamProgress] = []
    stream.progress.subscribe(late.append, None, lambda: ended.append(True))
    assert (late, ended) == ([last], [True, True])


async def test_failures_are_counted(session: Session, held: HeldLoader) -> None:
    held.fail(IDS[1], FetchError("gone"))
    held.release(*IDS)
    stream = session.stream(IDS, errors="skip")
    assert [str(image.image_id) async for image in stream] == [IDS[0], IDS[2], IDS[3]]
    assert (stream.progress_now.images_done, stream.progress_now.images_failed) == (3, 1)
    assert stream.progress_now.seconds_left == 0.0


async def test_bytes_between_two_images_are_told_by_the_timer() -> None:
    transport = HeldTransport()
    clock = Clock()
    async with Session(transport=transport, registry=registry_of(far=load_over_network)) as session:
        stream = session.stream(["far:0", "far:1"], ahead=1, scheduler=clock)
        seen: list[StreamProgress] = []
        stream.progress.subscribe(seen.append)
        images: list[Image] = []
        done = asyncio.Event()
        stream.subscribe(images.append, None, done.set)
        await transport.until_asked(1)
        await transport.send(b"x" * 1000)
        assert seen[-1].bytes_received == 0  # nobody has looked
        clock.pass_time(0.25)
        assert seen[-1].bytes_received == 1000
        clock.pass_time(0.25)
        assert seen[-1].bytes_per_second == pytest.approx(2000, rel=0.1)
        await transport.send(b"x" * 500)
        transport.end()
        await transport.until_asked(2)
        await turns()
        assert (len(images), stream.progress_now.bytes_received) == (1, 1500)
        await transport.send(b"x" * 100)
        transport.end()
        await done.wait()
        assert stream.progress_now.bytes_received == session.stats().bytes_received == 1600
        told, timers = len(seen), clock.timers
        clock.pass_time(10)
        assert (len(seen), clock.timers) == (told, timers)  # no timer is left


async def test_who_raises_while_told_does_not_end_the_stream(session: Session, held: HeldLoader) -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))

    def refuse(progress: StreamProgress) -> None:
        raise ValueError(progress)

    held.release(*IDS)
    stream = session.stream(IDS)
    stream.progress.subscribe(refuse)
    assert len([image async for image in stream]) == 4
    assert len(reported) == 1


def test_from_another_thread() -> None:
    held = HeldLoader()
    held.release(*IDS)
    with Session(registry=registry_of(held=held)) as session:
        stream = session.stream(IDS)
        done = [stream.progress_now.images_done for _ in stream]
        assert done == [1, 2, 3, 4]


async def test_another_thread_sees_every_image(session: Session, held: HeldLoader) -> None:
    held.release(*IDS)
    stream = session.stream(IDS, ahead=1)
    async with aclosing(stream.__aiter__()) as images:
        seen = [await asyncio.to_thread(lambda: stream.progress_now) async for _ in images]
    assert [progress.images_done for progress in seen] == [1, 2, 3, 4]
    assert [progress.pixel_bytes for progress in seen] == [128, 256, 384, 512]
    assert {progress.images_total for progress in seen} == {4}
