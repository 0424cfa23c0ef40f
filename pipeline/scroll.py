"""Scrolling: the latest index wins, and what is no longer near is cancelled."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Self

from reactivex.disposable import Disposable, SerialDisposable
from reactivex.scheduler.eventloop import AsyncIOScheduler
from reactivex.subject import Subject

from cornerstream.cine import Cine
from cornerstream.outlook import FIRST_OF_ALL, Outlook
from cornerstream.policies import Directional
from cornerstream.thrift import Thrift
from cornerstream.travel import Travel
from cornerstream.turns import Turns
from cornerstream.wishes import WishList

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from reactivex import Observable
    from reactivex.abc import SchedulerBase

    from cornerstream.cache import ByteCache
    from cornerstream.cine import Drop
    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.load import Load
    from cornerstream.loop_host import LoopHost
    from cornerstream.outlook import Wishes
    from cornerstream.policies import PrefetchPolicy
    from cornerstream.ranks import Rank
    from cornerstream.series import Series
    from cornerstream.wishes import WishBoard

GRACE = 2  # dropped loads of one scroll that may finish
SETTLE_SECONDS = 0.15  # without a move, and the neighbours are worth loading
_LINGER = 1.25  # intervals: a wheel that is so late for its next move has stopped


class Scroll(Disposable):
    """One viewport on one series.

    `to(index)` asks for an index: its load goes first, its neighbours follow by the policy, everything else of this
    scroll is disposed, except for what is nearly there. `images` emits the image of the index asked for last, and never
    one for an earlier index. That image stays in the cache while it is shown.

    While the wheel jumps nothing else is loaded, until it rests or goes one way; while it goes faster than a load takes,
    only what can be there in time, and no more of that than earlier bets have paid for.

    Args:
        series: What is scrolled through.
        host: The session's loop.
        load: Makes a load at a rank.
        cache: The session's images.
        board: The wishes of all the session's viewports; its budget bounds the neighbours.
        policy: Which neighbours to keep near; `Directional` by default.
        scheduler: The clock; the loop's by default.
    """

    def __init__(
        self,
        series: Series,
        host: LoopHost,
        load: Callable[[ImageId, Rank], Load],
        cache: ByteCache[Image],
        board: WishBoard,
        policy: PrefetchPolicy | None = None,
        scheduler: SchedulerBase | None = None,
    ) -> None:
        super().__init__(lambda: host.call(self._close))
        self.series = series
        self._host = host
        self._cache = cache
        self._scheduler = scheduler or AsyncIOScheduler(host.loop)
        self._wishes = WishList(
            series.image_ids,
            load,
            board,
            self,
            size=lambda _: series.image_bytes,
            grace=GRACE,
            worth_finishing=lambda index: index not in self._thrift.bets,
        )
        self._thrift = Thrift(self._now)
        self._outlook = Outlook(
            series, policy or Directional(), cache, lambda: board.budget, self._thrift, self._loading
        )
        self._images: Subject[Image] = Subject()
        self._errors: Subject[Exception] = Subject()
        self._travel: Travel | None = None
        self._timer = SerialDisposable()
        self._cine: Cine | None = None
        self._index: int | None = None
        self._turns = Turns(self._go)

    def __enter__(self) -> Self:
        return self

    @property
    def images(self) -> Observable[Image]:
        """The images to show, on the session's loop; completes when the scroll is disposed."""
        return self._images

    @property
    def errors(self) -> Observable[Exception]:
        """Failures of the index asked for last; `images` goes on after them."""
        return self._errors

    @property
    def index(self) -> int | None:
        """The index asked for last, from 0."""
        return self._index

    @property
    def running(self) -> int:
        """Loads of this scroll in flight, those in grace included."""
        return len(self._wishes) + len(self._wishes.in_grace)

    @property
    def cancelled(self) -> int:
        """Loads of this scroll that were disposed before they ended."""
        return self._wishes.cancelled

    @property
    def playing(self) -> bool:
        """`play` moves it on."""
        return self._cine is not None

    def to(self, index: int) -> None:
        """Ask for an index, from 0; may be called from any thread, as often as the wheel turns.

        While it plays, it goes on from there.

        Raises:
            IndexError: The series has no such index.
        """
        if not 0 <= index < len(self.series):
            raise IndexError(f"index {index} of a series of {len(self.series)} images")
        self._host.call(self._to, index)

    def play(self, fps: float, *, loop: bool = True, drop: Drop = "late") -> None:
        """Move on by itself, from the index asked for last; called again, at another pace.

        Args:
            fps: Images a second.
            loop: Begin again behind the last image.
            drop: `late`: keep the pace, an image that is not there in time is not shown. `never`: show every image, and
                wait for it.

        Raises:
            ValueError: Images a second are not more than 0, there is no such `drop`, or the series is empty.
        """
        if not fps > 0 or drop not in ("late", "never") or not len(self.series):
            raise ValueError(f"play({fps}, drop={drop!r}) of {len(self.series)} images: fps > 0, drop late or never")
        self._host.call(partial(self._play, fps, drop, loop=loop))

    def pause(self) -> None:
        """Stop playing at the index shown."""
        self._host.call(self._pause)

    # What its wish list tells

    def on_image(self, index: int, image: Image) -> None:
        """Show the image if it is the one asked for last."""
        if index == self._index and not self.is_disposed:
            self._thrift.show(index)
            with self._turns.telling():
                self._images.on_next(image)

    def on_bytes(self, index: int, nbytes: int) -> None:
        """Count bytes."""
        self._thrift.came(index, nbytes)

    def on_begin(self, index: int) -> None:
        """Time a load."""
        self._thrift.began(index)

    def on_end(self, index: int, error: Exception | None) -> None:
        """Tell of a failure of the index asked for last."""
        self._thrift.ended(index, error)
        if index != self._index or self.is_disposed:
            return
        if error is not None:
            with self._turns.telling():
                self._errors.on_next(error)
        if self._cine is not None:
            self._cine.shown()

    def on_idle(self) -> None:
        """Nothing waits for that."""

    # Moves

    def _to(self, index: int) -> None:
        if self._cine is not None:
            self._cine.jump(index)
        self._turns.ask(index)

    def _go(self, index: int) -> None:
        if self.is_disposed:
            return
        now = self._now()
        self._travel = travel = Travel(index, now) if self._travel is None else self._travel.to(index, now)
        self._show(index)
        self._wishes.renew(index)
        wishes = self._outlook.playing(travel, self._cine) if self._cine else self._outlook.on_the_way(travel)
        self._carry_out(wishes, travel)

    def _carry_out(self, wishes: Wishes, travel: Travel) -> None:
        """Wish for what may begin now, and later for the rest; when the wheel does not turn on, it may have stopped."""
        if wishes.delays:
            seconds = min(wishes.delays.values())
            self._later(seconds, partial(self._carry_out, wishes.after(seconds), travel))
        elif self._cine is None:
            late = travel.at + _LINGER * travel.interval - self._now()
            self._later(*((late, self._linger) if wishes.passing else (SETTLE_SECONDS, self._settle)))
        self._wish(wishes)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self._timer.disposable = self._scheduler.schedule_relative(max(0.0, seconds), lambda *_: action())

    def _linger(self) -> None:
        """The wheel has stopped, so it seems: its index first."""
        self._later(SETTLE_SECONDS, self._settle)
        if self._index is not None:
            self._wishes.rank(self._index, FIRST_OF_ALL)

    def _settle(self) -> None:
        """The wheel rests: its neighbours."""
        if self._travel is not None and not self.is_disposed:
            self._wish(self._outlook.at_rest(self._travel))

    def _wish(self, wishes: Wishes) -> None:
        if wishes.passing and self._cine is None:
            self._thrift.bet(index for index in wishes.indexes[1:] if index not in self._wishes.running)
        self._thrift.wish(frozenset(wishes.indexes))
        self._wishes.wish(wishes.ranks().items())

    def _loading(self) -> tuple[frozenset[int], AbstractSet[int]]:
        return frozenset(self._wishes.running), self._wishes.arriving

    def _show(self, index: int | None) -> None:
        """What is shown cannot be evicted; what is shown no longer can."""
        before, self._index = self._index, index
        self._cache.look(self, self.series.image_ids, index)
        if index is not None:
            self._cache.pin(self.series[index])
        if before is not None:
            self._cache.unpin(self.series[before])

    # Cine

    def _play(self, fps: float, drop: Drop, *, loop: bool) -> None:
        if self.is_disposed:
            return
        self._stop()
        self._timer.disposable = Disposable()
        first = self._index or 0
        self._cine = Cine(
            self._scheduler,
            self._turns.ask,
            self._pause,
            count=len(self.series),
            first=first,
            fps=fps,
            loop=loop,
            drop=drop,
        )
        self._cine.start()

    def _pause(self) -> None:
        if self._cine is not None:
            self._stop()
            self._settle()

    def _stop(self) -> None:
        cine, self._cine = self._cine, None
        if cine is not None:
            cine.stop()

    def _now(self) -> float:
        return self._scheduler.to_seconds(self._scheduler.now)

    def _close(self) -> None:
        self._stop()
        self._timer.dispose()
        self._wishes.clear()
        self._show(None)
        self._images.on_completed()
        self._errors.on_completed()
