"""Ranks of what is given up: kept as they were, since nobody waits for them."""

from __future__ import annotations

from cornerstream.ranks import LAST, BestRank, Lane, Rank, RankCell
from cornerstream.traces import Trace


def test_what_is_abandoned_keeps_its_rank_and_hears_of_nobody() -> None:
    best, heard = BestRank(), list[Rank]()
    near, far = BestRank(), RankCell(Rank(Lane.PREFETCH, 5))
    near.join(RankCell(Rank(Lane.PREFETCH, 1)))
    for cell in (near, far, far):
        best.join(cell)
    best.watch(lambda: heard.append(best.value))
    best.abandon()
    far.change(Rank(Lane.INTERACTION))
    for cell in (near, far, far):
        best.leave(cell)
    assert best.value == Rank(Lane.PREFETCH, 1)
    assert heard == []
    assert not list(near.trace.loads())


def test_an_abandoned_load_is_no_longer_worked_for() -> None:
    fetch, load = BestRank(), BestRank()
    load.trace = Trace()
    fetch.join(load)
    assert list(fetch.trace._waited_by) == [load.trace]
    fetch.abandon()
    assert not fetch.trace._waited_by
    assert not load.trace._waits_for


def test_the_last_one_who_leaves_lets_the_rank_fall() -> None:
    best, cell = BestRank(), RankCell(Rank(Lane.THUMBNAIL))
    best.join(cell)
    best.leave(cell)
    assert best.value == LAST
