"""What holds for retrievals of whole series, whichever they are; and what a session learns about them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

from cornerstream.retrieval_plan import RetrievalCase

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from cornerstream.events import Recorder
    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.load_object import Progress
    from cornerstream.link import LinkEstimate
    from cornerstream.loaders.context import LoadContext
    from cornerstream.ranks import RankCell
    from cornerstream.wanted import SeriesAhead, Upcoming

    SeriesKey = tuple[str, str]

_SEEN = 8  # images that must have come from an origin one by one, for their size and its link to be known
_NEAR = 25e6  # bytes a second, from request to last byte: whatever is so near needs no second look


@dataclass(slots=True)
class SeriesRules:
    """What holds for all retrievals of series, and what was learnt about servers. Touched on the loop only.

    Attributes:
        room: Bytes that frames may take before a stream has got to them.
        context: Makes the context of a retrieval of its rank and of where to report bytes.
        hold: Keeps a frame that came before it was wanted, with its bytes.
        take: Gives such a frame back, once, if it was kept.
        cached: An image needs no request.
        link: The link of a URL's origin, and how many requests may be under way to it.
        recorder: Hears of the bytes of frames, and of those that nobody wanted.
        upcoming: What streams and prefetches are going to want.
        refused: Origins whose servers do not answer as they should, and series that did not come whole.
        came: Images that came one by one, by origin.
        rates: Bytes a second that came one by one, by origin: what is known of a link that no requests have filled.
        held: Bytes of frames that came before they were wanted.
        clock: Seconds.
    """

    room: int
    context: Callable[[RankCell, Callable[[Progress], None]], LoadContext]
    hold: Callable[[Hashable, EncodedFrame, int], None]
    take: Callable[[Hashable], EncodedFrame | None]
    cached: Callable[[ImageId], bool]
    link: Callable[[str], tuple[LinkEstimate, int]]
    recorder: Recorder | None = None
    upcoming: list[Upcoming] = field(default_factory=list)
    refused: set[Hashable] = field(default_factory=set)
    came: Counter[Hashable] = field(default_factory=Counter)
    rates: dict[Hashable, float] = field(default_factory=dict)
    held: int = 0
    clock: Callable[[], float] = perf_counter

    def measured(self, origin: Hashable, nbytes: int, seconds: float) -> None:
        """So many bytes came in so many seconds; the most counts: what else took its time then is not the link's."""
        if seconds > 0:
            self.rates[origin] = max(self.rates.get(origin, 0.0), nbytes / seconds)

    def announced(self, key: SeriesKey) -> Iterator[tuple[Upcoming, SeriesAhead]]:
        """Who is going to want images of a series, and which."""
        for upcoming in self.upcoming:
            ahead = upcoming.by_series.get(key)
            if ahead is not None:
                yield upcoming, ahead

    def later(self, key: SeriesKey) -> Iterator[str]:
        """The images of a series that streams have not got to and that are not here, by SOP Instance UID, the last first."""
        for upcoming, ahead in self.announced(key):
            for uid, (index, image_id) in reversed(ahead.images.items()):
                if index < upcoming.position:
                    break
                if not self.cached(image_id):
                    yield uid

    def comes_later(self, key: SeriesKey, uid: str) -> bool:
        """A stream is going to want an image, and has not got to it."""
        for upcoming, ahead in self.announced(key):
            index, image_id = ahead.images.get(uid, (-1, None))
            if image_id is not None and index >= upcoming.position and not self.cached(image_id):
                return True
        return False

    def knows_enough(self, key: SeriesKey, origin: Hashable) -> bool:
        """Enough images came one by one to tell whether they had better come together, and nothing speaks against it."""
        enough = self.came[origin] >= _SEEN or self.rates.get(origin, 0.0) >= _NEAR
        return enough and origin not in self.refused and key not in self.refused

    def case(self, key: SeriesKey, origin: Hashable, missing: int, average: float) -> RetrievalCase:
        """What is known about a series of which so many images are missing, of so many bytes as far as that was seen."""
        link, slots = self.link(key[1])
        found = [ahead for _, ahead in self.announced(key)]
        total = max((ahead.total or len(ahead.images) for ahead in found), default=0)
        image_bytes = average or max((ahead.image_bytes for ahead in found), default=0)
        room = self.room - self.held
        rate = link.rate or self.rates.get(origin, 0.0)
        return RetrievalCase(missing, max(total, missing), image_bytes, room, slots, link.latency, rate)
