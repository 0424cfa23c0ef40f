"""Sharing by key: whoever subscribes joins the load in flight or starts it; the last one who leaves cancels it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from reactivex.scheduler import CurrentThreadScheduler

from cornerstream.images.errors import ImageLoadError, ObserverError
from cornerstream.images.metadata import ImageQuality
from cornerstream.operators.bridge import running_tasks
from cornerstream.ranks import Lane
from cornerstream.shared_load import SharedLoad

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from reactivex.abc import DisposableBase

    from cornerstream.cache import ByteCache
    from cornerstream.events import Recorder
    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.load_object import Progress
    from cornerstream.images.pixel_target import PixelTarget
    from cornerstream.images.subscriptions import Observer
    from cornerstream.members import Member
    from cornerstream.ranks import BestRank, RankCell


class Source(Protocol):
    """What a load is subscribed to: an image load object, or an observable."""

    def subscribe(self, observer: Any, /) -> DisposableBase:
        """Start it for an observer."""
        ...


class SharedLoads:
    """The loads in flight, one an image. Touched on the loop only; it needs no locks for that reason.

    Args:
        start: Makes the source of one load; gets its rank, where to report bytes, and where the pixels are wanted.
        cache: Keeps complete images.
        counters: Hears what the loads do.
        tasks: Where the tasks of loads are held.
        report: Hears of errors that a subscriber's own handlers raise.
        on_failure: Hears which images could not be had.
    """

    def __init__(
        self,
        start: Callable[[ImageId, RankCell, Callable[[Progress], None], PixelTarget | None], Source],
        cache: ByteCache[Image],
        counters: Recorder,
        tasks: set[asyncio.Task[Any]],
        report: Callable[[str, BaseException], None],
        on_failure: Callable[[ImageId], object] = lambda _: None,
    ) -> None:
        self._start = start
        self._cache = cache
        self._counters = counters
        self._tasks = tasks
        self._report = report
        self._on_failure = on_failure
        self._loads: dict[Hashable, SharedLoad] = {}
        self._idle: Callable[[], bool] | None = None
        self.closed = False

    def __len__(self) -> int:
        return len(self._loads)

    def keeps(self, image_id: ImageId) -> bool:
        """Somebody who waits for an image wants it kept."""
        load = self._loads.get(image_id)
        return load is not None and any(member.keep for member in load.members)

    def rank_of(self, image_id: ImageId) -> BestRank | None:
        """How soon the load of an image is wanted, if it is under way."""
        load = self._loads.get(image_id)
        return None if load is None else load.rank

    def join(self, member: Member) -> None:
        """Answer from the cache, or join the load of the member's image, or start it.

        After `close` the answer is an error. One who has left already, from another thread, starts nothing.
        """
        if member.observer is None:
            return
        if self.closed:
            self._end(member, ImageLoadError("the session is closed", image_id=member.image_id))
            return
        image = self._cache.get(member.image_id)
        if image is not None:
            self._counters.hit(member.image_id, read=member.reads)
            self._deliver(member, image)
            self._end(member, None)
            return
        load = self._loads.get(member.image_id)
        if load is not None:
            load.join(member)
            if load.latest is not None:
                self._deliver(member, load.latest)
            return
        self._make(member)

    def leave(self, member: Member) -> None:
        """Take a subscriber out; nothing reaches it any more. The last one out cancels the load."""
        member.observer = None
        load = self._loads.get(member.key)
        if load is None or member not in load.members:
            return
        if len(load.members) > 1:
            load.leave(member)
            return
        del self._loads[member.key]
        self._counters.cancelled(load.rank.trace)
        try:
            load.dispose()  # before its rank falls, which all that waits upstream would have to hear
        finally:
            load.leave(member)

    def close(self) -> None:
        """Cancel every load, and refuse those to come."""
        self.closed = True
        for load in tuple(self._loads.values()):
            for member in tuple(load.members):
                on_cancelled = getattr(member.observer, "on_cancelled", None)
                self.leave(member)
                if on_cancelled is not None:
                    self._guarded(member, on_cancelled)

    def _make(self, member: Member) -> None:
        """Start a load; one with a target is its member's alone."""
        if member.target is not None:
            member.key = member  # nobody else can have what is written into its memory
        load = self._loads[member.key] = SharedLoad(member.image_id, member.key, member.target, self)
        load.join(member)
        self._counters.queued(load.rank.trace, member.rank.value.lane)
        if self._is_outside():
            self._begin(load)
        else:
            # Inside somebody's subscribe Rx would put off what sources such as `just` emit until that has returned, and
            # the tasks they lead to would begin unseen by the session.
            asyncio.get_running_loop().call_soon(self._begin, load)

    def _is_outside(self) -> bool:
        """Nobody is in the middle of a subscribe of Rx, on this thread."""
        if self._idle is None:
            self._idle = CurrentThreadScheduler.singleton().get_trampoline().idle  # the loop's thread stays the same
        return self._idle()

    def _begin(self, load: SharedLoad) -> None:
        if self._loads.get(load.key) is not load:
            return  # everybody has left again
        token = running_tasks.set(self._tasks)
        try:
            source = self._start(load.image_id, load.rank, partial(self._on_progress, load), load.target)
            load.hold(source.subscribe(load))
        except Exception as error:  # noqa: BLE001 - a loader may raise anything; its subscribers hear of it
            self.end(load, error)
        finally:
            running_tasks.reset(token)

    def _on_progress(self, load: SharedLoad, progress: Progress) -> None:
        for member in tuple(load.members):
            member.rank.received = load.rank.trace.received
            if member.progress is not None:
                self._guarded(member, partial(member.progress.on_next, progress))

    def publish(self, load: SharedLoad, image: Image) -> None:
        """Hand an image on to everybody."""
        load.latest = image
        for member in tuple(load.members):
            self._deliver(member, image)

    def end(self, load: SharedLoad, error: BaseException | None) -> None:
        """A load has ended; everybody hears how."""
        if self._loads.get(load.key) is load:
            del self._loads[load.key]
        ahead, latest = load.rank.value.lane >= Lane.PREFETCH, load.latest
        members = load.let_go()
        if error is None and latest is None:
            error = ImageLoadError("the loader completed without an image")
        typed = None if error is None else _typed(error, load.image_id)
        if typed is None and latest is not None:
            self._keep(load, latest, members, ahead=ahead)
        else:
            self._on_failure(load.image_id)
        if typed is not None and members:
            self._counters.failed(load.rank.trace, typed)
        for member in members:
            self._end(member, typed)

    def _keep(self, load: SharedLoad, image: Image, members: Sequence[Member], *, ahead: bool) -> None:
        """Count a complete image, and keep it if somebody wants that."""
        keep = read = False
        for member in members:
            keep, read = keep or member.keep, read or member.reads
        kept = keep and image.quality >= ImageQuality.COMPLETE and self._cache.put(load.image_id, image, ahead=ahead)
        self._counters.completed(load.rank.trace, image, read=read, kept=kept)

    def _deliver(self, member: Member, image: Image) -> None:
        """Hand an image on.

        One whose on_next raises hears of that by its on_error, and leaves; the others go on undisturbed.
        """
        observer = member.observer
        if observer is None:
            return
        try:
            wanted = image if member.target is None else image.placed(member.target)
        except ImageLoadError as error:
            self._refuse(member, observer, error)
            return
        try:
            observer.on_next(wanted)
        except Exception as error:  # noqa: BLE001 - whatever a subscriber raises is its own to hear of
            failure = ObserverError(f"on_next raised {type(error).__name__}: {error}", image_id=member.image_id)
            failure.__cause__ = error
            self._refuse(member, observer, failure)

    def _refuse(self, member: Member, observer: Observer[Image], error: ImageLoadError) -> None:
        """End one subscriber with an error of its own."""
        self.leave(member)
        member.observer = observer
        self._end(member, error)

    def _end(self, member: Member, error: ImageLoadError | None) -> None:
        observer, member.observer = member.observer, None
        if observer is not None:
            if member.progress is not None:
                self._guarded(member, member.progress.on_completed)
            self._guarded(member, observer.on_completed if error is None else partial(observer.on_error, error))

    def _guarded(self, member: Member, tell: Callable[[], None]) -> None:
        """One subscriber's handlers cannot disturb the others: what they raise, and no on_error hears, is reported."""
        try:
            tell()
        except Exception as raised:  # noqa: BLE001 - the loads must outlive any handler; the report makes it heard
            self._report(f"{member.image_id.shown}: a subscriber's handler raised, or there was no on_error", raised)


def _typed(error: BaseException, image_id: ImageId) -> ImageLoadError:
    """Every error about an image is an ImageLoadError that names it, whatever a loader raised."""
    if isinstance(error, ImageLoadError):
        return error.about(image_id)
    typed = ImageLoadError(f"its loader raised {error!r}", image_id=image_id)
    typed.__cause__ = error
    return typed
