"""An image that somebody holds in memory, for as long as it is held."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from reactivex.abc import DisposableBase

from cornerstream.images.errors import FetchError
from cornerstream.images.image_id import ImageId
from cornerstream.images.stage import Stage, follow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reactivex import Observable
    from reactivex.abc import ObserverBase, SchedulerBase

    from cornerstream.images.array_frames import ArrayFrames
    from cornerstream.images.errors import ImageLoadError
    from cornerstream.operators.held_bytes import HeldBytes, HeldFileObject

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class HeldImage:
    """What was given, and the loads that want it. Touched on its session's loop only, once it has been given.

    Attributes:
        name: The address of its image ids.
        source: An array, or what holds a file.
        attributes: What the caller knows of a file beyond what it says.
        asked: Frame numbers that were loaded, so that their images can be forgotten.
        removed: It is held no longer.
    """

    name: str
    source: ArrayFrames | HeldBytes | HeldFileObject
    attributes: Mapping[str, Any] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)
    removed: bool = False
    _loads: set[_WhileHeld[Any]] = field(default_factory=set)

    @property
    def index_key(self) -> tuple[str, HeldImage]:
        """Under which the index of its file is shared; another image of the same name has another one."""
        return "memory", self

    def image_ids(self) -> tuple[ImageId, ...]:
        """Of the frames that were loaded."""
        return tuple(ImageId("memory", self.name, number) for number in self.asked)

    def remove(self) -> None:
        """Hold it no longer: the loads that want it fail."""
        self.removed = True
        while self._loads:
            self._loads.pop().give_up()

    def while_held(self) -> Callable[[Observable[T]], Observable[T]]:
        """End in an error when the image is removed.

        ::

            source   ──a───────b──|
            removed  ──────x
            result   ──a───#           its source is disposed

        Order and time are the source's; dispose is the source's.
        """

        def operator(source: Observable[T]) -> Observable[T]:
            def subscribe(observer: ObserverBase[T], scheduler: SchedulerBase | None = None) -> DisposableBase:
                run = _WhileHeld(observer, self._loads)
                if self.removed:
                    run.give_up()
                else:
                    self._loads.add(run)
                    run.hold(follow(source, run, scheduler))
                return run

            return Stage(subscribe)

        return operator


def not_held(name: str) -> ImageLoadError:
    """The error of an image that is not held, or not any more."""
    return FetchError(
        f"no image {name!r} is in this session's memory (any more): session.memory.add(…) gives its image id"
    )


class _WhileHeld(DisposableBase, Generic[T]):
    """One subscription; silent after its first end."""

    __slots__ = ("_observer", "_runs", "_upstream")

    def __init__(self, observer: ObserverBase[T], runs: set[_WhileHeld[Any]]) -> None:
        self._observer: ObserverBase[T] | None = observer
        self._runs = runs
        self._upstream: DisposableBase | None = None

    def hold(self, upstream: DisposableBase) -> None:
        """Keep what disposes the source, which may have ended already."""
        if self._observer is None:
            upstream.dispose()
        else:
            self._upstream = upstream

    def dispose(self) -> None:
        self._end()

    def give_up(self) -> None:
        """What was held is not any more."""
        observer = self._end()
        if observer is not None:
            observer.on_error(FetchError("it was removed from the session's memory while it was loaded; add it again"))

    def on_next(self, value: T) -> None:
        if self._observer is not None:
            self._observer.on_next(value)

    def on_error(self, error: Exception) -> None:
        observer = self._end()
        if observer is not None:
            observer.on_error(error)

    def on_completed(self) -> None:
        observer = self._end()
        if observer is not None:
            observer.on_completed()

    def _end(self) -> ObserverBase[T] | None:
        observer, self._observer = self._observer, None
        upstream, self._upstream = self._upstream, None
        self._runs.discard(self)
        if upstream is not None:
            upstream.dispose()
        return observer
