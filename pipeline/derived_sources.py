"""The images that an image is computed from: loads of the same session, at the rank of the one that wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reactivex.abc import DisposableBase

from cornerstream.images.errors import ImageLoadError
from cornerstream.images.stage import Stage
from cornerstream.members import Member
from cornerstream.ranks import BestRank

if TYPE_CHECKING:
    from reactivex import Observable
    from reactivex.abc import ObserverBase, SchedulerBase

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.ranks import RankCell
    from cornerstream.sharing import SharedLoads


def source_of(loads: SharedLoads, rank: RankCell, image_id: ImageId) -> Observable[Image]:
    """An image for a load that computes another of it: cold, shared with all who want it, and kept in the cache.

    It goes at that load's rank, also when that changes; disposing leaves it at once. Whoever waits holds no slot of a
    lane. An image that waits for the one it is wanted for is refused.

    Args:
        loads: The session's loads.
        rank: Of the load that wants it.
        image_id: What is wanted.
    """

    def subscribe(observer: ObserverBase[Image], _: SchedulerBase | None = None) -> DisposableBase:
        member = Member(image_id, observer, rank, keep=True)
        under_way = loads.rank_of(image_id)
        if under_way is not None and isinstance(rank, BestRank) and rank.works_for(under_way):
            observer.on_error(ImageLoadError("it is computed from itself", image_id=image_id))
        else:
            loads.join(member)
        return _Place(loads, member)

    return Stage(subscribe)


class _Place(DisposableBase):
    """A member's place among those who wait for an image."""

    __slots__ = ("_loads", "_member")

    def __init__(self, loads: SharedLoads, member: Member) -> None:
        self._loads = loads
        self._member = member

    def dispose(self) -> None:
        self._loads.leave(self._member)
