"""The encoded frames that are kept: what is shown again costs a decode then, and no request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactivex.disposable import Disposable

from cornerstream.images.frames import EncodedFrame
from cornerstream.images.stage import Stage, follow
from cornerstream.ranks import Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable
    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

    from cornerstream.cache import ByteCache
    from cornerstream.images.image_id import ImageId
    from cornerstream.ranks import RankCell

_ENTRY_BYTES = 1024  # a frame's description and its share of the container; tables and overlays are its instance's


def size_of(frame: EncodedFrame) -> int:
    """Bytes that a kept frame takes."""
    return frame.nbytes + _ENTRY_BYTES


def is_smaller(frame: EncodedFrame) -> bool:
    """A frame takes a quarter less than its pixels, at the least; beside them another would be a waste of memory."""
    metadata = frame.metadata
    bits = metadata.rows * metadata.columns * metadata.samples_per_pixel * (-(-metadata.bits_allocated // 8) * 8)
    return size_of(frame) * 4 <= bits // 8 * 3


def detached(frame: EncodedFrame) -> EncodedFrame:
    """A frame that keeps no memory but its own alive, and that took no time."""
    return EncodedFrame(frame.metadata, bytes(frame.data), {}, None, frame.threads, frame.searched)


class FrameTier:
    """Encoded frames by image id. Touched on the loop only.

    Args:
        cache: Where they are kept.
        keeps: Somebody who waits for an image wants it kept.
    """

    def __init__(self, cache: ByteCache[EncodedFrame], keeps: Callable[[ImageId], bool]) -> None:
        self.cache = cache
        self._keeps = keeps

    def first(
        self, image_id: ImageId, source: Observable[EncodedFrame], rank: RankCell, *, with_its_file: bool
    ) -> Observable[EncodedFrame]:
        """The frame that is kept, else that of the source; see `cornerstream.loaders.context.Resources.encoded`."""

        def subscribe(observer: ObserverBase[EncodedFrame], scheduler: SchedulerBase | None = None) -> DisposableBase:
            def keep(frame: EncodedFrame) -> None:
                if not (with_its_file and frame.metadata.number_of_frames > 1):
                    self.put(image_id, frame, ahead=rank.value.lane >= Lane.PREFETCH)

            kept = self.cache.get(image_id)
            if kept is None:
                return follow(source, _Keeping(observer, keep), scheduler)
            observer.on_next(kept)
            observer.on_completed()
            return Disposable()

        return Stage(subscribe)

    def put(self, image_id: ImageId, frame: EncodedFrame, *, ahead: bool = False) -> None:
        """Keep a frame that is smaller than its image, if that image is to be kept."""
        if is_smaller(frame) and self._keeps(image_id):
            self.cache.put(image_id, detached(frame), ahead=ahead)

    def discard(self, image_id: ImageId) -> None:
        """Forget a frame, such as one that cannot be decoded: it may have been damaged on its way."""
        self.cache.discard(image_id)

    def clear(self) -> None:
        """Forget every frame."""
        self.cache.clear()


class _Keeping:
    """An observer that keeps frames before it hands them on."""

    __slots__ = ("_keep", "_observer", "on_completed", "on_error")

    def __init__(self, observer: ObserverBase[EncodedFrame], keep: Callable[[EncodedFrame], None]) -> None:
        self._observer = observer
        self._keep = keep
        self.on_error = observer.on_error
        self.on_completed = observer.on_completed

    def on_next(self, frame: EncodedFrame) -> None:
        self._keep(frame)
        self._observer.on_next(frame)
