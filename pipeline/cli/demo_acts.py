"""What the demonstration does with its study: stream it, scroll through it, prefetch and change its mind."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from cornerstream.cli.console import progress_console
from cornerstream.cli.progress import image_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cornerstream.cli.gallery import Gallery
    from cornerstream.images.image import Image
    from cornerstream.scroll import Scroll
    from cornerstream.series import Series
    from cornerstream.session import Session
    from cornerstream.stats import SessionStats

_MOVES_PER_SECOND = 30
_SETTLE_SECONDS = 20.0
_TRACK = 48  # characters of the line that shows where the scroll is


@dataclass(slots=True)
class Streamed:
    """A series that streamed past.

    Attributes:
        first_image: Seconds from asking for the series to its first image.
        nbytes: Bytes of pixels.
    """

    series: Series
    sop_instance_uids: list[str] = field(default_factory=list)
    seconds: float = 0.0
    first_image: float = 0.0
    received: int = 0
    nbytes: int = 0

    @property
    def images(self) -> int:
        """Images that came."""
        return len(self.sop_instance_uids)

    @property
    def bytes_per_image(self) -> float:
        """Mean of the bytes received for one."""
        return self.received / max(1, self.images)


@dataclass(frozen=True, slots=True)
class Act:
    """What became of the loads of a scroll storm or of a prefetch.

    Attributes:
        shown: Images of the scroll's last index, each shown while it was still wanted.
        settled: Seconds from the last wish to what ended the act: the image shown, or nothing being loaded any more.
        unsent: Bytes that were never asked for or never answered, estimated from the mean size of the series' images.
    """

    name: str
    wishes: int
    images: int
    cancelled: int
    shown: int
    settled: float
    spared: int
    unsent: float
    complete: bool


async def stream_series(session: Session, series: Series, gallery: Gallery, number: int) -> Streamed:
    """Stream a series in order, with a bar.

    Raises:
        ImageLoadError: An image failed.
    """
    streamed = Streamed(series)
    before, begun = session.stats().bytes_received, perf_counter()
    with image_progress(series.series_description, len(series), session, streamed) as advance:
        async for image in session.stream(series):
            streamed.first_image = streamed.first_image or perf_counter() - begun
            gallery.look(image, streamed.images, len(series), number)
            streamed.nbytes += image.nbytes
            streamed.sop_instance_uids.append(image.sop_instance_uid)
            advance()
    streamed.seconds = perf_counter() - begun
    streamed.received = session.stats().bytes_received - before
    return streamed


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
    return _act("scroll storm", session.stats(), before, streamed, len(moves), watcher.shown, watcher.waited, complete)


async def prefetch_halfway(session: Session, streamed: Streamed) -> Act:
    """Prefetch a whole series from its middle, and cancel it when half of it is there."""
    series = streamed.series
    before = session.stats()
    with image_progress("prefetch", len(series), session, streamed) as advance:
        prefetch = session.prefetch(series, around=len(series) // 2)
        told = 0
        while (there := prefetch.total - prefetch.remaining) < prefetch.total // 2:
            for _ in range(told, there):
                advance()
            told = there
            await asyncio.sleep(0.005)
        prefetch.dispose()
        begun = perf_counter()
        while _is_busy(session.stats()):  # noqa: ASYNC110 - the figures are read, nothing rings when they change
            await asyncio.sleep(0.0005)
        settled = perf_counter() - begun
    complete = not prefetch.failures and prefetch.total == len(series)
    return _act("prefetch", session.stats(), before, streamed, prefetch.total, 0, settled, complete)


def _is_busy(stats: SessionStats) -> bool:
    """Responses are open, or decoders at work: those that run when they are cancelled come to their end."""
    return bool(stats.running or stats.open_requests or stats.busy_workers or stats.queued_work)


def _act(  # noqa: PLR0913, PLR0917 - the figures of one act
    name: str,
    now: SessionStats,
    before: SessionStats,
    streamed: Streamed,
    wishes: int,
    shown: int,
    settled: float,
    complete: bool,  # noqa: FBT001
) -> Act:
    images, cancelled = now.images - before.images, now.cancelled - before.cancelled
    spared = now.bytes_spared - before.bytes_spared
    received = now.bytes_received - before.bytes_received
    unsent = max(0.0, (images + cancelled) * streamed.bytes_per_image - received - spared)
    complete = complete and now.errors == before.errors
    return Act(name, wishes, images, cancelled, shown, settled, spared, unsent, complete)


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
