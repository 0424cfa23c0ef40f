"""Resources that several loads share: metadata and Part 10 files, fetched once, kept within a budget of bytes.

Each entry is a run: the subscription of one source, and those who wait for something of it. Runs live on the loop only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import reactivex as rx
from reactivex import Observable
from reactivex.disposable import Disposable

from cornerstream.batches import FrameLists
from cornerstream.cache import ByteCache
from cornerstream.encoded_frames import FrameTier, size_of
from cornerstream.images.errors import ImageIdError, ImageLoadError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.waiting import Run, Waiter
from cornerstream.wanted import FrameWaiter

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

    from cornerstream.budget import Budget
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
        self.recorder = recorder
        self.values: dict[Hashable, ValueRun[Any]] = {}
        self.files: dict[Hashable, FileRun] = {}
        self.lists = FrameLists(
            limits=limits, budget=self.kept.budget, context=context, hold=self._hold, take=self._take, cached=cached
        )

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


class ValueRun(Run, Generic[T]):
    """The fetch of one value."""

    def __init__(self, shared: SharedResources, key: Hashable, nbytes: Callable[[T], int]) -> None:
        super().__init__()
        self._shared = shared
        self._key = key
        self._nbytes = nbytes

    def start(self, fetch: Callable[[LoadContext], Observable[T]]) -> None:
        """Subscribe to the fetch, in the sight of those who ask for the same value."""
        self._shared.values[self._key] = self
        source = rx.defer(lambda _: fetch(self._shared.context(self.rank, self.progress)))
        self.upstream.disposable = source.subscribe(self._on_next, self._on_error, self._on_completed)

    def leave(self, waiter: Waiter[T]) -> None:
        """The last one who leaves cancels the fetch."""
        if waiter in self.waiters:
            self.remove(waiter)
            if not self.waiters:
                self._forget()
                self.give_up(self._shared.recorder)

    def _on_next(self, value: T) -> None:
        self._forget()
        self._shared.put(self._key, value, self._nbytes(value))
        for waiter in self.take_all():
            waiter.succeed(value)

    def _on_error(self, error: Exception) -> None:
        self._forget()
        self.fail(error)

    def _on_completed(self) -> None:
        self._forget()
        self.fail(ImageLoadError("a shared resource completed without a value"))

    def _forget(self) -> None:
        if self._shared.values.get(self._key) is self:
            del self._shared.values[self._key]


class FileRun(Run):
    """The fetch of one file with its frames.

    Frames are held while the file may still be kept; when it outgrows the budget, those that nobody waits for are let go
    and a later load of one of them starts the file anew.
    """

    def __init__(self, shared: SharedResources, key: Hashable) -> None:
        super().__init__()
        self._shared = shared
        self._key = key
        self._frames: dict[int, EncodedFrame] = {}
        self._handed_over: set[int] = set()
        self._nbytes = 0
        self._outgrown = False
        self._passed = 0  # frames come in order: those up to this number are behind

    def start(self, frames: Callable[[LoadContext], Observable[EncodedFrame]]) -> None:
        """Subscribe to the file, in the sight of those who ask for its frames."""
        self._shared.files[self._key] = self
        source = rx.defer(lambda _: frames(self._shared.context(self.rank, self.progress)))
        self.upstream.disposable = source.subscribe(self._on_next, self._on_error, self._on_completed)

    def may_have(self, frame_number: int) -> bool:
        """The frame is here, or still to come."""
        return frame_number > self._passed or frame_number in self._frames

    def wait(self, waiter: Waiter[EncodedFrame]) -> None:
        """Answer with the frame if it is here, else when it comes."""
        encoded = self._frames.get(waiter.number)
        if encoded is None:
            self.add(waiter)
        else:
            self._hand_over(encoded, waiter)
            waiter.succeed(encoded)

    def leave(self, waiter: Waiter[EncodedFrame]) -> None:
        """The last one who leaves without its frame cancels the file; one who got it lets the file come to its end."""
        if waiter in self.waiters:
            self.remove(waiter)
            if not self.waiters:
                self._cancel()

    def _on_next(self, encoded: EncodedFrame) -> None:
        number = encoded.metadata.frame_number
        self._passed = max(self._passed, number)
        self._keep(encoded)
        for waiter in [waiter for waiter in self.waiters if waiter.number == number]:
            self._hand_over(encoded, waiter)
            self.remove(waiter)
            waiter.succeed(encoded)
        if self._outgrown and not self.waiters:
            self._cancel()

    def _on_error(self, error: Exception) -> None:
        self._forget()
        self.fail(error)

    def _on_completed(self) -> None:
        self._forget()
        if len(self._frames) > 1:  # the image of a single frame is kept itself
            self._shared.put(self._key, self._frames, self._nbytes)
        self.fail(_no_such_frame(self._passed))

    def _hand_over(self, encoded: EncodedFrame, waiter: Waiter[EncodedFrame]) -> None:
        """The bytes of a frame are those of the load that gets it first."""
        if encoded.metadata.frame_number not in self._handed_over:
            self._handed_over.add(encoded.metadata.frame_number)
            self.hand_over(self._shared.recorder, waiter, encoded.nbytes)

    def _keep(self, encoded: EncodedFrame) -> None:
        self._nbytes += encoded.nbytes
        if self._nbytes > self._shared.kept.budget:
            self._outgrown = True
            self._frames.clear()
        if not self._outgrown:
            self._frames[encoded.metadata.frame_number] = encoded

    def _cancel(self) -> None:
        self._forget()
        self.give_up(self._shared.recorder)

    def _forget(self) -> None:
        if self._shared.files.get(self._key) is self:
            del self._shared.files[self._key]


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

        return Observable(subscribe)

    def encoded(
        self, image_id: ImageId, source: Observable[EncodedFrame], *, with_its_file: bool = False
    ) -> Observable[EncodedFrame]:
        """Take the kept frame of an image, or have it of its source and keep it where that pays."""
        return self._shared.frames.first(image_id, source, self._rank, with_its_file=with_its_file)


def _from_kept(waiter: Waiter[EncodedFrame], kept: Kept) -> None:
    frames: Mapping[int, EncodedFrame] = kept.value  # type: ignore[assignment]  # a file's key keeps its frames
    encoded = frames.get(waiter.number)
    if encoded is None:
        waiter.observer.on_error(_no_such_frame(len(frames)))
    else:
        waiter.succeed(encoded)


def _no_such_frame(count: int) -> ImageIdError:
    frames = "1 frame" if count == 1 else f"{count} frames"
    return ImageIdError(f"there is no such frame; the file has {frames}, counted from 1")
