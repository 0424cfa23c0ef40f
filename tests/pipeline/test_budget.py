from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest
from cachetools import LRUCache
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.budget import Budget
from cornerstream.cache import ByteCache
from tests.support.traces import back_and_forth, cyclic, jumps, two_viewports

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from tests.support.traces import Step

IMAGE = 1 << 19
COUNT, ROOM = 110, 100


def tiers(total: int) -> tuple[ByteCache[int], ByteCache[int]]:
    """Images, and what is worth twice as much; a value is its own size."""
    budget = Budget(total)
    return ByteCache(budget, int), ByteCache(budget, int, worth=2.0)


# Several tiers


def test_the_tiers_share_one_total() -> None:
    near, far = tiers(4 * IMAGE)
    for key in "abcd":
        near.put(key, IMAGE)
    far.put("f", 2 * IMAGE)
    assert [key in near for key in "abcd"] == [False, False, True, True]
    assert near.shared.nbytes == near.nbytes + far.nbytes == 4 * IMAGE
    assert (near.evictions, far.evictions) == (2, 0)


def test_what_is_worth_twice_as_much_stays_twice_as_long() -> None:
    near, far = tiers(8 * IMAGE)
    far.put("f", IMAGE)
    survived = 0
    for number in range(100):
        near.put(number, IMAGE)
        if "f" not in far:
            break
        survived += 1
    assert survived == 2 * 7


def test_a_small_value_does_not_go_for_the_little_it_frees() -> None:
    cache: ByteCache[int] = ByteCache(4 * IMAGE, int)
    cache.put("metadata", 4096)
    for number in range(30):
        cache.put(number, IMAGE)
    assert "metadata" in cache
    for number in range(30):
        cache.put(number, IMAGE)
    assert "metadata" not in cache  # not for ever either


def test_what_is_pinned_in_one_tier_takes_room_from_the_other() -> None:
    near, far = tiers(2 * IMAGE)
    far.put("f", IMAGE)
    near.pin("a")
    near.put("a", 2 * IMAGE)
    assert "f" not in far
    far.put("g", IMAGE)
    assert "g" not in far
    near.unpin("a")
    far.put("g", IMAGE)
    assert ("a" in near, "g" in far) == (False, True)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["put", "ahead", "get", "discard", "pin", "unpin", "look", "clear"]),
        st.integers(0, 1),
        st.integers(0, 7),
        st.integers(1, 9),
    ),
    max_size=60,
)


@given(ACTIONS)
@settings(max_examples=150, deadline=None)
def test_bytes_counted_are_bytes_held_and_only_pins_exceed_the_total(actions: list[tuple[str, int, int, int]]) -> None:
    caches = tiers(20)
    series = tuple(range(8))
    pins = [dict.fromkeys(series, 0) for _ in caches]
    for action, which, key, size in actions:
        cache = caches[which]
        if action in {"put", "ahead"}:
            cache.put(key, size, ahead=action == "ahead")
        elif action == "look":
            cache.look(size, series, key)
        elif action == "clear":
            cache.clear()
        elif action == "unpin":
            if pins[which][key]:
                pins[which][key] -= 1
                cache.unpin(key)
        else:
            pins[which][key] += action == "pin"
            getattr(cache, action)(key)
        held = [{key: cache.get(key) or 0 for key in series if key in cache} for cache in caches]
        assert [cache.nbytes for cache in caches] == [sum(one.values()) for one in held]
        pinned = [sum(size for key, size in one.items() if pins[i][key]) for i, one in enumerate(held)]
        assert [cache.pinned_bytes for cache in caches] == pinned
        total = sum(cache.nbytes for cache in caches)
        assert caches[0].shared.nbytes == total
        assert total <= 20 or total == sum(pinned)


# Where viewports look


def filled(size: int = 10) -> tuple[ByteCache[int], tuple[int, ...]]:
    cache: ByteCache[int] = ByteCache(size * IMAGE, int)
    for number in range(size):
        cache.put(number, IMAGE)
    return cache, tuple(range(2 * size))


def test_the_farthest_from_the_viewport_goes_first_and_not_the_least_recently_used() -> None:
    cache, series = filled()
    cache.look("viewport", series, 1)
    for _ in range(20):
        cache.get("nothing of it")
        cache.get(9)
    cache.put("other", IMAGE)
    assert 0 in cache
    cache.look("viewport", series, None)
    cache.put("another", IMAGE)
    assert 0 not in cache


def test_what_is_loaded_ahead_does_not_evict_what_is_nearer() -> None:
    cache, series = filled()
    cache.look("viewport", series, 5)
    for number in range(10):
        cache.get(number)
    for _ in range(30):
        cache.put("passing", IMAGE)
        cache.discard("passing")
    cache.put(4, IMAGE)
    before = {number for number in series if number in cache}
    cache.put(19, IMAGE, ahead=True)
    cache.put(18, IMAGE, ahead=True)
    assert {number for number in series if number in cache} - before <= {18, 19}
    assert cache.refused >= 1
    cache.put(19, IMAGE)  # asked for
    assert 19 in cache


def test_of_several_viewports_the_nearest_counts() -> None:
    budget = Budget(IMAGE)
    first, second = tuple(range(10)), tuple(range(5, 15))
    budget.look("a", first, 0)
    budget.look("b", second, 9)
    assert [budget.distance(key) for key in (0, 9, 5, 14, 99)] == [0, 5, 5, 0, float("inf")]
    budget.look("b", second, None)
    assert [budget.distance(key) for key in (9, 14)] == [9, float("inf")]


# Traces


class Kept(Protocol):
    def shows(self, viewport: int, index: int) -> bool:
        """Show an image; it was there."""
        ...


class LeastRecentlyUsed:
    """What a plain cache does; cachetools' own."""

    def __init__(self, room: int) -> None:
        self._cache: LRUCache[Hashable, int] = LRUCache(room)

    def shows(self, viewport: int, index: int) -> bool:
        key = viewport, index
        hit = self._cache.get(key) is not None
        self._cache[key] = 1
        return hit


class Near:
    """Our tier, with viewports that pin what they show."""

    def __init__(self, room: int) -> None:
        self._cache: ByteCache[int] = ByteCache(room * IMAGE, int)
        self._series = {viewport: tuple((viewport, index) for index in range(COUNT)) for viewport in (0, 1)}
        self._shown: dict[int, Hashable] = {}

    def shows(self, viewport: int, index: int) -> bool:
        key, before = (viewport, index), self._shown.get(viewport)
        self._cache.look(viewport, self._series[viewport], index)
        self._cache.pin(key)
        if before is not None:
            self._cache.unpin(before)
        self._shown[viewport] = key
        if self._cache.get(key) is not None:
            return True
        self._cache.put(key, IMAGE)
        return False


def hit_rate(cache: Kept, steps: list[Step]) -> float:
    """Share of images that were there when they were shown, from the second quarter of the trace on."""
    hits = [cache.shows(*step) for step in steps][len(steps) // 4 :]
    return sum(hits) / len(hits)


@pytest.mark.parametrize(
    ("trace", "room", "at_least"),
    [(cyclic, ROOM, 0.75), (two_viewports, 2 * ROOM, 0.75), (back_and_forth, ROOM, 0.89), (jumps, ROOM, 0.9)],
)
def test_hit_rates_on_traces(trace: Callable[[int], list[Step]], room: int, at_least: float) -> None:
    steps = trace(COUNT)
    ours, plain = hit_rate(Near(room), steps), hit_rate(LeastRecentlyUsed(room), steps)
    assert ours >= at_least
    assert ours >= plain - 0.01


def test_least_recently_used_alone_evicts_each_image_just_before_it_is_needed() -> None:
    assert hit_rate(LeastRecentlyUsed(ROOM), cyclic(COUNT)) == 0.0
