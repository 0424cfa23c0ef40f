"""How far a stream is: images, bytes, bytes a second and the time left."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp
from time import perf_counter
from typing import TYPE_CHECKING

from reactivex.disposable import Disposable, SerialDisposable

from cornerstream.listeners import Listeners

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex.abc import ObserverBase, SchedulerBase

    from cornerstream.loop_host import LoopHost

_SMOOTHING_SECONDS = 3.0  # what is so long ago counts for a third
_TICK_SECONDS = 0.25  # bytes that come between two images are told so often


@dataclass(frozen=True, slots=True)
class StreamProgress:
    """How far a run of a stream is.

    Attributes:
        images_total: Images to come in all; `None` while a study is still being listed.
        images_done: Images handed over.
        images_failed: Images that could not be had, whether they were handed over as failures or skipped.
        images_ahead: Loads that are under way, or wait to be read; after a run was left, those it cancelled.
        pixel_bytes: Bytes of the decoded images handed over.
        bytes_received: Encoded bytes that came over the network for its images, those under way included. What several
            images share counts for the one that gets it; what was in the cache or in a file costs none.
        bytes_per_second: Of those, of late.
        seconds: Since the run began.
        seconds_left: Until its last image at the pace of late; `None` while that is not known.
    """

    images_total: int | None = None
    images_done: int = 0
    images_failed: int = 0
    images_ahead: int = 0
    pixel_bytes: int = 0
    bytes_received: int = 0
    bytes_per_second: float = 0.0
    seconds: float = 0.0
    seconds_left: float | None = None


class Pace:
    """How fast something grows: the mean of late, where what is long ago fades.

    Args:
        now: Seconds, by whatever clock.
    """

    __slots__ = ("_grown", "_last", "_span", "_total")

    def __init__(self, now: float) -> None:
        self._last = now
        self._total = 0.0
        self._grown = 0.0
        self._span = 0.0

    def at(self, now: float, total: float) -> float:
        """What it grew by a second, of late; 0 before any time has passed."""
        passed = max(0.0, now - self._last)
        fading = exp(-passed / _SMOOTHING_SECONDS)
        self._grown = self._grown * fading + total - self._total
        self._span = self._span * fading + passed
        self._last, self._total = now, total
        return self._grown / self._span if self._span else 0.0


class Meter:
    """Measures one run. Touched on the loop only.

    Args:
        clock: Seconds.
        bytes_under_way: Bytes received for the loads ahead, now.
    """

    def __init__(self, clock: Callable[[], float], bytes_under_way: Callable[[], int]) -> None:
        self._clock = clock
        self._bytes_under_way = bytes_under_way
        self._began = clock()
        self._bytes = Pace(self._began)
        self._images = Pace(self._began)
        self.total: int | None = None
        self.done = 0
        self.failed = 0
        self.ahead = 0
        self.pixel_bytes = 0
        self.received = 0

    def look(self) -> StreamProgress:
        """How far the run is now."""
        now, received, ended = self._clock(), self.received + self._bytes_under_way(), self.done + self.failed
        images_per_second = self._images.at(now, ended)
        left = None if self.total is None else self.total - ended
        return StreamProgress(
            images_total=self.total,
            images_done=self.done,
            images_failed=self.failed,
            images_ahead=self.ahead,
            pixel_bytes=self.pixel_bytes,
            bytes_received=received,
            bytes_per_second=self._bytes.at(now, received),
            seconds=now - self._began,
            seconds_left=None if left is None or not images_per_second else left / images_per_second,
        )

    def counted(self, last: StreamProgress) -> StreamProgress:
        """What was seen last, with what is counted without looking; from any thread."""
        return replace(
            last,
            images_total=self.total,
            images_done=self.done,
            images_failed=self.failed,
            images_ahead=self.ahead,
            pixel_bytes=self.pixel_bytes,
            bytes_received=max(last.bytes_received, self.received),
        )


class ProgressBoard:
    """Shows the progress of the run that began last, to whoever looks.

    ::

        run       ──begin──────image──────image──|
        progress  ──p──────p─────p───p──────p───p|      after every image, and four times a second

    Args:
        host: The session's loop.
        scheduler: Whose clock counts, and whose timer tells of bytes between two images.
    """

    def __init__(self, host: LoopHost, scheduler: SchedulerBase) -> None:
        self._host = host
        self._scheduler = scheduler
        self._listeners: Listeners[StreamProgress] = Listeners(host, self._on_change)
        self._meter: Meter | None = None
        self._last = StreamProgress()
        self._looked = 0.0
        self._ended = False
        self._tick = SerialDisposable()
        self.observable = self._listeners.observable

    @property
    def now(self) -> StreamProgress:
        """How far the run is; from another thread than the loop's, its bytes and its pace as they were a moment ago."""
        meter = self._meter
        if meter is None or self._ended:
            return self._last
        if not self._host.is_current():
            return meter.counted(self._last)
        self._last = meter.look()
        return self._last

    def begin(self, bytes_under_way: Callable[[], int]) -> Meter:
        """A run begins; its meter."""
        self._meter, self._ended = Meter(self._clock, bytes_under_way), False
        self._look(self._meter)
        self._watch()
        return self._meter

    def changed(self, meter: Meter) -> None:
        """A meter stands elsewhere. While nobody listens it is looked at now and then: that costs more than a small image."""
        heard = self._listeners.heard or perf_counter() - self._looked > _TICK_SECONDS
        if heard and meter is self._meter and not self._ended:
            self._look(meter)

    def end(self, meter: Meter) -> None:
        """A run is over, however."""
        if meter is self._meter and not self._ended:
            self._look(meter)
            self._ended = True
            self._listeners.complete()
            self._watch()

    def _look(self, meter: Meter) -> None:
        self._looked = perf_counter()
        self._last = meter.look()
        self._listeners.tell(self._last)

    def _clock(self) -> float:
        return self._scheduler.to_seconds(self._scheduler.now)

    def _on_change(self, newcomer: ObserverBase[StreamProgress] | None) -> None:
        if newcomer is not None:
            self._listeners.tell_one(newcomer, self.now)
        if self._ended:
            self._listeners.complete()
        self._watch()

    def _watch(self) -> None:
        """Tell of bytes now and then, while there is somebody to be told."""
        meter = self._meter
        if meter is None or self._ended or not self._listeners.heard:
            self._tick.disposable = Disposable()
            return

        def look(*_: object) -> None:
            self.changed(meter)
            self._watch()

        self._tick.disposable = self._scheduler.schedule_relative(_TICK_SECONDS, look)
