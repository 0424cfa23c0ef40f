"""A load that waits for an image of a series."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from cornerstream.traces import Stage
from cornerstream.waiting import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable
    from reactivex.disposable import SerialDisposable

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.load_object import Progress
    from cornerstream.images.subscriptions import Observer
    from cornerstream.ranks import RankCell


class SeriesWaiter(Waiter[Any]):
    """One load that waits for an image of a series.

    Attributes:
        uid: The SOP Instance UID.
        otherwise: Where to have its frame without a retrieval; `None` for one that asks its loader then.
        own: Its own request; `None` while it waits for the retrieval.
        reranked: Hears of changes of its rank.
    """

    __slots__ = ("_begun", "otherwise", "own", "reranked", "uid")

    def __init__(
        self,
        observer: Observer[Any],
        rank: RankCell,
        on_progress: Callable[[Progress], None],
        uid: str,
        otherwise: Observable[EncodedFrame] | None,
    ) -> None:
        super().__init__(observer, rank, on_progress)
        self.uid = uid
        self.otherwise = otherwise
        self.own: SerialDisposable | None = None
        self.reranked: Callable[[], None] | None = None
        self._begun = perf_counter()

    @property
    def is_sent(self) -> bool:
        """Its own request is under way."""
        trace = self.rank.trace
        return self.own is not None and trace is not None and trace.stage not in {Stage.ELSEWHERE, Stage.NETWORK_QUEUE}

    def receive(self, frame: EncodedFrame) -> None:
        """Its image is here."""
        self.succeed(self.timed(frame))

    def timed(self, frame: EncodedFrame) -> EncodedFrame:
        """The frame, which took as long as it was waited for."""
        return frame.timed({"fetch": perf_counter() - self._begun})
