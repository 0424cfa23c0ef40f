"""Who waits for which frames of one instance, and what a stream is going to want of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from reactivex.disposable import Disposable

from cornerstream.images.instance_address import instance_address
from cornerstream.ranks import BestRank, Lane
from cornerstream.waiting import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from reactivex.abc import ObserverBase
    from tenacity import RetryCallState

    from cornerstream.images.image_id import ImageId
    from cornerstream.images.load_object import Progress
    from cornerstream.operators.parts import Part
    from cornerstream.ranks import Rank, RankCell
    from cornerstream.series import Series


def urgent(rank: Rank) -> bool:
    """Somebody looks at a place that is empty."""
    return rank.lane < Lane.PREFETCH


class FrameWaiter(Waiter[Any]):
    """One load that waits for a frame.

    Attributes:
        place: Among whom it waits; `None` once it has left, or has its answer.
        attempts: How often a request for its frame has failed; `None` if none has.
    """

    __slots__ = ("attempts", "place")

    def __init__(
        self,
        observer: ObserverBase[Part],
        rank: RankCell,
        on_progress: Callable[[Progress], None],
        number: int,
    ) -> None:
        super().__init__(observer, rank, on_progress, number)
        self.place: WaitingFrames | None = None
        self.attempts: RetryCallState | None = None

    def delay_after(self, error: Exception, *, counted: bool) -> float | None:
        """Seconds until its frame is asked for again; `None` if it is not worth it, or was tried often enough.

        Args:
            error: What became of the request.
            counted: It was this frame's own attempt that failed.
        """
        from tenacity import RetryCallState as State  # noqa: PLC0415 - only what failed needs to know how to try again

        from cornerstream.operators.retry_with_backoff import backoff_policy  # noqa: PLC0415 - as above

        policy = backoff_policy()  # as `retry_with_backoff` has it, for each frame
        state = (self.attempts if counted else None) or State(policy, None, (), {})
        self.attempts = state if counted else self.attempts
        state.set_exception((type(error), error, error.__traceback__))
        if not policy.retry(state) or policy.stop(state):
            return None
        delay = policy.wait(state)
        state.prepare_for_next_attempt()  # lets go of the error
        return delay


class WaitingFrames:
    """Those who wait, by frame number, and the best rank among them. Touched on the loop only.

    Args:
        reranked: Hears of each whose rank has changed, and where it waits.
    """

    __slots__ = ("_listeners", "_reranked", "frames", "rank")

    def __init__(self, reranked: Callable[[WaitingFrames, FrameWaiter], None] | None = None) -> None:
        self.rank = BestRank()
        self.frames: dict[int, list[FrameWaiter]] = {}
        self._reranked = reranked
        self._listeners: dict[FrameWaiter, Callable[[], None]] = {}

    def __bool__(self) -> bool:
        return bool(self.frames)

    def __contains__(self, number: int) -> bool:
        return number in self.frames

    @property
    def waiters(self) -> list[FrameWaiter]:
        """All of them now; some may leave when others hear of something."""
        return [waiter for waiters in self.frames.values() for waiter in waiters]

    def add(self, waiter: FrameWaiter) -> None:
        """Let one more wait here, and nowhere else."""
        if waiter.place is not None:
            waiter.place.remove(waiter)
        waiter.place = self
        self.frames.setdefault(waiter.number, []).append(waiter)
        self.rank.join(waiter.rank)
        if self._reranked is not None:
            listener = self._listeners[waiter] = partial(self._reranked, self, waiter)
            waiter.rank.watch(listener)

    def remove(self, waiter: FrameWaiter) -> None:
        """Let one wait here no longer."""
        self.forget(waiter)
        self.rank.leave(waiter.rank)

    def forget(self, waiter: FrameWaiter) -> None:
        """As `remove`, but for the rank among those who are left."""
        waiter.place = None
        if self._reranked is not None:
            waiter.rank.unwatch(self._listeners.pop(waiter))
        others = self.frames[waiter.number]
        others.remove(waiter)
        if not others:
            del self.frames[waiter.number]

    def take(self, number: int) -> list[FrameWaiter]:
        """Let nobody wait for a frame any longer; those who did."""
        waiters = list(self.frames.get(number, ()))
        for waiter in waiters:
            self.remove(waiter)
        return waiters

    def in_order(self) -> list[tuple[int, Rank]]:
        """The frame numbers, the best ranked first and neighbours side by side, each with its rank."""
        best = {number: min(waiter.rank.value for waiter in waiters) for number, waiters in self.frames.items()}
        return sorted(best.items(), key=lambda item: (item[1].lane, item[1].distance, item[0]))


@dataclass(slots=True)
class SeriesAhead:
    """What somebody is going to want of one series.

    Attributes:
        images: Its images of one frame each, by SOP Instance UID, with their indexes among all that is wanted.
        total: Images of the series, wanted or not.
        image_bytes: Bytes of a decoded one; 0 if unknown.
    """

    images: dict[str, tuple[int, ImageId]] = field(default_factory=dict)
    total: int = 0
    image_bytes: int = 0


class Upcoming(Disposable):
    """What a stream is going to want, in order; disposed, nothing of it.

    Args:
        image_ids: The images.
        lane: The lane of its loads.
        ended: Hears that nothing of it is wanted any more.
        series: Of which series they are.

    Attributes:
        lane: As given.
        position: The index of the next image that it will ask for itself.
    """

    def __init__(
        self,
        image_ids: Sequence[ImageId],
        lane: Lane,
        ended: Callable[[Upcoming], None],
        series: Sequence[Series] = (),
    ) -> None:
        super().__init__(lambda: ended(self))
        self._image_ids = image_ids
        self._series = series
        self.lane = lane
        self.position = 0

    def of(self, key: tuple[str, str], count: int, *, in_a_hurry: bool) -> Iterator[ImageId]:
        """The next images, as long as they are frames of one instance and go with requests of that urgency."""
        if (self.lane < Lane.PREFETCH) is not in_a_hurry:
            return
        for index in range(self.position, min(self.position + count, len(self._image_ids))):
            image_id = self._image_ids[index]
            if (image_id.scheme, image_id.address) != key:
                return
            yield image_id

    def places_of(self, address: str) -> Mapping[int, int]:
        """The frames of an address, each with its index among all that is wanted."""
        return self._by_address.get(address, {})

    @cached_property
    def _by_address(self) -> dict[str, dict[int, int]]:
        found: dict[str, dict[int, int]] = {}
        for index, image_id in enumerate(self._image_ids):
            found.setdefault(image_id.address, {})[image_id.number] = index
        return found

    @cached_property
    def by_series(self) -> Mapping[tuple[str, str], SeriesAhead]:
        """All its images on DICOMweb servers, by the scheme and the address of their series."""
        found: dict[tuple[str, str], SeriesAhead] = {}
        several: set[str] = set()  # addresses of instances of which more frames than one are wanted
        for index, image_id in enumerate(self._image_ids):
            address = instance_address(image_id)
            if address is None:
                continue
            ahead = found.setdefault((image_id.scheme, address.series), SeriesAhead())
            if image_id.number > 1:
                several.add(image_id.address)
            else:
                ahead.images[address.sop_instance_uid] = index, image_id
        for ahead in found.values():
            ahead.images = {uid: image for uid, image in ahead.images.items() if image[1].address not in several}
        self._count(found)
        return found

    def _count(self, found: Mapping[tuple[str, str], SeriesAhead]) -> None:
        for series in self._series:
            address = instance_address(series[0]) if len(series) else None
            ahead = None if address is None else found.get((series[0].scheme, address.series))
            if ahead is not None:
                ahead.total, ahead.image_bytes = ahead.total + len(series), max(ahead.image_bytes, series.image_bytes)
