"""Resources that several loads share: metadata and Part 10 files, fetched once, kept within a budget of bytes.

Each entry is a run: the subscription of one source, and those who wait for something of it. Runs live on the loop only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from reactivex import Observable
from reactivex.disposable import Disposable

from cornerstream.batches import FrameLists
from cornerstream.cache import ByteCache
from cornerstream.encoded_frames import FrameTier, size_of
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.list_rules import ListRules
from cornerstream.shared_runs import FileRun, ValueRun, no_such_frame
from cornerstream.waiting import Run, Waiter
from cornerstream.wanted import FrameWaiter

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

    from cornerstream.budget import Budget
    from cornerstream.disk_lane import DiskLane
    from cornerstream.events import Recorder
    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.load_object import Progress
    from cornerstream.loaders.context import LoadContext
    from cornerstream.operators.parts import Part
    from cornerstream.ranks import RankCell

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
    """

    def __init__(
        self,
        budget: Budget | int,
        context: Callable[[RankCell, Callable[[Progress], None]], LoadContext],
        limits: Limits = DEFAULT_LIMITS,
        cached: Callable[[ImageId], bool] = lambda _: False,
        recorder: Recorder | None = None,
        keeps: Callable[[ImageId], bool] = lambda _: True,
    ) -> None:
        self.kept: ByteCache[Kept] = ByteCache(budget, lambda kept: kept.nbytes, share=_FILES_SHARE, worth=_WORTH)
        self.frames = FrameTier(ByteCache(self.kept.shared, size_of, worth=_WORTH), keeps)
        self.context = context
        self.disk: DiskLane | None = None
        self.recorder = recorder
        self.values: dict[Hashable, ValueRun[Any]] = {}
        self.files: dict[Hashable, FileRun] = {}
        self.lists = FrameLists(ListRules(limits, self.kept.budget, context, self._hold, self._take, cached, recorder))

    def put(self, key: Hashable, value: object, nbytes: int) -> None:
        """Keep a value that was had in another way, as a series' metadata for each of its instances."""
        self.kept.put(key, Kept(value, nbytes))

    def clear(self) -> None:
        """Cancel every run and forget every value."""
        self.lists.clear()
        runs: list[Run] = [*self.values.values(), *self.files.values()]
        self.values.clear()
        self.files.clear()
        for run in runs:
            run.upstream.dispose()
        self.kept.clear()
        self.frames.clear()

    def _hold(self, key: Hashable, part: Part) -> None:
        self.put(("part", key), part, len(part.data))

    def _take(self, key: Hashable) -> Part | None:
        kept = self.kept.get(("part", key))
        self.kept.discard(("part", key))
        return None if kept is None else kept.value  # type: ignore[return-value]  # `_hold` put it there


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
            joined = run
            return Disposable(lambda: joined.leave(waiter))

        return Observable(subscribe)

    def frame(
        self, key: Hashable, frames: Callable[[LoadContext], Observable[EncodedFrame]], frame_number: int
    ) -> Observable[EncodedFrame]:
        """Join the fetch of a file for one of its frames, start it, or take the kept frame."""

        def subscribe(observer: ObserverBase[EncodedFrame], _: SchedulerBase | None = None) -> DisposableBase:
            waiter = Waiter(observer, self._rank, self._on_progress, frame_number)
            kept = self._shared.kept.get(key)
            if kept is not None:
                _from_kept(waiter, kept)
                return Disposable()
            run = self._shared.files.get(key)
            if run is not None and run.may_have(frame_number):
                run.wait(waiter)
            else:
                run = FileRun(self._shared, key)
                run.add(waiter)
                run.start(frames)
            joined = run
            return Disposable(lambda: joined.leave(waiter))

        return Observable(subscribe)

    def part(
        self, image_id: ImageId, parts: Callable[[LoadContext, Callable[[], Sequence[int]]], Observable[Part]]
    ) -> Observable[Part]:
        """Wait for a frame of an instance, which comes with others that are wanted; see `FrameLists`."""

        def subscribe(observer: ObserverBase[Part], _: SchedulerBase | None = None) -> DisposableBase:
            waiter = FrameWaiter(observer, self._rank, self._on_progress, image_id.number)
            return self._shared.lists.join(image_id, waiter, parts)

        source, disk = Observable(subscribe), self._shared.disk
        return source if disk is None else disk.part(image_id, source)

    def encoded(
        self, image_id: ImageId, source: Observable[EncodedFrame], *, with_its_file: bool = False
    ) -> Observable[EncodedFrame]:
        """Take the kept frame of an image, or have it of its source and keep it where that pays."""
        return self._shared.frames.first(image_id, source, self._rank, with_its_file=with_its_file)


def _from_kept(waiter: Waiter[EncodedFrame], kept: Kept) -> None:
    frames: Mapping[int, EncodedFrame] = kept.value  # type: ignore[assignment]  # a file's key keeps its frames
    encoded = frames.get(waiter.number)
    if encoded is None:
        waiter.observer.on_error(no_such_frame(len(frames)))
    else:
        waiter.succeed(encoded)
