"""What a load is doing: the stage it is at and the bytes it received, kept where the lanes can reach it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cornerstream.images.image_id import ImageId


class Stage(StrEnum):
    """Where a load is; what it waits for counts as its own."""

    ELSEWHERE = "elsewhere"  # between two stages, waiting to try again, or in a loader that uses no lane
    NETWORK_QUEUE = "queued for network"
    CONNECTING = "connecting"  # the request is sent, its header has not come
    BODY = "body"
    WORKER_QUEUE = "queued for worker"
    DECODING = "decoding"


_ORDER = {stage: place for place, stage in enumerate(Stage)}


class Resting(Protocol):
    """A request under way that can make room for others while nobody reads its answer."""

    def rest(self) -> None:
        """Take no slot."""
        ...

    def go_on(self) -> None:
        """Take one again, even if all are taken."""
        ...


class Trace:
    """The stage and the bytes of one load, or of one fetch that several loads share. Touched on the loop only.

    Every byte belongs to one trace: that of the load, or of the shared fetch until it hands a frame over.

    Args:
        image_id: The image of a load; `None` for a shared fetch.

    Attributes:
        at: The stage of its own work; `None` between two.
        received: Bytes of bodies that are its own.
        started: It has had a slot of a lane, or what it waits for has.
        passage: Its request under way, which may rest.
    """

    __slots__ = ("_waited_by", "_waits_for", "at", "image_id", "passage", "received", "started")

    def __init__(self, image_id: ImageId | None = None) -> None:
        self.image_id = image_id
        self.at: Stage | None = None
        self.received = 0
        self.started = False
        self.passage: Resting | None = None
        self._waits_for: dict[Trace, None] = {}
        self._waited_by: dict[Trace, None] = {}

    @property
    def stage(self) -> Stage:
        """The stage of its own work, else the furthest one of what it waits for."""
        if self.at is not None:
            return self.at
        return max((other.stage for other in self._waits_for), key=_ORDER.__getitem__, default=Stage.ELSEWHERE)

    def staying(self, stage: Stage) -> _Stay:
        """Be at a stage inside the context, and at those that are set in it; at none afterwards."""
        self.at = stage
        return _Stay(self)

    def rest(self) -> None:
        """Its answer is not read on for now: its reader has no room."""
        if self.passage is not None:
            self.passage.rest()

    def go_on(self) -> None:
        """Its answer is read on."""
        if self.passage is not None:
            self.passage.go_on()

    def loads(self) -> Iterator[Trace]:
        """The loads it works for: itself, or those that wait for it."""
        if self.image_id is not None:
            yield self
        for other in tuple(self._waited_by):
            yield from other.loads()

    def follow(self, other: Trace) -> None:
        """Wait for a shared fetch."""
        self._waits_for[other] = None
        other._waited_by[self] = None

    def unfollow(self, other: Trace) -> None:
        """Wait for it no longer."""
        self._waits_for.pop(other, None)
        other._waited_by.pop(self, None)

    def hand_over(self, other: Trace, nbytes: int) -> None:
        """Let bytes belong to another trace from now on; at most as many as there are."""
        moved = min(nbytes, self.received)
        self.received -= moved
        other.received += moved


class _Stay:
    """Leaves whatever stage a trace is at."""

    __slots__ = ("_trace",)

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def __enter__(self) -> None:
        """The stage is set already."""

    def __exit__(self, *_: object) -> None:
        self._trace.at = None
