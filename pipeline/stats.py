"""Figures of a session, live."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cornerstream.events import (
    Cached,
    CacheHit,
    Cancelled,
    Decoded,
    Events,
    Evicted,
    Failed,
    FirstByte,
    LoadQueued,
    LoadStarted,
    Received,
)
from cornerstream.images.image_id import ImageId
from cornerstream.summaries import Sketch, Summary
from cornerstream.traces import Stage

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from cornerstream.images.image import Image
    from cornerstream.ranks import Lane
    from cornerstream.traces import Trace

_MOST_STAGES = 32  # a loader may name its stages as it likes


@dataclass(frozen=True, slots=True)
class SessionStats:
    """What a session did and does; a snapshot.

    Attributes:
        images: Images completed.
        errors: Loads that ended in an error.
        cancelled: Loads that lost their last subscriber before they ended.
        running: Loads in flight, waiting ones included.
        requests: Requests sent.
        open_requests: Responses open now.
        queued_requests: Requests that wait for a network slot.
        busy_workers: Functions running on workers, abandoned ones included.
        queued_work: Functions that wait for a worker.
        bytes_received: Body bytes that came.
        bytes_spared: Body bytes that servers had promised (Content-Length) and that cancelling left unsent or unread.
        cache_hits: Subscriptions answered by the cache.
        cached_bytes: Bytes of decoded images kept.
        frame_hits: Loads that a kept encoded frame spared a request.
        frame_bytes: Bytes of encoded frames kept.
        file_bytes: Bytes of files and metadata kept.
        disk_hits: Answers that the disk cache had.
        refused: Images loaded ahead that were not kept, since nearer ones would have had to go.
        tasks: Tasks of the session on its loop.
        evictions: Images that left the cache to make room.
        cancelled_at: The cancelled loads by the stage they were at.
        bytes_cancelled: Body bytes received for loads, or for fetches shared by loads, that were cancelled.
        bytes_wasted: Body bytes received for images that only prefetch has had so far, or that nobody wanted.
        network_wait: Seconds that requests waited for a slot.
        worker_wait: Seconds that functions waited for a worker.
        stages: Seconds by stage of the images that came (`Image.timings`: fetch, decompress, to_rgb, …).
    """

    images: int = 0
    errors: int = 0
    cancelled: int = 0
    running: int = 0
    requests: int = 0
    open_requests: int = 0
    queued_requests: int = 0
    busy_workers: int = 0
    queued_work: int = 0
    bytes_received: int = 0
    bytes_spared: int = 0
    cache_hits: int = 0
    cached_bytes: int = 0
    frame_hits: int = 0
    frame_bytes: int = 0
    file_bytes: int = 0
    disk_hits: int = 0
    refused: int = 0
    tasks: int = 0
    evictions: int = 0
    cancelled_at: Mapping[Stage, int] = field(default_factory=dict)
    bytes_cancelled: int = 0
    bytes_wasted: int = 0
    network_wait: Summary = field(default_factory=Summary)
    worker_wait: Summary = field(default_factory=Summary)
    stages: Mapping[str, Summary] = field(default_factory=dict)


class Counters:
    """The running counts behind `SessionStats`, and the source of the session's events. Touched on the loop only.

    It is the session's `Recorder`; what each method hears of is said there.

    Args:
        events: Where events go while somebody listens; `None` makes none.
    """

    def __init__(self, events: Events | None = None) -> None:
        self.images = 0
        self.errors = 0
        self.cancelled_at: Counter[Stage] = Counter()
        self.requests = 0
        self.bytes_received = 0
        self.bytes_spared = 0
        self.bytes_cancelled = 0
        self.bytes_wasted = 0
        self.network_wait = Sketch()
        self.worker_wait = Sketch()
        self.stages: defaultdict[str, Sketch] = defaultdict(Sketch)
        self._events = events
        self._unread: dict[Hashable, int] = {}  # what is in the cache and only prefetch has had, and the bytes of that

    def queued(self, trace: Trace, lane: Lane) -> None:
        """See `Recorder`."""
        if self._events is not None and self._events.heard and trace.image_id is not None:
            self._events.tell(LoadQueued(trace.image_id, lane))

    def hit(self, image_id: ImageId, *, read: bool) -> None:
        """See `Recorder`."""
        if read and self._unread:
            self.bytes_wasted -= self._unread.pop(image_id, 0)
        if self._events is not None and self._events.heard:
            self._events.tell(CacheHit(image_id))

    def requested(self, trace: Trace, waited: float) -> None:
        """See `Recorder`."""
        self.requests += 1
        self.network_wait.add(waited)
        trace.at = Stage.CONNECTING
        self._started(trace)

    def chunk(self, trace: Trace, nbytes: int, *, first: bool) -> None:
        """See `Recorder`."""
        self.bytes_received += nbytes
        trace.received += nbytes
        if first and self._events is not None and self._events.heard:
            for load in trace.loads():
                if load.image_id is not None:
                    self._events.tell(FirstByte(load.image_id))

    def received(self, trace: Trace) -> None:
        """See `Recorder`."""
        if self._events is not None and self._events.heard and trace.image_id is not None:
            self._events.tell(Received(trace.image_id, trace.received))

    def worked_on(self, trace: Trace, waited: float) -> None:
        """See `Recorder`."""
        self.worker_wait.add(waited)
        trace.at = Stage.DECODING
        self._started(trace)

    def completed(self, trace: Trace, image: Image, *, read: bool, kept: bool) -> None:
        """See `Recorder`."""
        self.images += 1
        for name, seconds in image.timings.items():
            if name in self.stages or len(self.stages) < _MOST_STAGES:
                self.stages[name].add(seconds)
        if not read:
            self.bytes_wasted += trace.received
            if kept:
                self._unread[image.image_id] = trace.received
        if self._events is not None and self._events.heard:
            self._events.tell(Decoded(image.image_id, image.nbytes))
            if kept:
                self._events.tell(Cached(image.image_id, image.nbytes))

    def evicted(self, key: Hashable) -> None:
        """See `Recorder`."""
        self._unread.pop(key, None)  # it stays wasted
        if self._events is not None and self._events.heard and isinstance(key, ImageId):
            self._events.tell(Evicted(key))

    def cancelled(self, trace: Trace) -> None:
        """See `Recorder`."""
        stage = trace.stage
        self.cancelled_at[stage] += 1
        self.bytes_cancelled += trace.received
        if self._events is not None and self._events.heard and trace.image_id is not None:
            self._events.tell(Cancelled(trace.image_id, stage, trace.received))

    def given_up(self, trace: Trace) -> None:
        """See `Recorder`."""
        self.bytes_cancelled += trace.received

    def in_vain(self, nbytes: int) -> None:
        """See `Recorder`."""
        self.bytes_wasted += nbytes

    def failed(self, trace: Trace, error: BaseException) -> None:
        """See `Recorder`."""
        self.errors += 1
        if self._events is not None and self._events.heard and trace.image_id is not None:
            self._events.tell(Failed(trace.image_id, type(error)))

    def added_to(self, stats: SessionStats) -> SessionStats:
        """The figures with these counts; called from any thread, so that they may be a moment old."""
        return replace(
            stats,
            images=self.images,
            errors=self.errors,
            cancelled=self.cancelled_at.total(),
            requests=self.requests,
            bytes_received=self.bytes_received,
            bytes_spared=self.bytes_spared,
            cancelled_at=dict(self.cancelled_at),
            bytes_cancelled=self.bytes_cancelled,
            bytes_wasted=self.bytes_wasted,
            network_wait=self.network_wait.summary(),
            worker_wait=self.worker_wait.summary(),
            stages={name: sketch.summary() for name, sketch in tuple(self.stages.items())},
        )

    def _started(self, trace: Trace) -> None:
        """Each load hears once that it, or what it waits for, has a slot."""
        if self._events is None or not self._events.heard:
            return
        for load in trace.loads():
            if not load.started and load.image_id is not None:
                load.started = True
                self._events.tell(LoadStarted(load.image_id))
