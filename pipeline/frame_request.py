"""One request for frames of one instance: which of them are still to come, and who waits for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.images.errors import FetchError, SplitError
from cornerstream.images.load_object import Progress
from cornerstream.images.stage import follow
from cornerstream.operators.bridge import running_tasks
from cornerstream.operators.frame_part import located_frame_number
from cornerstream.ranks import BestRank, Lane, Rank, RankCell
from cornerstream.wanted import WaitingFrames

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Sequence
    from typing import Any, Protocol

    from reactivex import Observable
    from reactivex.abc import DisposableBase

    from cornerstream.operators.parts import Part
    from cornerstream.wanted import FrameWaiter

    class Instance(Protocol):
        """The instance whose frames are asked for, as a request sees it."""

        wanted: WaitingFrames
        tasks: set[asyncio.Task[Any]] | None

        def source(self, request: FrameRequest) -> Observable[Part]:
            """The parts of the answer; `request.choose` settles what is asked for."""
            ...

        def choose(self, request: FrameRequest) -> None:
            """Give a request its frames, and those who wait for them."""
            ...

        def reranked(self, place: WaitingFrames, waiter: FrameWaiter) -> None:
            """One of those a request is for wants its frame sooner or later than before."""
            ...

        def arrived(self, request: FrameRequest, number: int, part: Part) -> None:
            """A frame is here."""
            ...

        def ended(self, request: FrameRequest, error: Exception | None) -> None:
            """A request is over; what is still missing will not come of it."""
            ...


_AHEAD = Rank(Lane.PREFETCH, float("inf"))  # of what nobody waits for yet


class FrameRequest:
    """One request. It waits with all who want a frame of the instance, and is for some of them once it is sent.

    Attributes:
        ahead: It may go without anybody who waits, for a stream that is going to.
        rank: While it waits, the best of all who want a frame; then that of those it is for.
        waiting: Those it is for.
        likely: Frames that nobody waits for yet, and a stream is going to.
        numbers: What was asked for, in that order; empty while it waits.
        missing: What has not come yet of that, in order.
        progressed: A frame has come.
    """

    def __init__(self, instance: Instance, *, ahead: bool = False) -> None:
        self._instance = instance
        self._upstream: DisposableBase | None = None
        self._last: tuple[int, Part] | None = None
        self._nameless: list[Part] = []
        self._over = False
        self.ahead = ahead
        self.rank = BestRank()
        if ahead:
            self.rank.join(RankCell(_AHEAD))
        self.rank.join(instance.wanted.rank)
        self.waiting = WaitingFrames(instance.reranked)
        self.likely: set[int] = set()
        self.numbers: Sequence[int] = ()
        self.missing: dict[int, None] = {}
        self.progressed = False

    def begin(self) -> None:
        """Start to wait for a turn."""
        if self._over:
            return
        token = running_tasks.set(self._instance.tasks)
        try:
            self._hold(follow(self._instance.source(self), self))
        except Exception as error:  # noqa: BLE001 - whatever its loader raises is for who waits
            self.on_error(error)
        finally:
            running_tasks.reset(token)

    def choose(self) -> Sequence[int]:
        """Settle what is asked for; called when the request is sent."""
        if not self.numbers:
            self._instance.choose(self)
        if not self.numbers:
            raise FetchError("nobody wants the frames any more")
        return self.numbers

    @property
    def is_idle(self) -> bool:
        """It brings nothing more that anybody wants."""
        return bool(self.missing) and not self.waiting and self.likely.isdisjoint(self.missing)

    def settle(self, numbers: Sequence[int], likely: Iterable[int]) -> None:
        """It is for these frames, and for those who wait for them."""
        self.numbers = numbers
        self.likely = set(likely)
        self.missing = dict.fromkeys(numbers)
        self.rank.leave(self._instance.wanted.rank)
        self.rank.join(self.waiting.rank)

    def give_up(self) -> None:
        """Cancel it since nobody wants it any more."""
        self.rank.abandon()
        self.cancel()

    def cancel(self) -> None:
        """Close the socket, or give the place in the line back; nothing comes of it any more."""
        self._over = True
        self._last = None
        self._nameless.clear()
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.dispose()

    def progress(self, progress: Progress) -> None:
        """Tell the one it is for of bytes; of several each hears when its own are here."""
        if len(self.numbers) == 1:
            for waiter in [waiter for waiters in self.waiting.frames.values() for waiter in waiters]:
                waiter.on_progress(progress)

    def on_next(self, part: Part) -> None:
        """Take the next part of the answer."""
        if self._over:
            return
        number = located_frame_number(part)
        if self._last is not None or len(self._nameless) == len(self.missing):
            self.on_error(SplitError(f"the answer has several parts where {self._asked()} asked for"))
        elif number is None:
            # Only its place says which frame it is, and a server that leaves one out would move all behind it.
            self._nameless.append(part)
        elif number not in self.missing:
            self.on_error(
                SplitError(f"a part says that it is frame {number}, which was not asked for or has come already")
            )
        elif len(self.missing) == 1:
            self._last = number, part  # until it is proven that no further one follows
        else:
            self._arrived(number, part)

    def on_completed(self) -> None:
        """The answer is complete, and what it held back is proven."""
        last, self._last = self._last, None
        if last is not None:
            self._arrived(*last)
        if len(self._nameless) == len(self.missing):
            for number, part in zip(tuple(self.missing), tuple(self._nameless), strict=True):
                if not self._over:  # one who hears of a frame may cancel the rest
                    self._arrived(number, part)
            self._nameless.clear()
        if self._over:
            return
        if self.missing:
            absent = len(self.missing) - len(self._nameless)
            self.on_error(SplitError(f"{absent} parts are missing where {self._asked()} asked for"))
        else:
            self._end(None)

    def _hold(self, upstream: DisposableBase) -> None:
        if self._over:
            upstream.dispose()  # it ended before this was there to be disposed
        else:
            self._upstream = upstream

    def _arrived(self, number: int, part: Part) -> None:
        del self.missing[number]
        self.progressed = True
        if len(self.numbers) > 1:
            for waiter in self.waiting.frames.get(number, ()):
                waiter.on_progress(Progress(len(part.data), len(part.data)))
        self._instance.arrived(self, number, part)

    def on_error(self, error: Exception) -> None:
        """The answer broke, or was no answer."""
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        if not self._over:
            self.cancel()
            self._instance.ended(self, error)
            self.rank.abandon()  # else it and that of those who waited hold each other

    def _asked(self) -> str:
        return "one frame was" if len(self.numbers) == 1 else f"{len(self.numbers)} frames were"
