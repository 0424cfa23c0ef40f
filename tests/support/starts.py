"""Ways to start something of a session, and what is started; see `tests.support.cancelling.User`."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from reactivex.testing import TestScheduler

from cornerstream.events import Cached
from cornerstream.scroll import Scroll
from cornerstream.series import series_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.support.cancelling import User
    from tests.support.study import Served

SIDE = 64  # of the study's images


def subscribed(user: User) -> None:
    loads = [user.session.load(one) for one in user.ids]
    subscriptions = [load.observable.subscribe(user.hear, user.fail) for load in loads]
    user.ways["dispose"] = lambda: _each(subscription.dispose for subscription in subscriptions)
    user.ways["cancel"] = lambda: _each(load.cancel for load in loads)


def awaited(user: User) -> None:
    async def hear(load: Any) -> None:
        user.hear(await load)

    loads = [user.session.load(one) for one in user.ids]
    user.runs(*map(hear, loads))
    user.ways["cancel"] = lambda: _each(load.cancel for load in loads)


def streamed(user: User, **options: Any) -> None:
    subscription = user.session.stream(user.ids, **options).subscribe(user.hear, user.fail)
    user.ways["dispose"] = subscription.dispose


def streamed_as_it_comes(user: User) -> None:
    streamed(user, order="arrival")


def streamed_placed(user: User) -> None:
    user.ways["dispose"] = user.session.stream(user.ids).placed.subscribe(user.hear, user.fail).dispose


def streamed_study(user: User) -> None:
    listing = user.session.study(user.at.address.dicomweb, user.at.study.study_instance_uid)
    user.ways["dispose"] = user.session.stream(listing).subscribe(user.hear, user.fail).dispose


def streamed_series(user: User) -> None:
    both = [series_of(user.ids[::2]), series_of(user.ids[1::2])]
    user.ways["dispose"] = user.session.stream(both, interleaved=True).subscribe(user.hear, user.fail).dispose


def iterated(user: User, **options: Any) -> None:
    async def read() -> None:
        async with aclosing(aiter(user.session.stream(user.ids, **options))) as images:
            async for image in images:
                user.hear(image)
                if user.leaves:
                    return

    user.runs(read())
    user.ways["leave"] = lambda: setattr(user, "leaves", True)


def iterated_volume(user: User) -> None:
    iterated(user, out=np.zeros((len(user.ids), SIDE, SIDE), np.int16))


def iterated_elsewhere(user: User) -> None:
    """In another thread, blocking."""

    def read() -> None:
        with suppress(CancelledError):
            for image in user.session.stream(user.ids):
                user.hear(image)
                if user.leaves:
                    return

    user.runs(asyncio.to_thread(read))
    user.ways = {"leave": lambda: setattr(user, "leaves", True)}


def waited_for_elsewhere(user: User) -> None:
    """In another thread, blocking."""
    loads = [user.session.load(one) for one in user.ids[:2]]

    def wait() -> None:
        with suppress(CancelledError):
            for load in loads:
                user.hear(load.result(30))

    user.runs(asyncio.to_thread(wait))
    user.ways = {"cancel": lambda: _each(load.cancel for load in loads)}


def prefetched(user: User) -> None:
    prefetch = user.session.prefetch(user.ids)
    _until_disposed(user, prefetch)


def prefetched_study(user: User) -> None:
    prefetch = user.session.prefetch_study([series_of(user.ids[:3]), series_of(user.ids[3:])])
    _until_disposed(user, prefetch)


def _until_disposed(user: User, prefetch: Any) -> None:
    def heard(event: object) -> None:
        if isinstance(event, Cached) and not user.over:  # an event of before may come in the next turn
            user.hear(event)

    user.session.events.subscribe(heard)
    user.ways["dispose"] = prefetch.dispose
    user.runs(prefetch)


def scrolled(user: User) -> None:
    scroll, clock = _scroll(user)
    scroll.to(1)
    clock.advance_by(1)  # the wheel rests: its neighbours


def played(user: User) -> None:
    scroll, clock = _scroll(user)
    scroll.play(10)
    clock.advance_by(0.25)


def _scroll(user: User) -> tuple[Scroll, TestScheduler]:
    clock, engine, session = TestScheduler(), user.engine, user.session
    load = partial(session._load_on, engine)
    scroll = Scroll(series_of(user.ids), engine.host, load, engine.cache, engine.board, scheduler=clock)
    session._handles.add(scroll)
    scroll.images.subscribe(user.hear)
    scroll.errors.subscribe(user.fail)
    user.ways["dispose"] = scroll.dispose
    return scroll, clock


# What is started


def slices(at: Served) -> list[str]:
    return [at.wadors(at.study.series[1], index) for index in range(6)]


def frames(at: Served) -> list[str]:
    """Of one instance: they come in lists."""
    return [at.wadors(at.study.series[-1], index) for index in range(12)]


def file(at: Served) -> list[str]:
    """Of one instance: they come in one download."""
    return [at.wadouri(at.study.series[-1], index) for index in range(12)]


def files(at: Served) -> list[str]:
    return [at.wadouri(at.study.series[1], index) for index in range(6)]


def local(at: Served) -> list[str]:
    return [f"dicomfile:{path}" for path in at.study.series[1].files]


def _each(actions: Iterable[Callable[[], object]]) -> None:
    for action in actions:
        action()
