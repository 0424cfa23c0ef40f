"""A server of series that a test holds in its hands: requests for images, and retrievals of all, answered when it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from reactivex import Observable
from reactivex.disposable import Disposable

from cornerstream.images.frames import EncodedFrame
from cornerstream.images.image_id import ImageId
from cornerstream.images.metadata import FrameMetadata
from cornerstream.link import LinkEstimate
from cornerstream.operators.split_instances import RetrievedInstance
from cornerstream.ranks import BestRank, Lane, Rank
from cornerstream.series import Series
from cornerstream.series_retrieval import SeriesRetrievals
from cornerstream.series_rules import SeriesRules
from cornerstream.traces import Stage
from cornerstream.wanted import Upcoming

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

    from cornerstream.events import Recorder
    from cornerstream.images.image import Image
    from cornerstream.images.load_object import ImageLoadObject, Progress
    from cornerstream.images.subscriptions import Observer
    from cornerstream.loaders.context import LoadContext
    from cornerstream.ranks import RankCell
    from cornerstream.series_ride import Decode

SERIES = "http://pacs/studies/1/series/2"
SIZE = 100
ORIGIN = ("http", "pacs")


def image_of(index: int, series: str = SERIES) -> ImageId:
    return ImageId("wadors", f"{series}/instances/{index + 1}")


def frame_of(index: int, size: int = SIZE) -> EncodedFrame:
    metadata = FrameMetadata(
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        rows=8,
        columns=8,
        photometric_interpretation="MONOCHROME2",
        sop_instance_uid=str(index + 1),
    )
    return EncodedFrame(metadata, (index % 256).to_bytes(1, "big") * size)


class Retrieval:
    """One retrieval of the series."""

    def __init__(self, observer: ObserverBase[RetrievedInstance], rank: BestRank) -> None:
        self.observer = observer
        self.rank = rank
        self.over = False

    def send(self, *indexes: int, size: int = SIZE) -> None:
        """Let instances come."""
        for index in indexes:
            if not self.over:
                self.instance(RetrievedInstance(frame_of(index, size), size))

    def instance(self, instance: RetrievedInstance) -> None:
        self.rank.trace.received += instance.nbytes
        self.observer.on_next(instance)

    def end(self) -> None:
        self.over = True
        self.observer.on_completed()

    def fail(self, error: Exception) -> None:
        self.over = True
        self.observer.on_error(error)


class OwnRequest:
    """One request for one image; it is under way once it is sent."""

    def __init__(self, observer: ObserverBase[EncodedFrame], index: int, rank: BestRank) -> None:
        self.observer = observer
        self.index = index
        self.over = False
        self._rank = rank

    def send(self) -> None:
        """Its turn has come."""
        self._rank.trace.at = Stage.CONNECTING

    def answer(self, size: int = SIZE) -> None:
        self.send()
        self.observer.on_next(frame_of(self.index, size))
        self.over = True
        self.observer.on_completed()

    def fail(self, error: Exception) -> None:
        self.over = True
        self.observer.on_error(error)


class Member:
    """One who wants an image, and what it heard."""

    def __init__(self, index: int, rank: Rank) -> None:
        self.index = index
        self.rank = BestRank(image_of(index))
        self.rank.change(rank)
        self.got: list[EncodedFrame] = []
        self.errors: list[Exception] = []
        self.completed = 0
        self.left = False
        self.rode = False
        self.handle: DisposableBase = Disposable()

    @property
    def waits(self) -> bool:
        return not (self.left or self.got or self.errors)

    def leave(self) -> None:
        self.left = True
        self.handle.dispose()

    def on_next(self, frame: EncodedFrame) -> None:
        assert not self.left
        self.got.append(frame)

    def on_error(self, error: Exception) -> None:
        assert not self.left
        self.errors.append(error)

    def on_completed(self) -> None:
        self.completed += 1


@dataclass(frozen=True)
class Joining:
    """What a load is subscribed to."""

    subscribe: Callable[[Any], DisposableBase]


class SeriesServer:
    """Series retrievals whose requests a test answers; its link is fast, and its server known to it.

    Attributes:
        retrievals: All that were made, in order.
        own: Requests for single images, in order.
        held: What came before it was wanted.
        asked: Images whose loaders were asked, in order.
    """

    def __init__(self, room: int = 1 << 20, recorder: Recorder | None = None, *, known: bool = True) -> None:
        self.retrievals: list[Retrieval] = []
        self.own: list[OwnRequest] = []
        self.held: dict[Hashable, tuple[EncodedFrame, int]] = {}
        self.cached: set[ImageId] = set()
        self.asked: list[int] = []
        self.most_held = 0
        self.rules = SeriesRules(
            room,
            lambda rank, _: cast("LoadContext", rank),
            self._hold,
            lambda key: self.held.pop(key, (None, 0))[0],
            self.cached.__contains__,
            lambda _: (LinkEstimate(), 7),
            recorder,
        )
        self.time = 0.0
        self.rules.clock = lambda: self.time
        self.link = LinkEstimate()
        self.rules.link = lambda _: (self.link, 7)
        self.rules.came[ORIGIN] += 8 if known else 0
        self.series = SeriesRetrievals(self.rules)

    def announce(self, indexes: Sequence[int], total: int | None = None, image_bytes: int = SIZE) -> Upcoming:
        """Let a stream be going to want images of the series."""
        of = Series(tuple(image_of(index) for index in range(total or len(indexes))), image_bytes=image_bytes)
        upcoming = Upcoming([image_of(index) for index in indexes], Lane.PREFETCH, self.series.ended, [of])
        self.series.announce(upcoming)
        return upcoming

    def join(self, index: int, rank: Rank | None = None, upcoming: Upcoming | None = None) -> Member:
        """Let one load want the frame of an image; of a stream, it is the next."""
        member = self._member(index, rank, upcoming)
        member.handle = self._loaded(member).subscribe(member)
        return member

    def ride(
        self, index: int, rank: Rank | None = None, upcoming: Upcoming | None = None, decode: Decode | None = None
    ) -> Member:
        """As `join`, for one that comes with the series if it can, and asks its loader if it cannot."""
        member = self._member(index, rank, upcoming)

        def loader() -> ImageLoadObject:
            self.asked.append(index)
            return cast("ImageLoadObject", self._loaded(member))

        ride = self.series.ride(image_of(index), member.rank, self._unheard, decode or self._as_it_is, loader)
        member.rode = ride is not None
        member.handle = (ride or loader()).subscribe(cast("Observer[Image]", member))
        return member

    @property
    def open(self) -> list[Retrieval]:
        """Retrievals that wait or are under way."""
        return [retrieval for retrieval in self.retrievals if not retrieval.over]

    @property
    def alone(self) -> list[int]:
        """Images with an open request of their own."""
        return [request.index for request in self.own if not request.over]

    def _retrieve(self, context: LoadContext) -> Observable[RetrievedInstance]:
        def subscribe(observer: ObserverBase[RetrievedInstance], _: SchedulerBase | None = None) -> DisposableBase:
            retrieval = Retrieval(observer, cast("BestRank", context))
            self.retrievals.append(retrieval)
            return Disposable(lambda: setattr(retrieval, "over", True))

        return Observable(subscribe)

    def _member(self, index: int, rank: Rank | None, upcoming: Upcoming | None) -> Member:
        if upcoming is not None:
            upcoming.position += 1
        return Member(index, rank or Rank(Lane.PREFETCH, index))

    def _loaded(self, member: Member) -> Joining:
        def alone(observer: ObserverBase[EncodedFrame], _: SchedulerBase | None = None) -> DisposableBase:
            request = OwnRequest(observer, member.index, member.rank)
            self.own.append(request)
            return Disposable(lambda: setattr(request, "over", True))

        def join(observer: Any) -> DisposableBase:
            wanted = image_of(member.index), observer, member.rank, self._unheard, self._retrieve, Observable(alone)
            return self.series.join(*wanted)

        return Joining(join)

    def _as_it_is(self, frame: EncodedFrame, image_id: ImageId, _: RankCell) -> Image:
        """What it decodes to is of no interest."""
        assert image_id.address.rpartition("/")[2] == frame.metadata.sop_instance_uid
        return cast("Image", frame)

    def _hold(self, key: Hashable, frame: EncodedFrame, nbytes: int) -> None:
        self.held[key] = frame, nbytes
        self.most_held = max(self.most_held, sum(size for _, size in self.held.values()))

    def _unheard(self, _: Progress) -> None:
        """Nobody looks."""
