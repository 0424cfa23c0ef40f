"""One file on a server whose frames are wanted, and the downloads that bring them. On the loop only.

A file is downloaded once for all who want its frames; a frame that is far from coming, and is wanted on its own, is had
by its own bytes where the server has ranges (see `cornerstream.range_plan`).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from cornerstream.file_rules import no_such_frame
from cornerstream.file_run import FileRun
from cornerstream.images.errors import FetchError
from cornerstream.operators.bridge import running_tasks
from cornerstream.range_plan import far_ones, reads_whole, spans, with_announced
from cornerstream.ranks import Lane
from cornerstream.waiting import hand_over

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from reactivex import Observable

    from cornerstream.file_rules import FileRules
    from cornerstream.images.frames import EncodedFrame
    from cornerstream.loaders.context import LoadContext
    from cornerstream.operators.file_map import FileMap
    from cornerstream.waiting import Waiter

_SPANS = 2  # requests of one file at a time that nobody is in a hurry for; the others are put together meanwhile


class SharedFile:
    """One file of which frames are wanted.

    Args:
        rules: What it shares with others.
        key: Its last member is the address that image ids name it by.
        frames: Opens it: the frames that `LoadContext.wish` asks for, or all of them.
        forget: Called when nobody wants anything of it any more.
    """

    def __init__(
        self,
        rules: FileRules,
        key: Hashable,
        frames: Callable[[LoadContext], Observable[EncodedFrame]],
        forget: Callable[[SharedFile], None],
    ) -> None:
        self.rules = rules
        self.key = key
        self.tasks = running_tasks.get()
        self._address = str(key[-1] if isinstance(key, tuple) else key)
        self._frames = frames
        self._forget = forget
        self._runs: list[FileRun] = []
        self._wanted: list[Waiter[EncodedFrame]] = []
        self._asking = False
        self._refused = False  # or a range that failed and a download that it failed to overtake would go on for ever
        kept = rules.kept.get(("map", key))
        self.file_map: FileMap | None = None if kept is None else kept.value

    @property
    def whole_only(self) -> bool:
        """It, or its origin, is not to be had by ranges."""
        return self._refused or _origin(self._address) in self.rules.without_ranges

    def source(self, run: FileRun) -> Observable[EncodedFrame]:
        """The frames that a run asks for."""
        return self._frames(replace(self.rules.context(run.rank, run.progress), wish=run))

    # Who waits.

    def join(self, waiter: Waiter[EncodedFrame]) -> None:
        """Answer with a frame that is here, join the download that is to bring it, or ask for it."""
        early = self._take_early(waiter.number)
        run = self._run_for(waiter)
        if early is not None:
            hand_over(None, early.nbytes, waiter.rank, self.rules.recorder)
            waiter.succeed(early)
            self._tidy()
        elif run is not None:
            run.wait(waiter)
        elif self.file_map is None or self.whole_only:
            self._begin([waiter])
        else:
            self._wanted.append(waiter)
            self._ask_soon()

    def leave(self, waiter: Waiter[EncodedFrame]) -> None:
        """The last one who leaves a download without its frame cancels it."""
        if waiter in self._wanted:
            self._wanted.remove(waiter)
        for run in tuple(self._runs):
            run.leave(waiter)
        self._tidy()

    def look_again(self) -> None:
        """Fewer frames are announced than before."""
        for run in tuple(self._runs):
            run.look_again()

    def clear(self) -> None:
        """Cancel everything."""
        for run in tuple(self._runs):
            run.end()
        self._wanted.clear()

    # What runs need of their file.

    def settle(self, run: FileRun, file_map: FileMap) -> range | None:
        """Which neighbouring frames a run reads; `None`: the whole file. It lets go of those who wait for others."""
        self.learn(file_map)
        for waiter in [one for one in run.waiters if one.number > file_map.number_of_frames]:
            run.remove(waiter)
            waiter.fail(no_such_frame(file_map.number_of_frames))
        if not run.waiters:
            raise FetchError("nobody wants the frames any more")
        numbers = [waiter.number for waiter in run.waiters]
        if run.whole or reads_whole(file_map, numbers, self.announced()):
            self.overtake(run)
            return None
        first = self._groups(file_map, run.waiters)[0]
        self._move(run, [waiter for waiter in run.waiters if waiter.number not in first])
        return first

    def learn(self, file_map: FileMap) -> None:
        """Keep where the frames lie."""
        if self.file_map is not file_map:
            self.file_map = file_map
            self.rules.put(("map", self.key), file_map, file_map.nbytes)

    def refuse(self, *, lasting: bool) -> None:
        """What is under way is read whole from now on; all of the origin, if that is how its server is."""
        self.file_map, self._refused = None, True
        self.rules.kept.discard(("map", self.key))
        if lasting:
            self.rules.without_ranges.add(_origin(self._address))

    def overtake(self, run: FileRun) -> None:
        """Frames that a download brings late are asked for by their own bytes, if somebody waits for nothing else."""
        if self.file_map is not None and not self.whole_only:
            come = self.file_map.start(min(run.passed + 1, self.file_map.number_of_frames + 1))
            late = far_ones(self.file_map, [waiter.number for waiter in run.waiters], come)
            self._move(run, [waiter for waiter in run.waiters if waiter.number in late and _urgent(waiter)])

    def keep_early(self, encoded: EncodedFrame) -> None:
        """Keep a frame that came before it was wanted."""
        self.rules.put(("ranged", self.key, encoded.metadata.frame_number), encoded, encoded.nbytes)

    def announced(self, after: int = 0) -> Iterator[int]:
        """The frames behind one that streams are going to want, in their order."""
        for upcoming in self.rules.upcoming:
            for number, place in upcoming.places_of(self._address).items():
                if place >= upcoming.position and number > after:
                    yield number

    def is_announced(self, number: int) -> bool:
        """A stream is going to want the frame."""
        return any(
            upcoming.places_of(self._address).get(number, -1) >= upcoming.position for upcoming in self.rules.upcoming
        )

    def ended(self, run: FileRun) -> None:
        """A run is over; those who wait for the next one may go on."""
        if run in self._runs:
            self._runs.remove(run)
        self._ask_soon()
        self._tidy()

    # What is asked for.

    def _run_for(self, waiter: Waiter[EncodedFrame]) -> FileRun | None:
        runs = [run for run in self._runs if run.may_have(waiter.number)]
        best = max(runs, key=lambda run: (run.holds(waiter.number), not run.whole, run.passed), default=None)
        if best is None or not best.whole or best.holds(waiter.number) or not _urgent(waiter):
            return best
        return None if self._is_far(best, waiter.number) else best

    def _is_far(self, run: FileRun, number: int) -> bool:
        if self.file_map is None or self.whole_only or number > self.file_map.number_of_frames:
            return False
        waited_for = [waiter.number for waiter in run.waiters]
        come = self.file_map.start(min(run.passed + 1, self.file_map.number_of_frames + 1))
        return number in far_ones(self.file_map, [*waited_for, number], come)

    def _groups(self, file_map: FileMap, waiters: Sequence[Waiter[EncodedFrame]]) -> list[range]:
        """The requests for those who wait, that of the best rank first; urgent ones bring nothing else."""
        found: list[range] = []
        for hurry in (True, False):
            numbers = [waiter.number for waiter in waiters if _urgent(waiter) is hurry]
            if numbers and not hurry:
                numbers = with_announced(file_map, numbers, self.announced(), self._ahead_bytes)
            found += spans(file_map, numbers, self.rules.limits.list_bytes)
        ranks = {span: min((w.rank.value for w in waiters if w.number in span), default=None) for span in found}
        waited = [span for span in dict.fromkeys(found) if ranks[span] is not None]
        return sorted(waited, key=lambda span: (ranks[span], span.start))

    @property
    def _ahead_bytes(self) -> int:
        return min(self.rules.limits.list_bytes, self.rules.kept.budget // 2)

    def _ask_soon(self) -> None:
        """Ask in the next turn of the loop: those who come with this one join it."""
        if self._wanted and not self._asking:
            self._asking = True
            asyncio.get_running_loop().call_soon(self._ask)

    def _ask(self) -> None:
        self._asking = False
        calm = sum(1 for run in self._runs if not run.whole and run.rank.value.lane >= Lane.PREFETCH)
        waiting = [waiter for waiter in self._wanted if calm < _SPANS or _urgent(waiter)]
        if not waiting:
            self._tidy()
        elif self.file_map is None or self.whole_only or self._wants_whole(self.file_map, waiting):
            self._take_wanted(waiting, None)
        else:
            for span in self._groups(self.file_map, waiting):
                self._take_wanted([waiter for waiter in waiting if waiter.number in span], span)

    def _wants_whole(self, file_map: FileMap, waiters: Sequence[Waiter[EncodedFrame]]) -> bool:
        numbers = [waiter.number for waiter in waiters]
        beyond = max(numbers) > file_map.number_of_frames  # the file says so itself, as it is now
        return beyond or reads_whole(file_map, numbers, self.announced())

    def _take_wanted(self, waiters: Sequence[Waiter[EncodedFrame]], span: range | None) -> None:
        taken = [waiter for waiter in waiters if waiter in self._wanted]
        for waiter in taken:
            self._wanted.remove(waiter)
        if taken:
            self._begin(taken, span)

    def _begin(self, waiters: Iterable[Waiter[EncodedFrame]], span: range | None = None) -> None:
        run = FileRun(self, span)
        self._runs.append(run)
        for waiter in waiters:
            run.add(waiter)
        token = running_tasks.set(self.tasks)
        try:
            run.start()
        finally:
            running_tasks.reset(token)

    def _move(self, run: FileRun, waiters: Iterable[Waiter[EncodedFrame]]) -> None:
        for waiter in tuple(waiters):
            run.remove(waiter)
            self._wanted.append(waiter)
        self._ask_soon()

    def _take_early(self, number: int) -> EncodedFrame | None:
        key = "ranged", self.key, number
        if key not in self.rules.kept:
            return None
        kept = self.rules.kept.get(key)
        self.rules.kept.discard(key)
        return None if kept is None else kept.value

    def _tidy(self) -> None:
        if not (self._runs or self._wanted):
            self._forget(self)


def _urgent(waiter: Waiter[EncodedFrame]) -> bool:
    return waiter.rank.value.lane < Lane.PREFETCH


def _origin(address: str) -> tuple[str, ...]:
    return tuple(address.split("/")[:3])
