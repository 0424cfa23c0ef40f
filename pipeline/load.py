"""A load as a session makes it: an image load object whose rank can change."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from reactivex import Observable
from reactivex.abc import DisposableBase
from reactivex.subject import ReplaySubject

from cornerstream.images.load_object import ImageLoadObject
from cornerstream.members import Member
from cornerstream.ranks import Rank, RankCell

if TYPE_CHECKING:
    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.load_object import Progress
    from cornerstream.images.pixel_target import PixelTarget
    from cornerstream.images.subscriptions import Observer
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
        self._bytes = _Bytes()
        super().__init__(image_id, _NOTHING)

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

    def _attach(self, observer: Observer[Image]) -> DisposableBase:
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
        return _Place(self._host, self._loads, member)

    def _bytes_observed(self) -> Observable[Progress]:
        return self._bytes.observed()


class _Place(DisposableBase):
    """A member's place among those who wait for an image; disposing gives it up."""

    __slots__ = ("_host", "_loads", "_member")

    def __init__(self, host: LoopHost, loads: SharedLoads, member: Member) -> None:
        self._host = host
        self._loads = loads
        self._member = member

    def dispose(self) -> None:
        self._member.observer = None  # at once, also from another thread: what is not delivered yet never is
        self._host.call(self._loads.leave, self._member)


class _Bytes:
    """The last progress of a load; a subject, which costs more than a small load, is made when somebody asks for one."""

    __slots__ = ("_ended", "_latest", "_lock", "_subject")

    def __init__(self) -> None:
        self._lock = Lock()  # who asks may do so from another thread than the loop's
        self._latest: Progress | None = None
        self._ended = False
        self._subject: ReplaySubject[Progress] | None = None

    def on_next(self, progress: Progress) -> None:
        with self._lock:
            self._latest, subject = progress, self._subject
        if subject is not None:
            subject.on_next(progress)

    def on_completed(self) -> None:
        with self._lock:
            self._ended, subject = True, self._subject
        if subject is not None:
            subject.on_completed()

    def observed(self) -> Observable[Progress]:
        """The last progress so far, then those to come, then the end."""
        with self._lock:
            if self._subject is None:
                self._subject = ReplaySubject(1)
                if self._latest is not None:
                    self._subject.on_next(self._latest)
                if self._ended:
                    self._subject.on_completed()
            return self._subject


_NOTHING: Observable[Image] = Observable()  # a load joins those of its session; it has no source of its own
