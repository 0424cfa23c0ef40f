"""What happens in a session, as small values: for displays, logs and tests of those who use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cornerstream.listeners import Listeners

if TYPE_CHECKING:
    from collections.abc import Hashable

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.loop_host import LoopHost
    from cornerstream.ranks import Lane
    from cornerstream.traces import Stage, Trace


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """Something that happened to an image; the image id may tell a patient from another, so mind where it goes."""

    image_id: ImageId


@dataclass(frozen=True, slots=True)
class LoadQueued(SessionEvent):
    """Its load began: it is not in the cache, and nobody was loading it."""

    lane: Lane


@dataclass(frozen=True, slots=True)
class LoadStarted(SessionEvent):
    """Its load got its first slot of a lane, or what it waits for did."""


@dataclass(frozen=True, slots=True)
class FirstByte(SessionEvent):
    """The first bytes of a body came, of its own or of one that it shares; once a response."""


@dataclass(frozen=True, slots=True)
class Received(SessionEvent):
    """A body of its own, or its share of one, is complete.

    Attributes:
        nbytes: Bytes of the load so far.
    """

    nbytes: int


@dataclass(frozen=True, slots=True)
class Decoded(SessionEvent):
    """Its load is complete.

    Attributes:
        nbytes: Bytes of the decoded image.
    """

    nbytes: int


@dataclass(frozen=True, slots=True)
class Cached(SessionEvent):
    """The image went into the cache.

    Attributes:
        nbytes: Bytes of the decoded image.
    """

    nbytes: int


@dataclass(frozen=True, slots=True)
class Evicted(SessionEvent):
    """The image left the cache to make room."""


@dataclass(frozen=True, slots=True)
class CacheHit(SessionEvent):
    """A subscriber got the image out of the cache."""


@dataclass(frozen=True, slots=True)
class Cancelled(SessionEvent):
    """Its load lost its last subscriber.

    Attributes:
        stage: Where it was.
        nbytes: Bytes that had been received for it.
    """

    stage: Stage
    nbytes: int


@dataclass(frozen=True, slots=True)
class Failed(SessionEvent):
    """Its load ended in an error.

    Attributes:
        error: The error's class; the error itself is its subscribers'.
    """

    error: type[BaseException]


class Recorder(Protocol):
    """Hears what the loads and the lanes do; each hook is one call of one of these."""

    def queued(self, trace: Trace, lane: Lane) -> None:
        """A load begins."""
        ...

    def hit(self, image_id: ImageId, *, read: bool) -> None:
        """The cache answers; `read` says whether somebody looks at the image."""
        ...

    def requested(self, trace: Trace, waited: float) -> None:
        """A request is sent, after so many seconds of waiting for its slot."""
        ...

    def chunk(self, trace: Trace, nbytes: int, *, first: bool) -> None:
        """Bytes of a body came."""
        ...

    def received(self, trace: Trace) -> None:
        """A body, or a frame of one that is shared, is complete."""
        ...

    def worked_on(self, trace: Trace, waited: float) -> None:
        """A worker begins, after so many seconds of waiting for its slot."""
        ...

    def completed(self, trace: Trace, image: Image, *, read: bool, kept: bool) -> None:
        """A load ends with its image; `kept` says whether that is in the cache now."""
        ...

    def evicted(self, key: Hashable) -> None:
        """An image leaves the cache to make room."""
        ...

    def cancelled(self, trace: Trace) -> None:
        """A load loses its last subscriber; its upstream is still as it was."""
        ...

    def given_up(self, trace: Trace) -> None:
        """A shared fetch loses the last one who waited for it."""
        ...

    def in_vain(self, nbytes: int) -> None:
        """Bytes came in the answer to a shared fetch that nobody wants."""
        ...

    def failed(self, trace: Trace, error: BaseException) -> None:
        """A load ends in an error."""
        ...


class Events:
    """Hands events to subscribers: in order, on the loop, after the turn in which they happened.

    ::

        session   queued────started────first byte──received──decoded──cached
        events    ──queued────started────first byte──received──decoded──cached──┄ completes when the session is closed

    Nothing is made, and nothing kept, while nobody is subscribed.

    Args:
        host: The session's loop.
    """

    def __init__(self, host: LoopHost) -> None:
        self._host = host
        self._listeners: Listeners[SessionEvent] = Listeners(host, self._on_change)
        self._waiting: list[SessionEvent] = []
        self._closed = False
        self.observable = self._listeners.observable

    @property
    def heard(self) -> bool:
        """Somebody is subscribed."""
        return self._listeners.heard

    def tell(self, event: SessionEvent) -> None:
        """Hand an event on in the next turn of the loop, so that whoever hears it may do with the session what he likes."""
        if not self._waiting:
            self._host.loop.call_soon(self._hand_on)
        self._waiting.append(event)

    def close(self) -> None:
        """Hand on what waits, and complete."""
        self._hand_on()
        self._closed = True
        self._listeners.complete()

    def _on_change(self, _: object) -> None:
        if self._closed:
            self._listeners.complete()

    def _hand_on(self) -> None:
        events, self._waiting = self._waiting, []
        for event in events:
            self._listeners.tell(event)
