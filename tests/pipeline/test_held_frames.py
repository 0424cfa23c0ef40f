"""Frames that a download holds: within what files may take, and counted in the one budget."""

from __future__ import annotations

from typing import Any

from cornerstream.budget import Budget, HeldBytes
from cornerstream.cache import ByteCache
from cornerstream.file_rules import FileRules
from cornerstream.held_frames import HeldFrames
from cornerstream.images.frames import EncodedFrame
from cornerstream.images.limits import DEFAULT_LIMITS
from tests.support.frames import metadata


def frame_of(number: int, nbytes: int) -> EncodedFrame:
    return EncodedFrame(metadata(frame_number=number), bytes(nbytes))


def rules_of(total: int, share: float) -> FileRules:
    """Of a session that has so many bytes, and lets files count on a share of them."""
    budget, held = Budget(total), HeldBytes()
    budget.join(held)
    kept: ByteCache[Any] = ByteCache(budget, lambda value: value, share=share)

    def never(*_: object) -> Any:
        raise AssertionError

    return FileRules(kept, held, DEFAULT_LIMITS, never, (), never)


def test_what_is_held_counts_in_the_budget_until_it_is_not() -> None:
    rules = rules_of(1000, 0.5)
    held, other = HeldFrames(rules), HeldFrames(rules)
    for number in (2, 1, 3):
        held.add(frame_of(number, 100))
    other.add(frame_of(1, 50))
    assert (held.nbytes, rules.held.nbytes, rules.kept.shared.nbytes) == (300, 350, 350)
    assert (held.numbers(), 1 in held, 4 in held, held.get(4)) == ((2, 1, 3), True, False, None)
    held.drop(1)
    assert (1 in held, held.nbytes, rules.held.nbytes) == (False, 200, 250)
    assert list(held.release()) == [2, 3]
    assert (held.numbers(), held.nbytes, rules.held.nbytes) == ((), 0, 50)
    assert held.release() == {}


def test_no_more_fits_than_files_may_take() -> None:
    rules = rules_of(1000, 0.25)
    held = HeldFrames(rules)
    assert held.fits(250)
    assert not held.fits(251)
    held.add(frame_of(1, 200))
    assert held.fits(50)
    assert not held.fits(51)


def test_what_is_kept_leaves_for_what_is_held_and_what_others_hold_does_not() -> None:
    rules = rules_of(1000, 0.5)
    rules.kept.put("a file", 900)
    held, other = HeldFrames(rules), HeldFrames(rules)
    assert other.fits(100)
    assert "a file" in rules.kept
    other.add(frame_of(1, 100))
    assert held.fits(500)
    assert "a file" not in rules.kept
    held.add(frame_of(1, 500))
    other.add(frame_of(2, 350))
    assert not other.fits(51)  # within its share, but the budget is full of what nobody can let go
