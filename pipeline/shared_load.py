"""One load in flight, and those who wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cornerstream.ranks import BestRank

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from reactivex.abc import DisposableBase

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.pixel_target import PixelTarget
    from cornerstream.members import Member


class Owner(Protocol):
    """Whose load it is."""

    def publish(self, load: SharedLoad, image: Image, /) -> None:
        """Hand an image on to everybody."""
        ...

    def end(self, load: SharedLoad, error: BaseException | None, /) -> None:
        """It has ended."""
        ...


class SharedLoad:
    """One load in flight; the observer of its source. Touched on the loop only.

    Args:
        image_id: What is loaded.
        key: What it is shared by.
        target: Where the pixels are wanted.
        owner: Hears what its source tells.

    Attributes:
        members: Who waits for it.
        rank: The best of theirs.
        latest: The best image so far.
    """

    __slots__ = ("_over", "_owner", "_upstream", "image_id", "key", "latest", "members", "rank", "target")

    def __init__(self, image_id: ImageId, key: Hashable, target: PixelTarget | None, owner: Owner) -> None:
        self.image_id = image_id
        self.key = key
        self.target = target
        self.members: list[Member] = []
        self.rank = BestRank(image_id)
        self.latest: Image | None = None
        self._owner = owner
        self._upstream: DisposableBase | None = None
        self._over = False

    def on_next(self, image: Image) -> None:
        """An image, of whatever quality."""
        self._owner.publish(self, image)

    def on_error(self, error: Exception) -> None:
        """The source failed."""
        self._owner.end(self, error)

    def on_completed(self) -> None:
        """The source is done."""
        self._owner.end(self, None)

    def hold(self, upstream: DisposableBase) -> None:
        """Keep what disposes the source; it may have ended, or everybody left, while it was being subscribed to."""
        if self._over:
            upstream.dispose()
        else:
            self._upstream = upstream

    def let_go(self) -> Sequence[Member]:
        """Everybody leaves who waited for a source that has ended.

        Nothing of it is kept: it holds its observer, and would live until the collector came.
        """
        self._over = True
        self._upstream = None
        members, self.members = self.members, []
        self.rank.abandon()
        for member in members:
            member.rank.received = self.rank.trace.received
        return members

    def dispose(self) -> None:
        """Let go of the source: nobody waits any more."""
        self._over = True
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.dispose()

    def join(self, member: Member) -> None:
        """One more waits for it."""
        self.members.append(member)
        self.rank.join(member.rank)

    def leave(self, member: Member) -> None:
        """One waits no more."""
        self.members.remove(member)
        self.rank.leave(member.rank)
        member.rank.received = self.rank.trace.received
