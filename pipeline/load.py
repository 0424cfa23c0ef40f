"""A load as a session makes it: an image load object whose rank can change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactivex import Observable
from reactivex.disposable import Disposable
from reactivex.subject import ReplaySubject

from cornerstream.images.load_object import ImageLoadObject, Progress
from cornerstream.ranks import Rank, RankCell
from cornerstream.sharing import Member

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.pixel_target import PixelTarget
    from cornerstream.loop_host import LoopHost
    from cornerstream.sharing import SharedLoads


class Load(ImageLoadObject):
    """One load of one image through a session; see `ImageLoadObject`.

    Subscribers of the same image share one fetch and one decode, whichever load they came by. Observers are called on
    the session's loop.

    Args:
        image_id: The image.
        host: The session's loop.
        loads: The session's loads in flight.
        rank: How soon it is wanted.
        keep: The complete image goes into the session's cache.
        target: Where the pixels are wanted; such an image is not kept.
        reads: Somebody looks at the image, whatever the lane.
    """

    def __init__(
        self,
        image_id: ImageId,
        host: LoopHost,
        loads: SharedLoads,
        rank: Rank,
        *,
        keep: bool,
        target: PixelTarget | None = None,
        reads: bool = False,
    ) -> None:
        self._host = host
        self._loads = loads
        self._rank = RankCell(rank)
        self._keep = keep
        self._target = target
        self._reads = reads
        self._bytes: ReplaySubject[Progress] = ReplaySubject(1)
        super().__init__(image_id, Observable(self._join), self._bytes)

    @property
    def rank(self) -> Rank:
        """How soon it is wanted; assign another rank at any time, from any thread."""
        return self._rank.value

    @rank.setter
    def rank(self, rank: Rank) -> None:
        self._host.call(self._rank.change, rank)

    @property
    def bytes_received(self) -> int:
        """Bytes of bodies that came for it so far, those included that its other subscribers share."""
        return self._rank.received

    def _would_wait_for_itself(self) -> bool:
        return self._host.is_current()

    def _join(self, observer: ObserverBase[Image], _: SchedulerBase | None = None) -> DisposableBase:
        member = Member(
            self.image_id,
            observer,
            self._rank,
            keep=self._keep,
            progress=self._bytes,
            target=self._target,
            reads=self._reads,
        )
        self._host.call(self._loads.join, member)
        return Disposable(self._leaver(member))

    def _leaver(self, member: Member) -> Callable[[], None]:
        host, loads = self._host, self._loads

        def leave() -> None:
            member.observer = None  # at once, also from another thread: what is not delivered yet never is
            host.call(loads.leave, member)

        return leave
