"""Wheel: one direction, 15 indexes a second; how many are there already when the wheel gets to them."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.common import OURS, Verdict
from benchmarks.observed import LINK
from benchmarks.viewer import Viewed, viewed
from cornerstream.scroll import Scroll

if TYPE_CHECKING:
    from benchmarks.common import Bench
    from cornerstream.policies import PrefetchPolicy, Situation

TITLE = "scrolling one way at 15 indexes a second"
BAR = 95.0
MOVES_PER_SECOND = 15
MOVES = 240
FIRST_SECOND = 15


def run(bench: Bench) -> None:
    """Ours, and the same scroll without prefetch."""
    with viewed(bench) as one:
        moves = min(MOVES, one.phantom.frames)
        ours = asyncio.run(_scroll(one, moves, None))
        alone = asyncio.run(_scroll(one, moves, only_the_index)) if not bench.quick else ours
    first = FIRST_SECOND if not bench.quick else 1
    shares = {OURS: [_share(ours[first:])], "cornerstream, without prefetch": [_share(alone[first:])]}
    bench.table(f"cache hits after the first second; {LINK}", shares, "%", 1, f"{moves} moves")
    bench.verdicts("wheel", [Verdict("indexes that were there already", shares[OURS][0], BAR, "%", at_least=True)])


def only_the_index(situation: Situation) -> list[int]:
    """A policy without neighbours."""
    return [situation.position]


def _share(hits: list[bool]) -> float:
    return 100 * sum(hits) / len(hits)


async def _scroll(one: Viewed, moves: int, policy: PrefetchPolicy | None) -> list[bool]:
    """Whether the image was in the cache at each move."""
    async with one.session(one.phantom.frames - 1) as (session, series):
        scroll = session.scroll(series, policy=policy) if policy else session.scroll(series)
        assert isinstance(scroll, Scroll)
        hits: list[bool] = []
        begin = perf_counter()
        for index in range(moves):
            await asyncio.sleep(begin + index / MOVES_PER_SECOND - perf_counter())
            hits.append(session.cached(series[index]))
            scroll.to(index)
        return hits
