from __future__ import annotations

import asyncio
import random
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest
import reactivex as rx
from reactivex.disposable import Disposable

from cornerstream.images.errors import FetchError, ImageLoadError, ObserverError
from cornerstream.images.image_id import ImageId
from cornerstream.images.load_object import ImageLoadObject, Progress
from cornerstream.images.metadata import ImageQuality
from cornerstream.operators.bridge import from_async_generator
from cornerstream.session import Session
from tests.support.fakes import HeldLoader, make_image, registry_of
from tests.support.leaks import turns

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from reactivex.abc import DisposableBase, ObserverBase

    from cornerstream.images.image import Image
    from cornerstream.loaders.context import LoadContext

A = "held:a"


class Sink:
    """What a subscriber heard."""

    def __init__(self) -> None:
        self.images: list[Image] = []
        self.errors: list[Exception] = []
        self.completed = 0

    def to(self, load: ImageLoadObject) -> DisposableBase:
        return load.observable.subscribe(self.images.append, self.errors.append, self._complete)

    def _complete(self) -> None:
        self.completed += 1


async def test_subscribers_of_one_image_share_its_load(session: Session, held: HeldLoader) -> None:
    sinks = [Sink() for _ in range(5)]
    for sink in sinks:
        sink.to(session.load(A))
    await held.until_started(1)
    held.release(A)
    await session.load(A)
    assert held.started == [A]
    assert [len(sink.images) for sink in sinks] == [1] * 5
    assert [sink.completed for sink in sinks] == [1] * 5
    assert len({id(sink.images[0]) for sink in sinks}) == 1
    assert session.stats().images == 1


async def test_one_of_two_leaving_does_not_disturb_the_other(session: Session, held: HeldLoader) -> None:
    leaver, stayer = Sink(), Sink()
    leaving = leaver.to(session.load(A))
    stayer.to(session.load(A))
    await held.until_started(1)
    leaving.dispose()
    assert held.ended == []
    held.release(A)
    await held.until_ended(1)
    await session.load(A)
    assert (leaver.images, leaver.completed, leaver.errors) == ([], 0, [])
    assert (len(stayer.images), stayer.completed) == (1, 1)


async def test_the_last_one_out_cancels_and_nothing_is_cached(session: Session, held: HeldLoader) -> None:
    sink = Sink()
    loads = [session.load(A), session.load(A)]
    for load in loads:
        sink.to(load)
    await held.until_started(1)
    for load in loads:
        load.cancel()
    await held.until_ended(1)
    assert (sink.images, sink.errors, sink.completed) == ([], [], 0)
    stats = session.stats()
    assert (stats.running, stats.cancelled, stats.cached_bytes) == (0, 1, 0)
    assert not session.cached(A)


async def test_a_partial_image_is_never_cached_and_a_latecomer_gets_it(session: Session, held: HeldLoader) -> None:
    held.partial = True
    first, late = Sink(), Sink()
    load = session.load(A)
    arrived = asyncio.Event()
    load.observable.subscribe(lambda _: arrived.set())
    first.to(load)
    await arrived.wait()
    late.to(session.load(A))
    assert [image.quality for image in late.images] == [ImageQuality.PARTIAL]
    assert session.stats().cached_bytes == 0
    held.release(A)
    await session.load(A)
    assert [image.quality for image in first.images] == [ImageQuality.PARTIAL, ImageQuality.COMPLETE]
    assert session.cached(A)


async def test_failures_are_not_kept(session: Session, held: HeldLoader) -> None:
    held.fail(A, FetchError("no route"))
    with pytest.raises(FetchError, match="held:a: no route"):
        await session.load(A)
    held._errors.clear()
    image = await session.load(A)
    assert image.image_id == ImageId.parse(A)
    assert held.started == [A, A]


async def test_what_a_loader_raises_becomes_typed(session: Session, held: HeldLoader) -> None:
    held.fail(A, KeyError("surprise"))
    with pytest.raises(ImageLoadError, match="held:a: its loader raised KeyError") as caught:
        await session.load(A)
    assert isinstance(caught.value.__cause__, KeyError)


async def test_a_loader_that_raises_when_called(session: Session) -> None:
    def broken(image_id: ImageId, context: object) -> ImageLoadObject:
        raise ZeroDivisionError

    session._options.registry.register("broken", broken)
    with pytest.raises(ImageLoadError, match="broken:x: its loader raised ZeroDivisionError"):
        await session.load("broken:x")


async def test_a_loader_without_an_image(session: Session) -> None:
    session._options.registry.register("empty", lambda image_id, _: ImageLoadObject(image_id, rx.empty()))
    with pytest.raises(ImageLoadError, match="empty:x: the loader completed without an image"):
        await session.load("empty:x")


async def test_a_loader_that_never_suspends(session: Session) -> None:
    session._options.registry.register(
        "just", lambda image_id, _: ImageLoadObject(image_id, rx.just(make_image(image_id)))
    )
    assert (await session.load("just:x")).image_id == ImageId.parse("just:x")
    assert session.stats().running == 0


async def test_an_on_next_that_raises_ends_its_own_subscription_only(session: Session, held: HeldLoader) -> None:
    errors: list[Exception] = []
    other = Sink()

    def raises(image: Image) -> None:
        raise RuntimeError("my own fault")

    session.load(A).observable.subscribe(raises, errors.append)
    other.to(session.load(A))
    held.release(A)
    await session.load(A)
    assert [type(error) for error in errors] == [ObserverError]
    assert "held:a: on_next raised RuntimeError: my own fault" in str(errors[0])
    assert isinstance(errors[0].__cause__, RuntimeError)
    assert len(other.images) == 1


async def test_an_error_that_nobody_hears_is_reported_to_the_loop(session: Session, held: HeldLoader) -> None:
    loop = asyncio.get_running_loop()
    reported: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: reported.append(context))
    held.fail(A, FetchError("no route"))
    session.load(A).observable.subscribe(lambda _: None)  # no on_error
    with pytest.raises(FetchError):
        await session.load(A)
    assert "held:a" in str(reported[0]["message"])
    assert isinstance(reported[0]["exception"], FetchError)


async def test_disposing_inside_on_next(session: Session, held: HeldLoader) -> None:
    held.partial = True
    seen: list[Image] = []
    load = session.load(A)
    gone = asyncio.Event()

    def once(image: Image) -> None:
        seen.append(image)
        load.cancel()
        gone.set()

    load.observable.subscribe(once)
    await gone.wait()
    held.release(A)
    await held.until_ended(1)
    assert len(seen) == 1
    assert session.stats().running == 0


async def test_keep_false_reads_the_cache_and_does_not_fill_it(session: Session, held: HeldLoader) -> None:
    held.release(A)
    await session.load(A, keep=False)
    assert not session.cached(A)
    await session.load(A)
    await session.load(A, keep=False)
    assert held.started == [A, A]
    assert session.stats().cache_hits == 1


def test_who_leaves_before_the_loop_hears_of_him_starts_nothing() -> None:
    held = HeldLoader()
    with Session(registry=registry_of(held=held)) as session:
        host = session._engine.host
        blocked, go = threading.Event(), threading.Event()

        def stand_still() -> None:
            blocked.set()
            go.wait(20)

        host.call(stand_still)
        assert blocked.wait(20)
        session.load(A).observable.subscribe(lambda _: None).dispose()
        go.set()
        host.block(turns())
        assert held.started == []
        assert session.stats().cancelled == 0


class Tap:
    """A loader whose observers the test holds; its subscribe and dispose take no time on the loop."""

    def __init__(self) -> None:
        self.observers: list[ObserverBase[Image]] = []
        self.starts = 0
        self.on_dispose: Callable[[], object] | None = None

    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        return ImageLoadObject(image_id, rx.Observable(self._subscribe))

    def _subscribe(self, observer: ObserverBase[Image], scheduler: object = None) -> DisposableBase:
        self.starts += 1
        self.observers.append(observer)
        return Disposable(lambda: self._dispose(observer))

    def _dispose(self, observer: ObserverBase[Image]) -> None:
        self.observers.remove(observer)
        hook, self.on_dispose = self.on_dispose, None
        if hook is not None:
            hook()

    def emit(self, image: Image) -> None:
        for observer in tuple(self.observers):
            observer.on_next(image)
            observer.on_completed()


@pytest.mark.parametrize("rounds", [3_000, pytest.param(20_000, marks=pytest.mark.long)])
async def test_a_subscriber_that_races_with_the_last_one_leaving_gets_its_image(rounds: int) -> None:
    """The case that breaks `share()`: the late one comes before, after or inside the last one's dispose."""
    tap, chance, image = Tap(), random.Random(7), make_image("race:x", 1)
    got = 0
    async with Session(registry=registry_of(race=tap)) as session:
        for _ in range(rounds):
            images: list[Image] = []
            load = session.load("race:x", keep=False)
            first = session.load("race:x", keep=False).observable.subscribe(lambda _: None)
            join = partial(load.observable.subscribe, images.append)
            await asyncio.sleep(0)  # the load has begun
            place = chance.randrange(3)
            if place == 0:
                join()
            tap.on_dispose = join if place == 1 else None
            first.dispose()
            if place == 2:
                join()
            await asyncio.sleep(0)
            tap.emit(image)
            got += len(images)
        assert session.stats().running == 0
    assert got == rounds
    assert rounds < tap.starts < 2 * rounds


async def _one_image(image_id: ImageId) -> AsyncGenerator[Image, None]:
    await asyncio.sleep(0)
    yield make_image(image_id, 1)


def _race(session: Session, seed: int, missing: list[str]) -> None:
    chance = random.Random(seed)
    for _ in range(100):
        image_id = f"race:{chance.randrange(4)}"
        leaver = session.load(image_id, keep=False).observable.subscribe(lambda _: None)
        stayer = session.load(image_id, keep=False)
        if chance.random() < 0.5:
            leaver.dispose()
        try:
            stayer.result(20)
        except TimeoutError:
            missing.append(image_id)
        leaver.dispose()


def test_threads_that_race_get_their_images() -> None:
    """Subscribing and disposing from eight threads on four images: whoever stays gets the image."""
    missing: list[str] = []

    def loader(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        return ImageLoadObject(image_id, from_async_generator(lambda: _one_image(image_id)))

    with Session(registry=registry_of(race=loader)) as session:
        threads = [threading.Thread(target=_race, args=(session, seed, missing)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert session.stats().running == 0
    assert missing == []


async def test_progress_ends_with_the_load_and_disturbs_nobody(session: Session) -> None:
    def loader(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        report = context.http._on_progress  # type: ignore[attr-defined]  # as a response reports its bytes

        async def run() -> AsyncGenerator[Image, None]:
            report(Progress(1, 2))
            report(Progress(2, 2))
            yield make_image(image_id)

        return ImageLoadObject(image_id, from_async_generator(run))

    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    session._options.registry.register("bytes", loader)
    loads = [session.load("bytes:x"), session.load("bytes:x")]
    heard: list[object] = []

    def raises(progress: Progress) -> None:
        raise ValueError(progress)

    loads[0].progress.subscribe(raises)
    loads[1].progress.subscribe(heard.append, None, lambda: heard.append("end"))
    images = await asyncio.gather(*loads)
    assert len(images) == 2
    assert heard == [Progress(1, 2), Progress(2, 2), "end"]
    assert {type(one["exception"]) for one in reported} == {ValueError}
