"""The worker lane: calls wait in the order of ranks, the first of them on deck, and run in slots.

A call that is on deck is with the pool already, behind those that run, so that a worker which ends goes on without the
loop. Until it begins it can be taken back: it counts as waiting, and gives way to whatever is wanted more.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import BrokenExecutor
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from cornerstream.gate import RankedHeap
from cornerstream.images.errors import LimitError
from cornerstream.process_workers import ProcessWorkers
from cornerstream.worker_calls import Call, Terms, caused, refusal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from concurrent.futures import Executor, Future

    from cornerstream.events import Recorder
    from cornerstream.ranks import RankCell

T = TypeVar("T")


class Pools(Protocol):
    """Where calls run."""

    def pool(self, *, in_process: bool) -> Executor:
        """Where a call belongs."""
        ...

    def is_own(self, pool: Executor) -> bool:
        """It has one worker a slot, serves nobody else, first come, first served, and can cancel what has not begun."""
        ...


class WorkerLane:
    """Slots of the workers, those who hold them, and those who wait. Touched on its loop only.

    Args:
        loop: The loop.
        pools: Where calls run.
        slots: Calls at once, from 1.
        recorder: Hears when calls begin.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pools: Pools, slots: int, recorder: Recorder | None = None
    ) -> None:
        if slots < 1:
            raise ValueError(f"workers have at least one slot, not {slots}")
        self.loop = loop
        self.slots = slots
        self._pools = pools
        self._depth = max(1, slots // 2)  # the more workers, the more of them end while the loop does something else
        self._recorder = recorder
        self._numbers = count()
        self._heap: RankedHeap[Call[Any]] = RankedHeap()
        self._waiting: set[Call[Any]] = set()
        self._deck: deque[Call[Any]] = deque()
        self._running: set[Call[Any]] = set()
        self._ended: deque[tuple[Call[Any], Future[Any]]] = deque()  # threads put in, the loop takes out
        self._told = False
        self._looks = False
        self._clock: asyncio.TimerHandle | None = None
        self.closed = False

    def __repr__(self) -> str:
        return f"<WorkerLane {self.busy} of {self.slots} busy, {self.waiting} waiting>"

    @property
    def busy(self) -> int:
        """Calls running now, those included whose result nobody wants any more."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Calls that have not begun, whose result somebody wants."""
        return len(self._waiting) + sum(not call.done() for call in self._deck)

    @property
    def jobs(self) -> list[Future[Any]]:
        """What runs now, or was on deck and could not be taken back."""
        calls = (*self._running, *self._deck)
        return [call.job for call in calls if not (call.job is None or call.job.cancelled())]

    def call(self, function: Callable[..., T], args: tuple[object, ...], rank: RankCell, terms: Terms) -> Call[T]:
        """Run a function when its rank's turn comes.

        Returns:
            What the function returns. It raises what the function raises, LimitError if it takes longer than its terms
            allow on a thread, and DecodeError if the executor takes no more work or breaks.
        """
        call = Call(self, function, args, rank, terms)
        if self.closed:
            call.fail(refusal("the session is closed"))
        elif len(self._running) < self.slots:
            self._start(call)  # nobody waits while a slot is free
        else:
            call.number = next(self._numbers)
            rank.watch(call.reranked)
            self._wait(call)
            if len(self._deck) < self._depth:
                self._fill_deck()
            elif call.key < self._deck[-1].key:
                self._look_soon()
        return call

    def dropped(self, call: Call[Any]) -> None:
        """A call was cancelled."""
        if call in self._waiting:
            self._waiting.discard(call)
            call.rank.unwatch(call.reranked)
        elif call.job is not None:
            call.job.cancel()  # if it has not begun, it has ended now, and that is heard of as of any end

    def reranked(self, call: Call[Any]) -> None:
        """The rank of a call that has not begun has changed."""
        if call in self._waiting:
            self._heap.push(call, len(self._waiting))
        self._look_soon()

    def close(self) -> None:
        """Begin no more: what waits fails."""
        self.closed = True
        for call in (*self._waiting, *self._deck):
            self.dropped(call)
            if not call.done():
                call.fail(refusal("the session is closed"))

    def stop_clock(self) -> None:
        """Look no more at how long calls take."""
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    # What begins

    def _wait(self, call: Call[Any]) -> None:
        self._waiting.add(call)
        self._heap.push(call, len(self._waiting))

    def _take(self, call: Call[Any]) -> Call[Any]:
        """Let the first one wait no longer."""
        self._heap.pop()
        self._waiting.discard(call)
        return call

    def _fill(self) -> None:
        """Begin what can begin, then put the next one on deck."""
        while len(self._running) < self.slots and (first := self._heap.first()) is not None:
            call = self._take(first)
            call.rank.unwatch(call.reranked)
            self._start(call)
        self._fill_deck()

    def _fill_deck(self) -> None:
        """Whoever is on deck goes before whoever waits, as far as ranks are known now."""
        deck = self._deck
        while (first := self._heap.first()) is not None:
            if deck and first.key < max([call.key for call in deck]) and self._take_back():
                continue
            if len(deck) >= self._depth:
                return
            pool = self._pools.pool(in_process=first.terms.in_process)
            if not self._is_full(pool):
                return
            if self._submit(self._take(first), pool):
                deck.append(first)
            else:
                first.rank.unwatch(first.reranked)

    def _is_full(self, pool: Executor) -> bool:
        """A pool of ours, every worker of which is busy with our calls: what it is given now begins when one of them ends."""
        return self._pools.is_own(pool) and {call.pool for call in self._running} == {pool}

    def _take_back(self) -> bool:
        """Let the last one on deck wait again, unless it has begun."""
        last = self._deck[-1]
        job, last.job = last.job, None  # from here on the end of that job is not the call's
        if job is None or not job.cancel():
            last.job = job
            return False
        self._deck.pop()
        if last.done():
            last.rank.unwatch(last.reranked)
        else:
            self._wait(last)
        return True

    def _start(self, call: Call[Any]) -> None:
        if self._submit(call, self._pools.pool(in_process=call.terms.in_process)):
            self._begin(call)

    def _submit(self, call: Call[Any], pool: Executor) -> bool:
        """Give a call to its pool; false where that refuses it."""
        try:
            job = pool.submit(call.function, *call.args)
        except (BrokenExecutor, RuntimeError) as error:
            call.fail(caused(refusal(error), error))
        except Exception as error:  # noqa: BLE001 - whatever the executor raises is the caller's to see
            call.fail(error)
        else:
            call.pool, call.job = pool, job
            job.add_done_callback(partial(self._hear, call))
            return True
        return False

    def _begin(self, call: Call[Any]) -> None:
        """A call has a slot from now on."""
        self._running.add(call)
        call.began = self.loop.time()
        if call.done():
            return
        if self._recorder is not None:
            self._recorder.worked_on(call.trace, call.began - call.asked)
        if self._clock is None and call.terms.seconds is not None:
            self._clock = self.loop.call_at(call.began + call.terms.seconds, self._look_at_clock)

    # What ends

    def _hear(self, call: Call[Any], job: Future[Any]) -> None:
        """From whichever thread: a job has ended."""
        self._ended.append((call, job))
        if not self._told:
            self._told = True
            with suppress(RuntimeError):  # the loop is closed, and nobody waits
                self.loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        """Free slots and let others begin, and only then tell those who waited: workers do not wait for them."""
        self._told = False  # before the last look: what comes after that is told anew
        ended = []
        while self._ended:
            call, job = self._ended.popleft()
            if call.job is job:  # it was not taken back from the deck
                call.job = None
                self._leave(call)
                ended.append((call, job))
        self._fill()
        for call, job in ended:
            call.settle(job)

    def _leave(self, call: Call[Any]) -> None:
        if call not in self._running:
            self._deck.remove(call)
            call.rank.unwatch(call.reranked)
            return
        self._running.discard(call)
        if self._deck:  # its worker goes on with the next one, or has already
            following = self._deck.popleft()
            following.rank.unwatch(following.reranked)
            self._begin(following)

    def _look_soon(self) -> None:
        """Look who is on deck at the end of this turn: ranks change by the hundred."""
        if not self._looks:
            self._looks = True
            self.loop.call_soon(self._look)

    def _look(self) -> None:
        self._looks = False
        keys = [call.key for call in self._deck]
        while self._deck and keys != sorted(keys) and self._take_back():
            pass  # they are put there again, in order
        self._fill()

    def _look_at_clock(self) -> None:
        """Give up calls that take too long, and look again when the next one would."""
        self._clock = None
        now, left = self.loop.time(), []
        for call in self._running:
            seconds = call.terms.seconds
            if seconds is None or isinstance(call.pool, ProcessWorkers) or call.done():
                continue
            if now >= call.began + seconds:
                call.fail(LimitError(f"it took longer than {seconds:g} s on a worker (limits.decode_seconds)"))
            else:
                left.append(call.began + seconds)
        if left:
            self._clock = self.loop.call_at(min(left), self._look_at_clock)
