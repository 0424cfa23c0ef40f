"""The images of one series that are wanted: whether they come by requests of their own, or all in one answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reactivex import Observer
from reactivex.disposable import SerialDisposable

from cornerstream.images.load_object import Progress
from cornerstream.images.stage import follow
from cornerstream.operators.bridge import running_tasks
from cornerstream.ranks import Lane
from cornerstream.retrieval_plan import is_faster_as_series
from cornerstream.series_ride import Ride
from cornerstream.series_run import SeriesRun
from cornerstream.waiting import hand_over
from cornerstream.wanted import urgent

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.ranks import Rank
    from cornerstream.series_rules import SeriesKey, SeriesRules
    from cornerstream.series_run import Retrieve
    from cornerstream.series_waiter import SeriesWaiter

_ALONE = 2  # images that do not wait for the server's order when a retrieval starts
_MEASURED = 8  # images by requests of their own after which it is measured how fast they come
_AGAIN = 16  # images asked for after which it is looked at once more whether one should


class SeriesFrames:
    """The images of one series that are wanted. Touched on the loop only.

    Args:
        rules: What holds for all series.
        key: Scheme and address of the series.
        forget: Lets go of this when nothing of it is wanted any more.
    """

    def __init__(self, rules: SeriesRules, key: SeriesKey, forget: Callable[[], object]) -> None:
        self._rules = rules
        self._key = key
        self._origin = urlsplit(key[1])[:2]
        self._forget = forget
        self._tasks = running_tasks.get()
        self._waiting: dict[str, list[SeriesWaiter]] = {}
        self._held: dict[str, tuple[int, int]] = {}  # memory, and bytes that came for it
        self._run: SeriesRun | None = None
        self._retrieve: Retrieve | None = None
        self._due = False
        self._patience = 0
        self._begun = rules.clock()
        self._counted = 0  # bytes that had come when it was measured last
        self._came = (0, 0)  # images by requests of their own, and their bytes

    def join(self, waiter: SeriesWaiter, retrieve: Retrieve) -> None:
        """Answer with a frame that is here, wait for the retrieval, or let the image have its own request."""
        self._retrieve = retrieve
        if not self.board(waiter):
            self._wait(waiter)
            waiter.own = SerialDisposable()
            self._go_alone(waiter, waiter.own)
            self._consider()

    def brings(self, uid: str, rank: Rank) -> bool:
        """An image is here, unless it had to make room for others; or it comes with the retrieval, and soon enough."""
        return uid in self._held or (self._run is not None and uid not in self._run.seen and not urgent(rank))

    def board(self, waiter: SeriesWaiter) -> bool:
        """Answer with a frame that is here, or wait for the retrieval; false where neither is to be had."""
        frame, nbytes = self._take(waiter.uid)
        if frame is not None:
            hand_over(None, nbytes, waiter.rank, self._rules.recorder)
            waiter.receive(frame)
            self._tidy()
            return True
        if self._run is None or not self.brings(waiter.uid, waiter.rank.value):
            return False
        self._wait(waiter)
        self._run.carry(waiter.rank)
        return True

    def _wait(self, waiter: SeriesWaiter) -> None:
        self._waiting.setdefault(waiter.uid, []).append(waiter)
        waiter.reranked = lambda: self._on_rank(waiter)
        waiter.rank.watch(waiter.reranked)

    def leave(self, waiter: SeriesWaiter) -> None:
        """The last one who leaves cancels the retrieval."""
        if self._waits(waiter):
            self._remove(waiter)
            self._tidy()

    def clear(self) -> None:
        """Cancel everything."""
        self._waiting.clear()
        if self._run is not None:
            self._run.cancel()
        for uid in tuple(self._held):
            self._take(uid)

    def drop_unannounced(self) -> None:
        """Let go of what came early and nobody is going to want."""
        for uid in self._held.keys() - set(self._rules.later(self._key)):
            _, nbytes = self._take(uid)
            if self._rules.recorder is not None:
                self._rules.recorder.in_vain(nbytes)
        self._tidy()

    def _tidy(self) -> None:
        """End a retrieval that brings nothing more that anybody wants, and what is empty."""
        if self._run is not None and not self._is_useful(self._run):
            self._run.cancel()
            self._run = None
        if not (self._waiting or self._held or self._run):
            self._forget()

    # What a retrieval tells.

    def arrived(self, run: SeriesRun, uid: str, frame: EncodedFrame, nbytes: int) -> None:
        """Hand an image to all who wait for it; keep one that a stream will want."""
        waiters = [waiter for waiter in self._waiting.get(uid, ()) if not waiter.is_sent]
        if waiters:
            hand_over(run.rank, nbytes, waiters[0].rank, self._rules.recorder)
            for waiter in waiters:
                self._remove(waiter)
            for waiter in waiters:
                waiter.on_progress(Progress(nbytes, nbytes))
                waiter.receive(frame)
        elif uid in self._waiting or not self._hold(run, uid, frame, nbytes):
            run.in_vain(nbytes)
        if self._run is run and self._rules.held > self._rules.room:
            self._rules.refused.add(self._origin)  # in its order, too much comes before what a stream waits for
            run.cancel()
            self.ended(run, None)
        else:
            self._tidy()

    def ended(self, run: SeriesRun, error: Exception | None) -> None:
        """What has not come goes by requests of its own."""
        if self._run is not run:
            return
        self._run = None
        left = [waiter for waiters in self._waiting.values() for waiter in waiters if waiter.own is None]
        if error is not None:
            self._rules.refused.add(self._origin)
        elif left or not run.seen.issuperset(self._rules.later(self._key)):
            self._rules.refused.add(self._key)
        for waiter in left:
            self._leave_run(run, waiter)
        self._tidy()

    # Who comes how.

    def _consider(self) -> None:
        """Look at the whole once all who begin in this turn are here."""
        self._patience -= 1
        due = self._run is None and not self._due and self._patience < 0
        if due and self._rules.knows_enough(self._key, self._origin):
            self._due = True
            asyncio.get_running_loop().call_soon(self._decide)

    def _decide(self) -> None:
        self._due = False
        self._patience = _AGAIN
        waiting = [waiter for waiters in self._waiting.values() for waiter in waiters if not urgent(waiter.rank.value)]
        unsent = sorted((one for one in waiting if not one.is_sent), key=lambda one: one.rank.value)
        if self._run is not None or self._retrieve is None or not waiting:
            return
        missing = len({waiter.uid for waiter in unsent}.union(set(self._rules.later(self._key)) - self._waiting.keys()))
        count, nbytes = self._came
        case = self._rules.case(self._key, self._origin, missing, nbytes / count if count else 0.0)
        if not case.image_bytes:
            self._patience = 0  # the first of them will tell
        elif is_faster_as_series(case):
            sent = len(waiting) - len(unsent)
            self._begin(self._retrieve, unsent[max(0, _ALONE - sent) :], case.total * case.image_bytes)

    def _begin(self, retrieve: Retrieve, waiters: list[SeriesWaiter], allowance: float) -> None:
        lane = min((upcoming.lane for upcoming, _ in self._rules.announced(self._key)), default=Lane.PREFETCH)
        run = self._run = SeriesRun(self, max(lane, Lane.PREFETCH), allowance, self._rules.recorder)
        for waiter in waiters:
            own, waiter.own = waiter.own, None
            run.rank.join(waiter.rank)
            if own is not None:
                own.dispose()
        run.start(retrieve, self._rules.context, self._tasks)
        self._tidy()

    def _on_rank(self, waiter: SeriesWaiter) -> None:
        """Somebody looks at its place: it does not wait for the server's order."""
        if self._run is not None and waiter.own is None and urgent(waiter.rank.value):
            self._leave_run(self._run, waiter)
            self._tidy()

    def _leave_run(self, run: SeriesRun, waiter: SeriesWaiter) -> None:
        run.drop(waiter.rank)
        if isinstance(waiter, Ride):
            self._remove(waiter)
            asyncio.get_running_loop().call_soon(waiter.go_alone, self._tasks)
            return
        waiter.own = SerialDisposable()
        asyncio.get_running_loop().call_soon(self._go_alone, waiter, waiter.own)  # not from inside somebody's subscribe

    def _go_alone(self, waiter: SeriesWaiter, own: SerialDisposable) -> None:
        if waiter.own is not own:
            return  # it has left meanwhile

        def on_next(frame: EncodedFrame) -> None:
            self._arrived_alone(frame.nbytes)
            waiter.observer.on_next(frame)

        def on_error(error: Exception) -> None:
            self._end_alone(waiter)
            waiter.observer.on_error(error)

        def on_completed() -> None:
            self._end_alone(waiter)
            waiter.observer.on_completed()

        assert waiter.otherwise is not None  # else it is a ride, and asks its loader
        token = running_tasks.set(self._tasks)
        try:
            own.disposable = follow(waiter.otherwise, Observer(on_next, on_error, on_completed))
        finally:
            running_tasks.reset(token)

    def _arrived_alone(self, nbytes: int) -> None:
        self._rules.came[self._origin] += 1
        self._came = count, received = self._came[0] + 1, self._came[1] + nbytes
        if count % _MEASURED == 0:
            now, latency = self._rules.clock(), self._rules.link(self._key[1])[0].latency
            seconds = now - self._begun - (latency if count == _MEASURED else 0)
            self._rules.measured(self._origin, received - self._counted, seconds)
            self._begun, self._counted = now, received

    def _end_alone(self, waiter: SeriesWaiter) -> None:
        if self._waits(waiter):
            waiter.own = SerialDisposable()  # it ends by itself: there is nothing to dispose
            self._remove(waiter)
            self._consider()
            self._tidy()

    # Who waits, and what is held.

    def _waits(self, waiter: SeriesWaiter) -> bool:
        return waiter in self._waiting.get(waiter.uid, ())

    def _remove(self, waiter: SeriesWaiter) -> None:
        others = self._waiting[waiter.uid]
        others.remove(waiter)
        if not others:
            del self._waiting[waiter.uid]
        reranked, waiter.reranked = waiter.reranked, None  # which holds the waiter that it is of
        if reranked is not None:
            waiter.rank.unwatch(reranked)
        own, waiter.own = waiter.own, None
        if own is not None:
            own.dispose()
        elif self._run is not None:
            self._run.drop(waiter.rank)

    def _is_useful(self, run: SeriesRun) -> bool:
        if any(waiter.own is None for waiters in self._waiting.values() for waiter in waiters):
            return True
        return not run.seen.issuperset(self._rules.later(self._key))

    def _hold(self, run: SeriesRun, uid: str, frame: EncodedFrame, nbytes: int) -> bool:
        if not self._rules.comes_later(self._key, uid):
            return False
        hand_over(run.rank, nbytes, None, self._rules.recorder)
        size = max(nbytes, frame.nbytes)
        self._held[uid] = size, nbytes
        self._rules.held += size
        self._rules.hold((*self._key, uid), frame, size)
        return True

    def _take(self, uid: str) -> tuple[EncodedFrame | None, int]:
        """A frame that came early, if it was kept, and the bytes that came for it."""
        if uid not in self._held:
            return None, 0
        size, nbytes = self._held.pop(uid)
        self._rules.held -= size
        return self._rules.take((*self._key, uid)), nbytes
