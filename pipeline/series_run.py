"""The retrieval of one series: whatever of it comes, in whichever order, until nobody wants more of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import reactivex as rx
from reactivex.disposable import SingleAssignmentDisposable

from cornerstream.images.errors import SplitError
from cornerstream.operators.bridge import running_tasks
from cornerstream.ranks import BestRank, Rank, RankCell
from cornerstream.waiting import hand_over

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any, Protocol

    from reactivex import Observable

    from cornerstream.events import Recorder
    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.load_object import Progress
    from cornerstream.loaders.context import LoadContext
    from cornerstream.operators.split_instances import RetrievedInstance
    from cornerstream.ranks import Lane

    Retrieve = Callable[[LoadContext], Observable[RetrievedInstance]]

    class Owner(Protocol):
        """The series, as its retrieval sees it."""

        def arrived(self, run: SeriesRun, uid: str, frame: EncodedFrame, nbytes: int) -> None:
            """An instance is here."""
            ...

        def ended(self, run: SeriesRun, error: Exception | None) -> None:
            """The retrieval is over; what has not come will not."""
            ...


class SeriesRun:
    """One retrieval.

    Args:
        series: Whose it is.
        lane: Of whoever is going to want the images.
        allowance: Bytes that may come in vain.
        recorder: Hears of bytes in vain.

    Attributes:
        rank: The best of those who wait, or at the end of its lane.
        seen: The instances that have come, by SOP Instance UID.
    """

    def __init__(self, series: Owner, lane: Lane, allowance: float, recorder: Recorder | None) -> None:
        self._series = series
        self._allowance = allowance
        self._recorder = recorder
        self._upstream = SingleAssignmentDisposable()
        self._over = False
        self.rank = BestRank()
        self.rank.join(RankCell(Rank(lane, float("inf"))))
        self.seen: set[str] = set()

    def start(
        self,
        retrieve: Retrieve,
        context: Callable[[RankCell, Callable[[Progress], None]], LoadContext],
        tasks: set[asyncio.Task[Any]] | None,
    ) -> None:
        """Stand in line for it; its tasks are held by the session."""
        token = running_tasks.set(tasks)
        try:
            source = rx.defer(lambda _: retrieve(context(self.rank, _unheard)))
            self._upstream.disposable = source.subscribe(self._on_next, self._end, self._on_completed)
        finally:
            running_tasks.reset(token)

    def carry(self, rank: RankCell) -> None:
        """One more waits for it; it is under way, so that no more than its lane is theirs to say."""
        if rank.value.lane < self.rank.value.lane:
            self.rank.join(rank)
        elif rank.trace is not None:
            rank.trace.follow(self.rank.trace)

    def drop(self, rank: RankCell) -> None:
        """One waits no more, whether it was carried or waited for the request to be sent."""
        self.rank.leave(rank)
        if rank.trace is not None:
            rank.trace.unfollow(self.rank.trace)

    def cancel(self) -> None:
        """Close the socket, or give the place in the line back; nothing comes of it any more."""
        if not self._over:
            self._over = True
            if self._recorder is not None:
                self._recorder.given_up(self.rank.trace)
            self._upstream.dispose()

    def in_vain(self, nbytes: int) -> None:
        """Bytes came that nobody wants; too many of them end it."""
        hand_over(self.rank, nbytes, None, None)
        if self._recorder is not None:
            self._recorder.in_vain(nbytes)
        self._allowance -= nbytes
        if self._allowance < 0 and not self._over:
            self._end(SplitError("the answer to a series retrieval holds more of what nobody wants than of the series"))

    def _on_next(self, instance: RetrievedInstance) -> None:
        if self._over:
            return
        frame = instance.frame
        uid = "" if frame is None else frame.metadata.sop_instance_uid
        if frame is None or not uid or uid in self.seen:
            self.in_vain(instance.nbytes)
        else:
            self.seen.add(uid)
            self._series.arrived(self, uid, frame, instance.nbytes)

    def _on_completed(self) -> None:
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        if self._over:
            return
        if error is None:
            self._over = True
            self._upstream.dispose()  # it has ended; its observer holds this run
        else:
            self.cancel()
        self._series.ended(self, error)


def _unheard(_: Progress) -> None:
    """Those who wait hear of bytes when their own image is here."""
