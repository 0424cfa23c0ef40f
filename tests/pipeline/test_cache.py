from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cornerstream.cache import ByteCache


def make(budget: int) -> ByteCache[bytes]:
    return ByteCache(budget, len)


def test_least_recently_used_goes_first() -> None:
    cache = make(10)
    cache.put("a", b"1234")
    cache.put("b", b"1234")
    assert cache.get("a") == b"1234"
    cache.put("c", b"1234")
    assert "b" not in cache
    assert cache.get("a") is not None
    assert cache.get("c") is not None
    assert (cache.nbytes, cache.evictions, cache.hits) == (8, 1, 3)


def test_a_value_that_does_not_fit_evicts_nobody() -> None:
    cache = make(10)
    cache.put("a", b"1234")
    cache.put("huge", bytes(11))
    assert "huge" not in cache
    assert "a" in cache


def test_what_is_pinned_stays() -> None:
    cache = make(10)
    cache.put("a", b"12345")
    cache.pin("a")
    cache.put("b", b"12345")
    cache.put("c", b"12345")
    assert "a" in cache
    assert "b" not in cache
    cache.unpin("a")
    cache.put("d", b"123456789")
    assert "a" not in cache


def test_a_pin_may_come_before_its_value() -> None:
    cache = make(10)
    cache.pin("a")
    cache.put("a", bytes(20))
    assert cache.nbytes == 20
    cache.put("b", b"1")
    assert "b" not in cache  # what is pinned takes the whole budget
    cache.unpin("a")
    assert cache.nbytes == 0


def test_the_same_key_again_replaces() -> None:
    cache = make(10)
    cache.put("a", b"1234")
    cache.put("a", b"12")
    assert cache.nbytes == 2
    cache.discard("a")
    assert (cache.nbytes, len(cache)) == (0, 0)


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["put", "get", "discard", "pin", "unpin"]), st.integers(0, 5), st.integers(0, 12)),
    max_size=60,
)


@given(ACTIONS)
def test_the_books_balance(actions: list[tuple[str, int, int]]) -> None:
    cache = make(20)
    pins = dict.fromkeys(range(6), 0)
    for action, key, size in actions:
        if action == "put":
            cache.put(key, bytes(size))
        elif action == "unpin":
            if pins[key]:
                cache.unpin(key)
                pins[key] -= 1
        else:
            getattr(cache, action)(key)
            pins[key] += action == "pin"
        held = {k: cache.get(k) for k in range(6) if k in cache}
        assert cache.nbytes == sum(len(value or b"") for value in held.values())
        free = sum(len(value or b"") for k, value in held.items() if not pins[k])
        assert free == 0 or cache.nbytes <= 20
