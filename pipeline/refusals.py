"""Frames that a server does not let go, had out of their instance; and which servers do so. On the loop only.

A server may refuse the representation of some frames, most often for their transfer syntax, and still give the whole
instance. One load finds out; those whose requests have not been sent, and those that come later, need not.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import reactivex as rx
from cachetools import LRUCache
from reactivex import operators as ops
from reactivex.abc import DisposableBase
from reactivex.disposable import SerialDisposable

from cornerstream.images.errors import HttpStatusError, ImageIdError
from cornerstream.images.stage import Stage, follow
from cornerstream.list_rules import may_concern_one
from cornerstream.operators.bridge import running_tasks
from cornerstream.operators.concat_stage import concat_stage
from cornerstream.operators.map_stage import map_stage
from cornerstream.operators.or_else import or_else
from cornerstream.traces import Stage as At

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from reactivex import Observable
    from reactivex.abc import ObserverBase, SchedulerBase

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.operators.metadata import InstanceMetadata
    from cornerstream.ranks import RankCell

_NOT_SENT = frozenset({At.ELSEWHERE, At.NETWORK_QUEUE})
_OF_THE_REPRESENTATION = frozenset({400, 406, 415, 500, 501})
_ORIGINS = 64
_KINDS = 64  # of one origin
_INSTANCES = 1024


def is_refused(error: Exception) -> bool:
    """The server does not let go of something in the form it was asked for in; in another it may."""
    return isinstance(error, HttpStatusError) and error.status in _OF_THE_REPRESENTATION


def kind_of(metadata: InstanceMetadata) -> Hashable:
    """What the frames of an instance have in common with others that are refused as well; `None` if nothing is known.

    Their transfer syntax. Where the server does not name it, instances of one class are taken to have the same; not those
    with several frames: a wrong guess would cost the whole of them.
    """
    if metadata.transfer_syntax_uid:
        return "transfer syntax", metadata.transfer_syntax_uid
    if metadata.number_of_frames > 1 or not metadata.shared.sop_class_uid:
        return None
    return "class", metadata.shared.sop_class_uid


class Refusals:
    """What a session has learnt about servers that refuse frames, and the loads that may yet make use of it.

    Args:
        is_better_whole: Frames of an instance, though not refused, cost more than the whole of it.
    """

    def __init__(self, is_better_whole: Callable[[ImageId], bool] = lambda _: False) -> None:
        self._is_better_whole = is_better_whole
        self._not_whole: LRUCache[tuple[str, str], None] = LRUCache(maxsize=_ORIGINS)
        self._kinds: LRUCache[tuple[str, str], LRUCache[Hashable, None]] = LRUCache(maxsize=_ORIGINS)
        self._instances: LRUCache[str, None] = LRUCache(maxsize=_INSTANCES)
        self._loads: dict[_Load, None] = {}

    def __len__(self) -> int:
        return len(self._loads)

    def either(
        self,
        image_id: ImageId,
        rank: RankCell,
        metadata: Observable[InstanceMetadata],
        frames: Observable[EncodedFrame],
        instance: Observable[EncodedFrame],
    ) -> Observable[EncodedFrame]:
        """A frame by itself, or out of its instance; see `cornerstream.loaders.context.Resources.either`."""

        def subscribe(observer: ObserverBase[EncodedFrame], _: SchedulerBase | None = None) -> DisposableBase:
            load = _Load(self, observer, image_id, rank, metadata, frames, instance)
            self._loads[load] = None
            load.begin()
            return load

        return Stage(subscribe)

    def knows(self, image_id: ImageId) -> bool:
        """Frames of that instance are refused, or cost more than the whole."""
        return image_id.address in self._instances or (
            self._is_better_whole(image_id) and origin_of(image_id) not in self._not_whole
        )

    def not_whole(self, image_id: ImageId) -> None:
        """That server does not let go of whole instances."""
        self._not_whole[origin_of(image_id)] = None

    def knows_some(self, image_id: ImageId) -> bool:
        """Some frames of that server are refused."""
        return origin_of(image_id) in self._kinds

    def knows_kind(self, image_id: ImageId, metadata: InstanceMetadata) -> bool:
        """Frames of that kind are refused by that server."""
        return kind_of(metadata) in self._kinds.get(origin_of(image_id), ())

    def refused(self, image_id: ImageId) -> None:
        """Frames of an instance were refused: its others need not be asked for, unless it is refused as well."""
        self._instances[image_id.address] = None
        self._tell([load for load in self._loads if load.image_id.address == image_id.address])

    def learn(self, image_id: ImageId, metadata: InstanceMetadata | None) -> None:
        """The instance was to be had."""
        kind, origin = None if metadata is None else kind_of(metadata), origin_of(image_id)
        self._instances[image_id.address] = None
        if kind is not None and kind not in self._kinds.get(origin, ()):
            self._kinds.setdefault(origin, LRUCache(maxsize=_KINDS))[kind] = None
            self._tell([load for load in self._loads if origin_of(load.image_id) == origin])

    def unlearn(self, image_id: ImageId, metadata: InstanceMetadata | None = None) -> None:
        """The instance was not to be had."""
        self._instances.pop(image_id.address, None)
        if metadata is not None:
            self._kinds.get(origin_of(image_id), LRUCache(1)).pop(kind_of(metadata), None)

    def left(self, load: _Load) -> None:
        """A load is over."""
        self._loads.pop(load, None)

    def _tell(self, loads: Sequence[_Load]) -> None:
        """Not from inside what one of them does: they let go of what they wait for."""
        if loads:
            asyncio.get_running_loop().call_soon(_look_again, loads)


class _Load(DisposableBase):
    """One load of a frame. Without an observer it has ended."""

    __slots__ = (
        "_frames",
        "_instance",
        "_look",
        "_metadata",
        "_observer",
        "_rank",
        "_refusals",
        "_said",
        "_settled",
        "_tasks",
        "_upstream",
        "image_id",
    )

    def __init__(
        self,
        refusals: Refusals,
        observer: ObserverBase[EncodedFrame],
        image_id: ImageId,
        rank: RankCell,
        metadata: Observable[InstanceMetadata],
        frames: Observable[EncodedFrame],
        instance: Observable[EncodedFrame],
    ) -> None:
        self.image_id = image_id
        self._refusals = refusals
        self._observer: ObserverBase[EncodedFrame] | None = observer
        self._rank = rank
        self._metadata = metadata
        self._frames = frames
        self._instance = instance
        self._said: InstanceMetadata | None = None
        self._settled = False  # it has gone the second way, or has tried it
        self._tasks = running_tasks.get()
        self._upstream = SerialDisposable()
        self._look = SerialDisposable()

    def begin(self) -> None:
        """Go the way that is known to lead there, else the first one."""
        if self._refusals.knows(self.image_id):
            self._go(self._second_way())
        elif self._refusals.knows_some(self.image_id):
            self._go(_or_nothing(self._metadata).pipe(concat_stage(self._chosen)))
        else:
            self._go(self._first_way())

    def look_again(self) -> None:
        """More is known than when it began; what it has not asked for yet, it may ask for in another way."""
        if not self._may_turn:
            return
        token = running_tasks.set(self._tasks)
        try:
            if self._refusals.knows(self.image_id):
                self._go(self._second_way())
            else:
                self._look.disposable = _or_nothing(self._metadata).subscribe(self._turn)
        finally:
            running_tasks.reset(token)

    @property
    def _may_turn(self) -> bool:
        trace = self._rank.trace
        sent = trace is not None and trace.stage not in _NOT_SENT
        return self._observer is not None and not self._settled and not sent

    def _turn(self, metadata: InstanceMetadata | None) -> None:
        if metadata is not None and self._may_turn and self._refusals.knows_kind(self.image_id, metadata):
            self._said = metadata
            self._go(self._second_way())

    def _go(self, way: Observable[EncodedFrame]) -> None:
        self._upstream.disposable = follow(way, self)  # what both ways wait for is not given up in between

    def dispose(self) -> None:
        self._observer = None
        self._refusals.left(self)
        self._upstream.dispose()
        self._look.dispose()

    def on_next(self, frame: EncodedFrame) -> None:
        self._settled = True
        if self._observer is not None:
            self._observer.on_next(frame)

    def on_error(self, error: Exception) -> None:
        observer = self._observer
        self.dispose()
        if observer is not None:
            observer.on_error(error)

    def on_completed(self) -> None:
        observer = self._observer
        self.dispose()
        if observer is not None:
            observer.on_completed()

    def _chosen(self, metadata: InstanceMetadata | None) -> Observable[EncodedFrame]:
        self._said = metadata
        known = metadata is not None and self._refusals.knows_kind(self.image_id, metadata)
        return self._second_way() if known else self._first_way()

    # First its frame, then the instance.

    def _first_way(self) -> Observable[EncodedFrame]:
        return self._frames.pipe(or_else(rx.defer(self._after_refusal), is_refused))

    def _after_refusal(self, _: object) -> Observable[EncodedFrame]:
        self._settled = True
        return _or_nothing(self._metadata).pipe(concat_stage(self._tried))

    def _tried(self, metadata: InstanceMetadata | None) -> Observable[EncodedFrame]:
        if metadata is not None and self.image_id.number > metadata.number_of_frames:
            return rx.throw(ImageIdError(f"the instance has frames 1 to {metadata.number_of_frames}"))
        self._refusals.refused(self.image_id)
        return self._instance.pipe(
            ops.do_action(
                lambda _: self._refusals.learn(self.image_id, metadata),
                lambda _: self._refusals.unlearn(self.image_id),
            )
        )

    # First the instance, then its frame.

    def _second_way(self) -> Observable[EncodedFrame]:
        self._settled = True
        return self._instance.pipe(or_else(self._frames, self._is_wrong, lambda _, error: error))

    def _is_wrong(self, error: Exception) -> bool:
        """It is not the way to this instance."""
        if is_refused(error):
            self._refusals.unlearn(self.image_id, self._said)
        if may_concern_one(error):
            self._refusals.not_whole(self.image_id)
        return may_concern_one(error)


def origin_of(image_id: ImageId) -> tuple[str, str]:
    """The server of an image: its scheme and authority."""
    parts = urlsplit(image_id.address)
    return parts.scheme, parts.netloc


def _or_nothing(metadata: Observable[InstanceMetadata]) -> Observable[InstanceMetadata | None]:
    nothing: Observable[InstanceMetadata | None] = rx.just(None)
    return metadata.pipe(map_stage(_optional), or_else(nothing, lambda _: True))


def _optional(metadata: InstanceMetadata) -> InstanceMetadata | None:
    return metadata


def _look_again(loads: Sequence[_Load]) -> None:
    for load in loads:
        load.look_again()
