"""The figures of the demonstration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from cornerstream.series import Series
    from cornerstream.stats import SessionStats


@dataclass(slots=True)
class Streamed:
    """A series that streamed past.

    Attributes:
        first_image: Seconds from asking for the series to its first image.
        nbytes: Bytes of pixels.
    """

    series: Series
    sop_instance_uids: list[str] = field(default_factory=list)
    seconds: float = 0.0
    first_image: float = 0.0
    received: int = 0
    nbytes: int = 0

    @property
    def images(self) -> int:
        """Images that came."""
        return len(self.sop_instance_uids)

    @property
    def bytes_per_image(self) -> float:
        """Mean of the bytes received for one."""
        return self.received / max(1, self.images)


@dataclass(frozen=True, slots=True)
class Loads:
    """What became of loads.

    Attributes:
        spared: Bytes that the server had promised and that cancelling cut off, as the session measured them.
        unsent: Bytes that were never asked for or never answered, estimated from the mean size of the series' images.
    """

    images: int
    cancelled: int
    errors: int
    spared: int
    unsent: float

    @classmethod
    def between(cls, before: SessionStats, now: SessionStats, bytes_per_image: float) -> Self:
        """What became of the loads of a session between two looks at its figures."""
        images, cancelled = now.images - before.images, now.cancelled - before.cancelled
        spared = now.bytes_spared - before.bytes_spared
        received = now.bytes_received - before.bytes_received
        unsent = max(0.0, (images + cancelled) * bytes_per_image - received - spared)
        return cls(images, cancelled, now.errors - before.errors, spared, unsent)


@dataclass(frozen=True, slots=True)
class Act:
    """A scroll storm, or a prefetch that was cancelled.

    Attributes:
        wishes: Moves of the wheel, or images asked for.
        settled: Seconds from the last wish to what ended the act: the image shown, or nothing being loaded any more.
        complete: It ended as it should.
        shown: Images that came while their index was still the wanted one.
    """

    name: str
    wishes: int
    loads: Loads
    settled: float
    complete: bool
    shown: int = 0
