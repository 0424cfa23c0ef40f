"""How loads end: a source that outlives its last subscriber's stay, and progress asked for late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import reactivex as rx
from reactivex import Observable
from reactivex.disposable import Disposable

from cornerstream.images.image_id import ImageId
from cornerstream.images.load_object import ImageLoadObject, Progress
from cornerstream.session import Session
from tests.support.fakes import make_image, registry_of
from tests.support.leaks import turns

if TYPE_CHECKING:
    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

    from cornerstream.images.image import Image
    from cornerstream.loaders.context import LoadContext

ID = ImageId("held", "1")


async def test_who_leaves_while_the_source_is_being_subscribed_to_ends_it() -> None:
    disposed: list[str] = []

    def load(image_id: ImageId, _: LoadContext) -> ImageLoadObject:
        def subscribe(observer: ObserverBase[Image], _: SchedulerBase | None = None) -> DisposableBase:
            observer.on_next(make_image(image_id))
            return Disposable(lambda: disposed.append("source"))

        return ImageLoadObject(image_id, Observable(subscribe))

    async with Session(registry=registry_of(held=load)) as session:
        one = session.load(ID)

        one.observable.subscribe(lambda _: one.cancel())
        await turns()
        assert disposed == ["source"]
        assert session.stats().running == 0


async def test_progress_asked_for_late_is_the_last_one_and_the_end() -> None:
    def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        def subscribe(observer: ObserverBase[Image], scheduler: SchedulerBase | None = None) -> DisposableBase:
            context.resources._on_progress(Progress(7, 9))  # type: ignore[attr-defined]  # as its transport does
            return rx.just(make_image(image_id)).subscribe(observer, scheduler=scheduler)

        return ImageLoadObject(image_id, Observable(subscribe))

    async with Session(registry=registry_of(held=load)) as session:
        one = session.load(ID)
        await one
        heard: list[object] = []
        one.progress.subscribe(heard.append, heard.append, lambda: heard.append("end"))
        assert heard == [Progress(7, 9), "end"]
