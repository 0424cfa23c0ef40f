"""Loading and cancelling in any order: a model of what every subscriber must have heard, against the session."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from cornerstream.images.errors import FetchError
from cornerstream.ranks import Lane, Rank
from cornerstream.session import Session
from tests.support.fakes import HeldLoader, registry_of
from tests.support.leaks import turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerstream.load import Load

IMAGES = st.integers(0, 3).map("held:{}".format)


class Subscriber:
    """What one subscriber heard, and what the model says it must have heard."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.heard: list[str] = []
        self.expected: list[str] = []
        self.waits = True
        load.observable.subscribe(
            lambda _: self.heard.append("image"),
            lambda error: self.heard.append(type(error).__name__),
            lambda: self.heard.append("completed"),
        )


class LoadsAndCancels(RuleBasedStateMachine):
    """Subscribers of four images that come, go, get their image, or hear of its failure."""

    subscribers = Bundle("subscribers")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.held = HeldLoader()
        self.session = Session(registry=registry_of(held=self.held), max_requests=2)
        self.everybody: list[Subscriber] = []
        self.cached: set[str] = set()
        self.starts = 0
        self.on_loop(self.session.stats)  # its first use makes this loop its own

    def on_loop(self, action: Callable[[], object]) -> None:
        """Do something on the loop, and let what follows from it happen."""

        async def act() -> None:
            action()
            await turns(12)

        self.loop.run_until_complete(act())

    def waiting_for(self, image: str) -> list[Subscriber]:
        return [one for one in self.everybody if one.waits and str(one.load.image_id) == image]

    @rule(target=subscribers, image=IMAGES, lane=st.sampled_from(Lane))
    def subscribe(self, image: str, lane: Lane) -> Subscriber:
        self.starts += image not in self.cached and not self.waiting_for(image)
        found: list[Subscriber] = []
        self.on_loop(lambda: found.append(Subscriber(self.session.load(image, lane=lane))))
        if image in self.cached:
            found[0].expected, found[0].waits = ["image", "completed"], False
        self.everybody.append(found[0])
        return found[0]

    @rule(subscriber=subscribers)
    def cancel(self, subscriber: Subscriber) -> None:
        self.on_loop(subscriber.load.cancel)
        subscriber.waits = False

    @rule(subscriber=subscribers, lane=st.sampled_from(Lane))
    def rank_anew(self, subscriber: Subscriber, lane: Lane) -> None:
        def change() -> None:
            subscriber.load.rank = Rank(lane, 1.0)

        self.on_loop(change)

    @rule(image=IMAGES)
    def finish(self, image: str) -> None:
        self._end(image, lambda: self.held.release(image), ["image", "completed"])

    @rule(image=IMAGES)
    def fail(self, image: str) -> None:
        self._end(image, lambda: self.held.fail(image, FetchError("gone")), ["FetchError"])

    @precondition(lambda self: self.cached)
    @rule()
    def forget(self) -> None:
        self.on_loop(self.session._engine.cache.clear)
        self.cached.clear()

    @invariant()
    def everybody_heard_what_he_must(self) -> None:
        assert [one.heard for one in self.everybody] == [one.expected for one in self.everybody]

    @invariant()
    def only_what_is_waited_for_runs(self) -> None:
        waited = {str(one.load.image_id) for one in self.everybody if one.waits}
        assert self.session.stats().running == len(waited)
        assert len(self.held.started) - len(self.held.ended) == len(waited)
        assert len(self.held.started) == self.starts

    def teardown(self) -> None:
        self.loop.run_until_complete(self.session.aclose())
        assert not asyncio.all_tasks(self.loop)
        self.loop.close()

    def _end(self, image: str, end: Callable[[], None], heard: list[str]) -> None:
        waiting = self.waiting_for(image)
        self.on_loop(end)
        self.held.hold(image)
        for one in waiting:
            one.expected, one.waits = heard, False
        if waiting and "image" in heard:
            self.cached.add(image)


TestLoadsAndCancels = LoadsAndCancels.TestCase
TestLoadsAndCancels.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
