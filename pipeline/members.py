"""The subscribers of shared loads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cornerstream.ranks import Lane

if TYPE_CHECKING:
    from collections.abc import Hashable

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.load_object import Progress
    from cornerstream.images.pixel_target import PixelTarget
    from cornerstream.images.subscriptions import Observer
    from cornerstream.ranks import RankCell


class ProgressObserver(Protocol):
    """Hears of bytes, and of the end."""

    def on_next(self, progress: Progress, /) -> None:
        """Take the bytes so far."""
        ...

    def on_completed(self) -> None:
        """Hear of the end."""
        ...


class Member:
    """One subscriber of one load.

    Args:
        image_id: What it wants.
        observer: Who receives images, completion or an error; one with `on_cancelled` hears of the session's end as well.
        rank: How soon it wants it; may change.
        keep: The complete image goes into the cache.
        progress: Hears of bytes as they come, and of the end; `None` where nobody asks.
        target: Where it wants the pixels.
        reads: It looks at the image whatever its lane, as a stream does that runs in the lane of prefetch.
    """

    __slots__ = ("_reads", "image_id", "keep", "key", "observer", "progress", "rank", "target")

    def __init__(
        self,
        image_id: ImageId,
        observer: Observer[Image],
        rank: RankCell,
        *,
        keep: bool,
        progress: ProgressObserver | None = None,
        target: PixelTarget | None = None,
        reads: bool = False,
    ) -> None:
        self.image_id = image_id
        self.key: Hashable = image_id
        self._reads = reads
        self.target = target
        self.observer: Observer[Image] | None = observer
        self.rank = rank
        self.keep = keep and target is None  # memory of the caller's is no place for the cache's images
        self.progress = progress

    @property
    def reads(self) -> bool:
        """Somebody looks at the image; prefetch does not."""
        return self._reads or self.rank.value.lane < Lane.PREFETCH
