"""Resources that several loads share: metadata and Part 10 files, fetched once, kept within a budget of bytes.

Each entry is a run: the subscription of one source, and those who wait for something of it. Runs live on the loop only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from reactivex.disposable import Disposable

from cornerstream.batches import FrameLists
from cornerstream.budget import HeldBytes
from cornerstream.cache import ByteCache
from cornerstream.encoded_frames import FrameTier, size_of
from cornerstream.file_rules import FileRules
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.images.stage import Stage
from cornerstream.link import LinkEstimate
from cornerstream.list_rules import ListRules
from cornerstream.refusals import Refusals
from cornerstream.series_retrieval import SeriesRetrievals
from cornerstream.series_rules import SeriesRules
from cornerstream.shared_files import SharedFiles
from cornerstream.shared_runs import ValueRun
from cornerstream.waiting import Place, Run, Waiter
from cornerstream.wanted import FrameWaiter, Upcoming

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from reactivex import Observable
    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

    from cornerstream.budget import Budget
    from cornerstream.disk_lane import DiskLane
    from cornerstream.events import Recorder
    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.load_object import Progress
    from cornerstream.loaders.context import LoadContext
    from cornerstream.operators.metadata import InstanceMetadata
    from cornerstream.operators.parts import Part
    from cornerstream.operators.split_instances import RetrievedInstance
    from cornerstream.ranks import Lane, RankCell
    from cornerstream.series import Series

T = TypeVar("T")
_ENTRY_BYTES = 256  # a kept value's own share of the container
_FILES_SHARE = 0.25  # of the budget; a larger file is not kept whole
_WORTH = 2.0  # what costs a request to have again stays twice as long as what costs a decode


class Kept:
    """A value and its size, as the cache holds it."""

    __slots__ = ("nbytes", "value")

    def __init__(self, value: object, nbytes: int) -> None:
        self.value = value
        self.nbytes = nbytes + _ENTRY_BYTES


class SharedResources:
    """The session's shared resources; loads see them through `RankedResources`.

    Args:
        budget: Bytes kept after their fetch has ended, in all tiers.
        context: Makes the context of a shared fetch of its rank and of where to report bytes.
        limits: Bounds of requests for several frames.
        cached: An image is there, and needs no request.
        recorder: Hears of fetches that nobody waits for any more.
        keeps: Somebody who waits for an image wants it kept.
        link: The link of a URL's origin, and how many requests may be under way to it.
    """

    def __init__(
        self,
        budget: Budget | int,
        context: Callable[[RankCell, Callable[[Progress], None]], LoadContext],
        limits: Limits = DEFAULT_LIMITS,
        cached: Callable[[ImageId], bool] = lambda _: False,
        recorder: Recorder | None = None,
        keeps: Callable[[ImageId], bool] = lambda _: True,
        link: Callable[[str], tuple[LinkEstimate, int]] = lambda _: (LinkEstimate(), 1),
    ) -> None:
        self.kept: ByteCache[Kept] = ByteCache(budget, lambda kept: kept.nbytes, share=_FILES_SHARE, worth=_WORTH)
        self.frames = FrameTier(ByteCache(self.kept.shared, size_of, worth=_WORTH), keeps)
        self.context = context
        self.disk: DiskLane | None = None
        self.recorder = recorder
        self.values: dict[Hashable, ValueRun[Any]] = {}
        rules = ListRules(limits, self.kept.budget, context, self._hold, self._take, cached, recorder)
        self.lists = FrameLists(rules)
        self.refusals = Refusals(rules.is_better_whole)
        self.held = HeldBytes()
        self.kept.shared.join(self.held)
        self.files = SharedFiles(FileRules(self.kept, self.held, limits, context, rules.upcoming, self.put, recorder))
        self.series = SeriesRetrievals(
            SeriesRules(self.kept.budget, context, self._hold_frame, self._take_frame, cached, link, recorder)
        )

    def put(self, key: Hashable, value: object, nbytes: int) -> None:
        """Keep a value that was had in another way, as a series' metadata for each of its instances."""
        self.kept.put(key, Kept(value, nbytes))

    def announce(self, image_ids: Sequence[ImageId], lane: Lane, series: Sequence[Series]) -> Upcoming:
        """What a stream is going to want, in order, may come along with what it wants now, until that is disposed."""
        upcoming = Upcoming(image_ids, lane, self._ended, series)
        self.lists.announce(upcoming)
        self.series.announce(upcoming)
        return upcoming

    def announce_wanted(self, image_ids: Sequence[ImageId], lane: Lane, series: Sequence[Series]) -> Upcoming:
        """All of that is asked for at once, and may come together, until that is disposed."""
        upcoming = Upcoming(image_ids, lane, self._ended, series)
        upcoming.position = len(image_ids)
        self.series.announce(upcoming)
        return upcoming

    def clear(self) -> None:
        """Cancel every run and forget every value."""
        self.lists.clear()
        self.series.clear()
        runs: list[Run] = list(self.values.values())
        self.values.clear()
        self.files.clear()
        for run in runs:
            run.upstream.dispose()
        self.kept.clear()
        self.frames.clear()

    def _hold(self, key: Hashable, part: Part) -> None:
        self.put(("part", key), part, len(part.data))

    def _take(self, key: Hashable) -> Part | None:
        return self._taken(("part", key))  # type: ignore[return-value]  # `_hold` put it there

    def _hold_frame(self, key: Hashable, frame: EncodedFrame, nbytes: int) -> None:
        self.put(("frame", key), frame, nbytes)

    def _take_frame(self, key: Hashable) -> EncodedFrame | None:
        return self._taken(("frame", key))  # type: ignore[return-value]  # `_hold_frame` put it there

    def _taken(self, key: Hashable) -> object:
        kept = self.kept.get(key)
        self.kept.discard(key)
        return None if kept is None else kept.value

    def _ended(self, upcoming: Upcoming) -> None:
        self.lists.ended(upcoming)
        self.series.ended(upcoming)
        self.files.announced_no_more()


class RankedResources:
    """The shared resources as one load sees them; see `cornerstream.loaders.context.Resources`."""

    def __init__(self, shared: SharedResources, rank: RankCell, on_progress: Callable[[Progress], None]) -> None:
        self._shared = shared
        self._rank = rank
        self._on_progress = on_progress

    def once(
        self, key: Hashable, fetch: Callable[[LoadContext], Observable[T]], nbytes: Callable[[T], int]
    ) -> Observable[T]:
        """Join the fetch of a value, start it, or take the kept one."""

        def subscribe(observer: ObserverBase[T], _: SchedulerBase | None = None) -> DisposableBase:
            waiter: Waiter[T] = Waiter(observer, self._rank, self._on_progress)
            kept = self._shared.kept.get(key)
            if kept is not None:
                waiter.succeed(kept.value)  # type: ignore[arg-type]  # the key names the type: its fetch made it
                return Disposable()
            run: ValueRun[T] | None = self._shared.values.get(key)
            if run is not None:
                run.add(waiter)
            else:
                run = ValueRun(self._shared, key, nbytes)
                run.add(waiter)
                run.start(fetch)
            return Place(run, waiter)

        return Stage(subscribe)

    def frame(
        self, key: Hashable, frames: Callable[[LoadContext], Observable[EncodedFrame]], frame_number: int
    ) -> Observable[EncodedFrame]:
        """Join the fetch of a file for one of its frames, start it, or take the kept frame."""

        def subscribe(observer: ObserverBase[EncodedFrame], _: SchedulerBase | None = None) -> DisposableBase:
            waiter = Waiter(observer, self._rank, self._on_progress, frame_number)
            return self._shared.files.join(key, frames, waiter)

        return Stage(subscribe)

    def part(
        self, image_id: ImageId, parts: Callable[[LoadContext, Callable[[], Sequence[int]]], Observable[Part]]
    ) -> Observable[Part]:
        """Wait for a frame of an instance, which comes with others that are wanted; see `FrameLists`."""

        def subscribe(observer: ObserverBase[Part], _: SchedulerBase | None = None) -> DisposableBase:
            waiter = FrameWaiter(observer, self._rank, self._on_progress, image_id.number)
            return self._shared.lists.join(image_id, waiter, parts)

        source, disk = Stage(subscribe), self._shared.disk
        return source if disk is None else disk.part(image_id, source)

    def either(
        self,
        image_id: ImageId,
        metadata: Observable[InstanceMetadata],
        frame: Observable[EncodedFrame],
        instance: Observable[EncodedFrame],
    ) -> Observable[EncodedFrame]:
        """Have a frame by itself, or out of its instance; see `Refusals`."""
        return self._shared.refusals.either(image_id, self._rank, metadata, frame, instance)

    def of_series(
        self,
        image_id: ImageId,
        retrieve: Callable[[LoadContext], Observable[RetrievedInstance]],
        otherwise: Observable[EncodedFrame],
    ) -> Observable[EncodedFrame]:
        """Wait for an instance, which may come with others of its series; see `SeriesRetrievals`."""

        def subscribe(observer: ObserverBase[EncodedFrame], _: SchedulerBase | None = None) -> DisposableBase:
            return self._shared.series.join(image_id, observer, self._rank, self._on_progress, retrieve, otherwise)

        return Stage(subscribe) if self._shared.disk is None else otherwise  # what is on disk is not asked for

    def encoded(
        self, image_id: ImageId, source: Observable[EncodedFrame], *, with_its_file: bool = False
    ) -> Observable[EncodedFrame]:
        """Take the kept frame of an image, or have it of its source and keep it where that pays."""
        return self._shared.frames.first(image_id, source, self._rank, with_its_file=with_its_file)
