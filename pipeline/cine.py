"""Cine: the clock that moves a scroll on by itself."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Literal, TypeAlias

from reactivex.disposable import SerialDisposable

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex.abc import SchedulerBase

Drop: TypeAlias = Literal["late", "never"]


def due_index(first: int, steps: int, count: int, *, loop: bool) -> int | None:
    """The index so many steps behind the first; `None` behind the end of a series that is not looped.

    >>> due_index(8, 3, 10, loop=True), due_index(8, 3, 10, loop=False)
    (1, None)
    """
    index = first + steps
    return index % count if loop or index < count else None


def indexes_ahead(position: int, count: int, reach: int, *, loop: bool) -> list[int]:
    """The position and the indexes that follow it, each once.

    >>> indexes_ahead(8, 10, 3, loop=True), indexes_ahead(8, 10, 3, loop=False)
    ([8, 9, 0, 1], [8, 9])
    """
    steps = range(min(reach + 1, count))
    return [index for step in steps if (index := due_index(position, step, count, loop=loop)) is not None]


class Cine:
    """Plays: moves on by the clock. Touched on the loop only.

    With `drop="late"` the index follows the clock, and an image that is not there in time is never shown. With
    `drop="never"` every image is shown: the clock waits for it, and goes on from there.

    Args:
        scheduler: The clock.
        move: Goes to an index.
        on_end: Called behind the last image, if it is not looped.
        count: Images.
        first: The index to begin with.
        fps: Images a second, greater than 0.
        loop: Begin again behind the last image.
        drop: What becomes of images that are late.

    Attributes:
        fps: As given.
        loop: As given.
        waits_for_all: No image is dropped.
    """

    def __init__(  # noqa: PLR0913 - all of them are the viewer's choice
        self,
        scheduler: SchedulerBase,
        move: Callable[[int], None],
        on_end: Callable[[], None],
        *,
        count: int,
        first: int,
        fps: float,
        loop: bool,
        drop: Drop,
    ) -> None:
        self.fps = fps
        self.loop = loop
        self.waits_for_all = drop == "never"
        self._scheduler = scheduler
        self._move = move
        self._count = count
        self._on_end = on_end
        self._first, self._steps = first, 0
        self._began = self._due = 0.0
        self._waits = False  # for the image of the index
        self._timer = SerialDisposable()

    def start(self) -> None:
        """Begin with the first index, now."""
        self._began = self._due = self._now()
        self._go(self._first)

    def jump(self, index: int) -> None:
        """Go on from another index, which is shown now."""
        self._first, self._steps = index, 0
        self._began = self._due = self._now()
        self._waits = True
        self._schedule()

    def stop(self) -> None:
        """Do not go on."""
        self._timer.dispose()

    def shown(self) -> None:
        """The image of the index is shown, or cannot be had."""
        if self._waits:
            self._waits = False
            if self.waits_for_all and self._now() > self._due:
                self._due = self._now()
                self._schedule()

    def _now(self) -> float:
        return self._scheduler.to_seconds(self._scheduler.now)

    def _next_due(self) -> float:
        return self._due + 1 / self.fps

    def _schedule(self) -> None:
        wait = max(0.0, self._next_due() - self._now())
        self._timer.disposable = self._scheduler.schedule_relative(wait, lambda *_: self._tick())

    def _tick(self) -> None:
        if self.waits_for_all:
            if self._waits:
                return  # `shown` goes on
            self._steps, self._due = self._steps + 1, self._next_due()
        else:
            self._steps = max(self._steps + 1, floor((self._now() - self._began) * self.fps + 1e-6))
            self._due = self._began + self._steps / self.fps
        index = due_index(self._first, self._steps, self._count, loop=self.loop)
        if index is None:
            self._on_end()
        else:
            self._go(index)

    def _go(self, index: int) -> None:
        self._waits = True
        self._schedule()
        self._move(index)
