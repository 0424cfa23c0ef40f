"""Everything a user can do, in any order: what each subscriber must have heard, and what must hold after each step."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule
from reactivex.testing import TestScheduler

from cornerstream.images.errors import FetchError
from cornerstream.images.image_id import ImageId
from cornerstream.policies import Window
from cornerstream.ranks import Lane, Rank
from cornerstream.scroll import Scroll
from cornerstream.series import series_of
from cornerstream.session import Session
from tests.support.fakes import registry_of
from tests.support.held_images import FRAME_BYTES, IMAGE_BYTES, HeldImages, load, load_listed, url_of
from tests.support.leaks import turns
from tests.support.users import Starts, Subscriber, Viewport

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex.abc import DisposableBase

    from cornerstream.cache import ByteCache
    from cornerstream.prefetch import Prefetch

IDS = [f"held:{number}" for number in range(6)]
IMAGES = st.sampled_from(IDS)
FRAMES = [f"listed:cine?frame={number}" for number in range(1, 6)]
INDEXES = st.integers(0, len(IDS) - 1)
LANES = st.sampled_from(Lane)
IN_FLIGHT = FRAME_BYTES * 3 // 2  # one beside half of another
BUDGET = 4 * IMAGE_BYTES  # of six images and their encoded frames


class AnyUse(RuleBasedStateMachine):
    """Subscribers, viewports, prefetches and pins of six images, and of frames that travel in lists.

    The cache holds four images; of the requests, one is never prefetch's.
    """

    slots = 2
    subscribers = Bundle("subscribers")
    viewports = Bundle("viewports")
    prefetches = Bundle("prefetches")
    pins = Bundle("pins")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.transport = HeldImages()
        self.scheduler = TestScheduler()
        self.session = Session(
            registry=registry_of(held=load, listed=load_listed),
            transport=self.transport,
            cache_bytes=BUDGET,
            max_requests=self.slots,
            max_bytes_in_flight=IN_FLIGHT,
        )
        self.starts = Starts(self.session, self.slots, IN_FLIGHT)
        self.everybody: list[Subscriber] = []
        self.of_frames: list[Subscriber] = []
        self.all_viewports: list[Viewport] = []
        self.all_prefetches: list[Prefetch] = []
        self.pinned: Counter[str] = Counter()
        self.must_stay: set[str] = set()
        self.files = count()
        self.on_loop(self.session.stats)  # its first use makes this loop its own

    def on_loop(self, action: Callable[[], object]) -> Any:
        """Do something on the loop, and let what follows from it happen."""

        async def act() -> object:
            done = action()
            await turns(20)
            return done

        done = self.loop.run_until_complete(act())
        self.must_stay = {image for image in self.held_fast() if self.session.cached(image)}
        return done

    def held_fast(self) -> set[str]:
        """What is pinned, by a pin or by being shown."""
        shown = {IDS[one.scroll.index] for one in self.all_viewports if one.scroll.index is not None}
        return shown | set(+self.pinned)

    @property
    def tiers(self) -> list[ByteCache[Any]]:
        engine = self.session._engine
        return [engine.cache, engine.resources.frames.cache, engine.resources.kept]

    def is_here(self, image: str) -> bool:
        """It needs no request, and nobody waits for one."""
        frames = self.session._engine.resources.frames.cache
        return self.session.cached(image) or ImageId.parse(image) in frames

    def checked(self, action: Callable[[], object]) -> Any:
        """As `on_loop`; what was pinned before is there afterwards, unless it is pinned no longer."""
        before = self.must_stay
        done = self.on_loop(action)
        assert before & self.held_fast() <= self.must_stay
        return done

    # Loads

    @rule(target=subscribers, image=IMAGES, lane=LANES)
    def subscribe(self, image: str, lane: Lane) -> Subscriber:
        """Its image is there, or it waits for it."""
        running = self.session._engine.loads._loads
        at_once = self.session.cached(image) or (ImageId.parse(image) not in running and self.is_here(image))
        one: Subscriber = self.checked(lambda: Subscriber(self.session.load(image, lane=lane)))
        if at_once:
            one.expected, one.waits = ["image", "completed"], False
        self.everybody.append(one)
        return one

    @rule(target=subscribers, frames=st.lists(st.sampled_from(FRAMES), min_size=1, max_size=5), lane=LANES)
    def subscribe_to_frames(self, frames: list[str], lane: Lane) -> Any:
        """In one turn, so that they travel together; halves of lists come at once, so no more is foretold."""
        new: list[Subscriber] = self.checked(
            lambda: [Subscriber(self.session.load(frame, lane=lane)) for frame in frames]
        )
        self.of_frames += new
        return multiple(*new)

    @rule(subscriber=subscribers)
    def cancel(self, subscriber: Subscriber) -> None:
        self.checked(lambda: subscriber.leave(subscriber.load.cancel))

    @rule(subscriber=subscribers)
    def dispose(self, subscriber: Subscriber) -> None:
        self.checked(lambda: subscriber.leave(subscriber.subscription.dispose))

    @rule(subscriber=subscribers, lane=LANES, distance=st.integers(0, 3))
    def rank_anew(self, subscriber: Subscriber, lane: Lane, distance: int) -> None:
        self.checked(lambda: setattr(subscriber.load, "rank", Rank(lane, distance)))

    @precondition(lambda self: self.transport.open_urls)
    @rule(which=st.integers(0, 2))
    def finish(self, which: int) -> None:
        self._end(which, None, ["image", "completed"])

    @precondition(lambda self: self.transport.open_urls)
    @rule(which=st.integers(0, 2))
    def fail(self, which: int) -> None:
        self._end(which, FetchError("gone"), ["FetchError"])

    @rule(image=IMAGES)
    def load_whole(self, image: str) -> None:
        self.subscribe(image, Lane.INTERACTION)
        while self.everybody[-1].waits:
            self.finish(0)

    def _end(self, which: int, error: FetchError | None, heard: list[str]) -> None:
        urls = sorted(self.transport.open_urls)
        url = urls[which % len(urls)]
        waiting = [one for one in self.everybody if one.waits and url_of(one.load.image_id) == url]
        self.checked(lambda: self.transport.finish(url, error))
        for one in waiting:
            one.expected, one.waits = heard, False

    # Viewports and prefetch

    @rule(target=viewports, ahead=st.integers(0, 2))
    def look(self, ahead: int) -> Viewport:
        engine, series = self.session._engine, series_of(IDS)
        load = partial(self.session._load_on, engine)
        window = Window(ahead, 1)
        one: Viewport = self.checked(
            lambda: Viewport(
                Scroll(series, engine.host, load, engine.cache, engine.board, window, scheduler=self.scheduler), IDS
            )
        )
        self.all_viewports.append(one)
        return one

    @rule(viewport=viewports, index=INDEXES)
    def jump(self, viewport: Viewport, index: int) -> None:
        self.checked(lambda: viewport.scroll.to(index))

    @rule(tenths=st.integers(1, 10))
    def rest(self, tenths: int) -> None:
        self.checked(lambda: self.scheduler.advance_by(tenths / 10))

    @rule(viewport=consumes(viewports))
    def leave(self, viewport: Viewport) -> None:
        self.checked(viewport.scroll.dispose)
        shown = list(viewport.shown)
        self.checked(lambda: viewport.scroll.to(0))
        self.checked(lambda: self.scheduler.advance_by(1))
        assert (viewport.shown, viewport.completed, viewport.scroll.running) == (shown, 1, 0)
        self.all_viewports.remove(viewport)

    @rule(target=prefetches, around=INDEXES)
    def prefetch(self, around: int) -> Prefetch:
        one: Prefetch = self.checked(lambda: self.session.prefetch(IDS, around=around))
        self.all_prefetches.append(one)
        return one

    @rule(prefetch=consumes(prefetches))
    def give_up(self, prefetch: Prefetch) -> None:
        self.checked(prefetch.dispose)
        self.all_prefetches.remove(prefetch)

    # The cache

    @rule(target=pins, image=IMAGES)
    def pin(self, image: str) -> tuple[str, DisposableBase]:
        held = self.checked(lambda: self.session.pin(image))
        self.pinned[image] += 1
        return image, held

    @rule(pin=consumes(pins))
    def unpin(self, pin: tuple[str, DisposableBase]) -> None:
        image, held = pin
        self.pinned[image] -= 1
        self.checked(held.dispose)
        self.checked(held.dispose)

    @rule(nbytes=st.integers(0, 3 * IMAGE_BYTES))
    def evict(self, nbytes: int) -> None:
        self.checked(lambda: self.session._engine.resources.put(next(self.files), "a file", nbytes))

    @rule()
    def forget(self) -> None:
        self.must_stay.clear()

        def clear() -> None:
            for tier in self.tiers:
                tier.clear()

        self.on_loop(clear)

    # What always holds

    @invariant()
    def everybody_heard_what_he_must(self) -> None:
        assert [one.heard for one in self.everybody] == [one.expected for one in self.everybody]
        assert all(one.heard in ([], ["image", "completed"], ["FetchError"]) for one in self.of_frames)

    @invariant()
    def nobody_hears_more_after_leaving(self) -> None:
        assert all(one.left_with in (None, one.heard) for one in (*self.everybody, *self.of_frames))

    @invariant()
    def requests_start_in_turn_and_where_there_is_room(self) -> None:
        assert self.starts.wrong == []

    @invariant()
    def viewports_show_what_was_asked_for_last(self) -> None:
        assert [one.shown for one in self.all_viewports] == [one.asked for one in self.all_viewports]

    @invariant()
    def one_fetch_a_key(self) -> None:
        assert self.transport.most <= 1
        assert len(self.transport.open_urls) <= self.slots

    @invariant()
    def only_what_is_wanted_runs(self) -> None:
        waited = {one.load.image_id for one in self.everybody if one.waits}
        waited |= {one.load.image_id for one in self.of_frames if one.waits and not one.heard}
        running = set(self.session._engine.loads._loads)
        assert waited <= running
        if not self.all_viewports and not self.all_prefetches:
            assert waited == running

    @invariant()
    def bytes_counted_are_bytes_held(self) -> None:
        budget = self.session._engine.budget
        for tier in self.tiers:
            held = [*tier._free.values(), *tier._pinned.values()]
            assert tier.nbytes == sum(tier._size(entry.value) for entry in held)
            assert tier.pinned_bytes == sum(tier._size(entry.value) for entry in tier._pinned.values())
        assert budget.nbytes == sum(tier.nbytes for tier in self.tiers)
        assert budget.nbytes <= BUDGET or budget.nbytes == budget.pinned_bytes

    def teardown(self) -> None:
        try:
            self._drain()
        finally:
            self.starts.patch.stop()
            self.loop.run_until_complete(self.session.aclose())
            left = asyncio.all_tasks(self.loop)
            self.loop.close()
        assert not left

    def _drain(self) -> None:
        """All that is open ends, until nothing waits: everybody has his image then, and nothing is left behind."""

        async def finish_all() -> None:
            async with asyncio.timeout(10):
                while self.session.stats().running:
                    for url in self.transport.open_urls:
                        self.transport.finish(url)
                    await turns(1)

        self.loop.run_until_complete(finish_all())
        assert all(one.heard == ["image", "completed"] for one in self.everybody if one.waits)
        assert all(one.heard for one in self.of_frames if one.waits)
        for held in (*(one.scroll for one in self.all_viewports), *self.all_prefetches):
            self.on_loop(held.dispose)
        engine, figures = self.session._engine, self.session.stats()
        self.loop.run_until_complete(turns(20))
        assert (figures.open_requests, figures.queued_requests, len(engine.board)) == (0, 0, 0)
        assert (engine.tasks, len(engine.resources.files), engine.resources.values) == (set(), 0, {})
        assert {str(key): number for key, number in engine.cache._pins.items()} == dict(+self.pinned)
        assert not engine.budget._views


class WiderUse(AnyUse):
    """The same over three requests, of which bytes in flight allow fewer."""

    slots = 3


TestAnyUse = AnyUse.TestCase
TestWiderUse = WiderUse.TestCase
TestAnyUse.settings = TestWiderUse.settings = settings(max_examples=45, stateful_step_count=40, deadline=None)
