"""The demonstration's scroll storm: a wheel that turns faster than images come."""

from __future__ import annotations

import asyncio
import random
from time import perf_counter
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from cornerstream.cli.console import progress_console
from cornerstream.cli.demo_figures import Act, Loads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cornerstream.cli.demo_figures import Streamed
    from cornerstream.images.image import Image
    from cornerstream.scroll import Scroll
    from cornerstream.session import Session

_MOVES_PER_SECOND = 30
_SETTLE_SECONDS = 20.0
_TRACK = 48  # characters of the line that shows where the scroll is


async def scroll_storm(session: Session, streamed: Streamed, seconds: float) -> Act:
    """Turn the wheel as fast as a hand does, with jumps, and wait for the image of the last index."""
    series = streamed.series
    before = session.stats()
    watcher = _Watcher(len(series))
    with session.scroll(series) as scroll, _live() as live:
        scroll.images.subscribe(watcher.on_image, watcher.on_error)
        scroll.errors.subscribe(watcher.on_error)
        moves = list(_moves(len(series), max(1, int(seconds * _MOVES_PER_SECOND))))
        for index in moves:
            watcher.asked(scroll, index)
            live.update(watcher.line(scroll))
            await asyncio.sleep(1 / _MOVES_PER_SECOND)
        complete = await watcher.settle()
        live.update(watcher.line(scroll))
    loads = Loads.between(before, session.stats(), streamed.bytes_per_image)
    return Act("scroll storm", len(moves), loads, watcher.waited, complete and not loads.errors, watcher.shown)


class _Watcher:
    """Who sits before the scroll: what was asked for, what is shown.

    Args:
        count: Images of the series.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._asked_at = 0.0
        self._index = 0
        self._on_screen: int | None = None
        self._settled = asyncio.Event()
        self._failed = False
        self.shown = 0
        self.waited = 0.0

    def asked(self, scroll: Scroll, index: int) -> None:
        """Turn the wheel to an index."""
        self._index, self._asked_at = index, perf_counter()
        self._settled.clear()
        scroll.to(index)

    def on_image(self, _: Image) -> None:
        """The image of the index asked for last."""
        self._on_screen = self._index
        self.waited = perf_counter() - self._asked_at
        self.shown += 1
        self._settled.set()

    def on_error(self, _: Exception) -> None:
        """It failed."""
        self._failed = True
        self._settled.set()

    async def settle(self) -> bool:
        """Wait for the image of the last index; whether all went well."""
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                await self._settled.wait()
        except TimeoutError:
            return False
        return not self._failed and self._on_screen == self._index

    def line(self, scroll: Scroll) -> Text:
        """Where the scroll is."""
        track = ["─"] * _TRACK
        if self._on_screen is not None:
            track[self._on_screen * _TRACK // self._count] = "●"
        track[self._index * _TRACK // self._count] = "◆" if self._on_screen == self._index else "○"
        shown = "none" if self._on_screen is None else str(self._on_screen + 1)
        return Text(
            f"scroll {''.join(track)} asked {self._index + 1:>3} · shown {shown:>4} · "
            f"{scroll.running:>2} loading · {scroll.cancelled} cancelled",
            no_wrap=True,
        )


def _live() -> Live:
    console = progress_console()
    if not console.is_terminal:
        console.quiet = True
    return Live(Text(""), console=console, refresh_per_second=_MOVES_PER_SECOND)


def _moves(count: int, moves: int) -> Iterator[int]:
    """A hand on a wheel: a few steps one way, a few the other, and now and then a jump; the same every time."""
    dice = random.Random(7)  # noqa: S311 - nothing secret
    position, step = count // 4, 1
    for move in range(moves):
        if move % 17 == 16:
            position = dice.randrange(count)
        elif move % 11 == 10:
            step = -step
        position = min(count - 1, max(0, position + step * dice.choice((1, 1, 2, 3))))
        if position in {0, count - 1}:
            step = -step
        yield position
