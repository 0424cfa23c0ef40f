"""The frames of one instance that are wanted, and the requests that bring them; see `cornerstream.batches`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reactivex.disposable import SerialDisposable

from cornerstream.frame_request import FrameRequest
from cornerstream.images.errors import HttpStatusError, SplitError
from cornerstream.list_rules import may_concern_one
from cornerstream.operators.bridge import running_tasks
from cornerstream.waiting import hand_over
from cornerstream.wanted import FrameWaiter, WaitingFrames, urgent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reactivex import Observable
    from reactivex.abc import SchedulerBase

    from cornerstream.list_rules import ListRules
    from cornerstream.loaders.context import LoadContext
    from cornerstream.operators.parts import Part

    Forget = Callable[[tuple[str, str], "InstanceFrames"], None]
    PartsOf = Callable[[LoadContext, Callable[[], Sequence[int]]], Observable[Part]]

_LISTS = 2  # of one instance at a time, that of the next frames being on its way before the last is read to its end
_NEAR_BYTES = 1 << 19  # what comes about as soon as the answer to another request would
_NEAR_FRAMES = 2  # the same while nobody knows how large a frame is
_NO_LISTS = frozenset({400, 404, 406, 414, 501})  # how servers say that they do not know lists, or not this one


class InstanceFrames:
    """The frames of one instance that are wanted, and the requests for them.

    Attributes:
        wanted: Those whose frames have not been asked for yet.
        tasks: Where the session holds its tasks.
    """

    def __init__(self, rules: ListRules, key: tuple[str, str], parts: PartsOf, forget: Forget) -> None:
        self.wanted = WaitingFrames()
        self.tasks = running_tasks.get()
        self._rules = rules
        self._key = key
        self._origin = urlsplit(key[1])[:2]
        self._parts = parts
        self._forget = forget
        self._queued: FrameRequest | None = None
        self._running: list[FrameRequest] = []
        self._delayed: dict[WaitingFrames, SerialDisposable] = {}
        self._alone: set[int] = set()
        self._doubtful = 0  # when this frame comes alone, it was the list that the server refused
        self._ahead: dict[int, int] = {}  # bytes of frames that came before they were wanted
        self.wanted.rank.watch(self._go_on)

    def join(self, waiter: FrameWaiter) -> None:
        """Answer with a frame that came early, join the request that is to bring it, or wait for one."""
        early = self._take_early(waiter.number)
        if early is not None:
            hand_over(None, len(early.data), waiter.rank, self._rules.recorder)
            waiter.succeed(early)
            self._tidy()
            return
        request = next((one for one in self._running if waiter.number in one.missing), None)
        if request is not None and not (urgent(waiter.rank.value) and self._is_far(request, waiter.number)):
            request.waiting.add(waiter)
        else:
            self.wanted.add(waiter)
            self._go_on()

    def leave(self, waiter: FrameWaiter) -> None:
        """The last one who waits for anything of a request cancels it."""
        if (place := waiter.place) is None:
            return
        place.forget(waiter)
        self._left(place)
        place.rank.leave(waiter.rank)  # after what it was for alone: that is cancelled, and needs no new rank
        self._tidy()

    def clear(self) -> None:
        """Cancel every request."""
        for request in [*self._running, *([self._queued] if self._queued else [])]:
            request.give_up()
        for timer in self._delayed.values():
            timer.dispose()
        self._running.clear()
        self._delayed.clear()
        self._queued = None

    def drop_unannounced(self) -> None:
        """Let go of frames that came early and nobody will want; cancel what only brings more of them."""
        count = 2 * self._rules.limits.list_frames
        announced = {n for hurry in (False, True) for n in self._rules.announced(self._key, count, in_a_hurry=hurry)}
        for number in self._ahead.keys() - announced:
            self._take_early(number)
        for request in tuple(self._running):
            request.likely &= announced
            self._left(request.waiting)
        if self._queued is not None and not announced:
            self._queued.ahead = False
            self._left(self.wanted)
        self._tidy()

    # What a request needs of its instance.

    def source(self, request: FrameRequest) -> Observable[Part]:
        """The parts of the answer; `request.choose` settles what is asked for."""
        return self._parts(self._rules.context(request.rank, request.progress), request.choose)

    def choose(self, request: FrameRequest) -> None:
        """Give a request its frames, and those who wait for them."""
        numbers = self._best()
        single = any(map(self._alone_only, numbers))
        likely = [] if single else self._likely(numbers, in_a_hurry=urgent(self.wanted.rank.value))
        if not numbers and not likely:
            return
        for number in numbers:
            for waiter in tuple(self.wanted.frames[number]):
                request.waiting.add(waiter)
        request.settle([*numbers, *likely], likely)
        self._running.append(request)
        self._queued = None
        self._go_on()

    def reranked(self, place: WaitingFrames, waiter: FrameWaiter) -> None:
        """Somebody jumped to a frame that is far behind in a long answer: it gets a request of its own."""
        request = next((one for one in self._running if one.waiting is place), None)
        if request is not None and urgent(waiter.rank.value) and self._is_far(request, waiter.number):
            self.wanted.add(waiter)
            self._go_on()
            self._left(place)

    def arrived(self, request: FrameRequest, number: int, part: Part) -> None:
        """Hand a frame to all who wait for it, whatever request they wait for; keep one that a stream will want."""
        self._rules.frame_bytes[self._key] = len(part.data)
        self._alone.discard(number)
        self._rules.frame_came(self._origin, listed=len(request.numbers) > 1, doubtful=number == self._doubtful)
        places = [self.wanted, *self._delayed, *(one.waiting for one in self._running)]
        waiters = [waiter for place in places for waiter in place.take(number)]
        if not waiters and number in request.likely:
            self._keep(request, number, part)
        first = waiters[0].rank if waiters else None
        hand_over(request.rank, len(part.data), first, self._rules.recorder)
        for waiter in waiters:
            waiter.succeed(part)
        for place in places:
            self._left(place)
        self._go_on_ahead(request)
        self._tidy()

    def ended(self, request: FrameRequest, error: Exception | None) -> None:
        """Ask again for what is missing: together, alone or not at all."""
        if request is self._queued:  # it failed before it could be sent
            for waiter in self.wanted.waiters:
                request.waiting.add(waiter)
            request.settle(tuple(request.waiting.frames), ())
            self._queued = None
        else:
            self._running.remove(request)
        if error is not None:
            self._ask_again(request, error)
        self._go_on()
        self._tidy()

    # What is asked for.

    def _best(self) -> list[int]:
        """The frames of the next request: those that are wanted first, as many as fit."""
        ordered = self.wanted.in_order()
        if not ordered:
            return []
        first, rank = ordered[0]
        if self._alone_only(first):
            return [first]
        hurry = urgent(rank)  # what fills the cache does not hold up what somebody looks for
        numbers = [n for n, other in ordered if urgent(other) is hurry and n not in self._alone]
        return self._rules.fitting(self._key, numbers, self._rules.limits.list_bytes)

    def _alone_only(self, number: int) -> bool:
        return number in self._alone or self._origin in self._rules.without_lists

    def _likely(self, numbers: Sequence[int], *, in_a_hurry: bool) -> list[int]:
        """What streams will want next of the instance; it comes with what they want now."""
        frame_bytes = self._rules.frame_bytes.get(self._key, 0)
        coming = sum(len(one.likely & one.missing.keys()) for one in self._running)
        room = self._rules.ahead_bytes - sum(self._ahead.values()) - coming * frame_bytes
        if room <= frame_bytes:
            return []
        known = {*self.wanted.frames, *self._ahead, *self._alone, *(n for one in self._running for n in one.missing)}
        announced = self._rules.announced(self._key, self._rules.limits.list_frames + len(known), in_a_hurry=in_a_hurry)
        likely = [number for number in announced if number not in known]
        return self._rules.fitting(self._key, [*numbers, *likely], len(numbers) * frame_bytes + room)[len(numbers) :]

    def _is_far(self, request: FrameRequest, number: int) -> bool:
        before = list(request.missing).index(number)
        frame_bytes = self._rules.frame_bytes.get(self._key)
        return before > _NEAR_FRAMES if frame_bytes is None else before * frame_bytes > _NEAR_BYTES

    # When it is asked for.

    def _go_on(self) -> None:
        """Stand in line once more if somebody waits and there is no request for it."""
        if self._queued is None and self.wanted and self._may_ask():
            self._queued = FrameRequest(self)
            # Not from inside somebody's subscribe, where Rx puts things off; and those who come with this one join it.
            asyncio.get_running_loop().call_soon(self._queued.begin)

    def _go_on_ahead(self, request: FrameRequest) -> None:
        """Half of what a stream is going to want has come: the next request is due, for the answer to come in time."""
        if len(request.missing) == len(request.numbers) // 2 and request.likely and self._queued is None:
            self._queued = FrameRequest(self, ahead=True)
            asyncio.get_running_loop().call_soon(self._queued.begin)

    def _may_ask(self) -> bool:
        if urgent(self.wanted.rank.value) or self._alone or self._origin in self._rules.without_lists:
            return True
        return sum(bool(one.waiting) and not urgent(one.rank.value) for one in self._running) < _LISTS

    def _ask_again(self, request: FrameRequest, error: Exception) -> None:
        """What broke in its middle has cost the frame at the break an attempt, those behind it none."""
        listed = len(request.numbers) > 1
        if listed:
            self._learn(request, error)
        broken = next(iter(request.missing), None)
        later, delay = WaitingFrames(), 0.0
        for waiter in request.waiting.waiters:
            if waiter.place is not request.waiting:
                continue  # another one heard of the error, and has let it go
            wait = waiter.delay_after(error, counted=waiter.number == broken or not request.progressed)
            if wait is not None:
                later.add(waiter)
                delay = max(delay, wait)
            elif listed and may_concern_one(error):
                self._alone.add(waiter.number)
                self.wanted.add(waiter)
            else:
                request.waiting.remove(waiter)
                waiter.fail(error)
        if later:
            self._delay(later, delay)

    def _learn(self, request: FrameRequest, error: Exception) -> None:
        if isinstance(error, SplitError):
            self._rules.without_lists.add(self._origin)  # its lists cannot be relied on
        elif isinstance(error, HttpStatusError) and error.status in _NO_LISTS:
            self._doubtful = max(request.numbers)  # one that is not there would be refused alone as well
            self._rules.list_refused(self._origin)

    def _delay(self, later: WaitingFrames, seconds: float) -> None:
        timer = self._delayed[later] = SerialDisposable()

        def again(_scheduler: SchedulerBase, _state: object = None) -> None:
            del self._delayed[later]
            for waiter in later.waiters:
                self.wanted.add(waiter)
            self._go_on()

        timer.disposable = self._rules.timing().schedule_relative(seconds, again)

    # When nobody wants it any more.

    def _left(self, place: WaitingFrames) -> None:
        """End what nobody waits for."""
        if place:
            return
        if place is self.wanted:
            if self._queued is not None and not self._queued.ahead:
                self._queued.give_up()
                self._queued = None
        elif place in self._delayed:
            self._delayed.pop(place).dispose()
        else:
            for request in [one for one in self._running if one.waiting is place and one.is_idle]:
                self._cancel(request)

    def _cancel(self, request: FrameRequest) -> None:
        self._running.remove(request)
        if self._rules.recorder is not None:
            self._rules.recorder.given_up(request.rank.trace)
        request.give_up()
        self._go_on()

    def _keep(self, request: FrameRequest, number: int, part: Part) -> None:
        """Keep a frame until the stream has got to it; more of them than have room end their request."""
        self._ahead[number] = len(part.data)
        self._rules.hold((*self._key, number), part)
        if sum(self._ahead.values()) > self._rules.ahead_bytes:
            request.likely.clear()

    def _take_early(self, number: int) -> Part | None:
        return None if self._ahead.pop(number, None) is None else self._rules.take((*self._key, number))

    def _tidy(self) -> None:
        if not (self.wanted or self._queued or self._running or self._delayed or self._ahead):
            self._forget(self._key, self)
            self.wanted.rank.silence()  # which this watches: they would hold each other
