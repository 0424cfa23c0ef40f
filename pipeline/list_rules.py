"""What holds for requests for several frames, whatever instance they are of; and what a session learns about them."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cachetools import LRUCache
from reactivex.scheduler.eventloop import AsyncIOScheduler

from cornerstream.images.errors import HttpStatusError, LimitError, SplitError, TruncatedError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from reactivex.abc import SchedulerBase

    from cornerstream.events import Recorder
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.limits import Limits
    from cornerstream.images.load_object import Progress
    from cornerstream.loaders.context import LoadContext
    from cornerstream.operators.parts import Part
    from cornerstream.ranks import RankCell
    from cornerstream.wanted import Upcoming

_URL_CHARACTERS = 4000
_REFUSALS = 3  # lists
_MANY = 16  # frames of an instance: to have them one by one costs more than the whole
_SIZES = 1024  # instances whose frame size is remembered
_EVERYBODYS = frozenset({401, 403, 407, 429, 502, 503, 504})  # statuses that are not about the frames


@dataclass(slots=True)
class ListRules:
    """What holds for all requests for several frames, and what was learnt about servers. Touched on the loop only.

    Attributes:
        limits: `list_frames` and `list_bytes` hold here.
        budget: Bytes that are kept at all; half of them may be frames that come before a stream has got to them.
        context: Makes the context of a request of its rank and of where to report bytes.
        hold: Keeps a frame that came before it was wanted.
        take: Gives such a frame back, once, if it was kept.
        cached: An image needs no request.
        recorder: Hears of the bytes of frames, and of requests that nobody waits for any more.
        scheduler: Where delays are timed; the running loop by default.
        upcoming: What streams are going to want.
        without_lists: Origins whose servers do not answer lists as they should: their scheme and authority.
        refused_lists: How many lists an origin has refused since it last answered one.
        frame_bytes: Size of the frame that came last, by instance.
    """

    limits: Limits
    budget: int
    context: Callable[[RankCell, Callable[[Progress], None]], LoadContext]
    hold: Callable[[Hashable, Part], None]
    take: Callable[[Hashable], Part | None]
    cached: Callable[[ImageId], bool]
    recorder: Recorder | None = None
    scheduler: SchedulerBase | None = None
    upcoming: list[Upcoming] = field(default_factory=list)
    without_lists: set[tuple[str, str]] = field(default_factory=set)
    refused_lists: Counter[tuple[str, str]] = field(default_factory=Counter)
    frame_bytes: LRUCache[Hashable, int] = field(default_factory=lambda: LRUCache(maxsize=_SIZES))

    @property
    def ahead_bytes(self) -> int:
        """Bytes that frames of one instance may take before a stream has got to them."""
        return min(self.limits.list_bytes * 3 // 2, self.budget // 2)

    def timing(self) -> SchedulerBase:
        """Where delays are timed."""
        return self.scheduler or AsyncIOScheduler(asyncio.get_running_loop())

    def fitting(self, key: tuple[str, str], numbers: Sequence[int], nbytes: float) -> list[int]:
        """As many of the first numbers as one request of an instance may ask for; one always fits."""
        frame_bytes = self.frame_bytes.get(key, 0)
        room = _URL_CHARACTERS - len(key[1]) - len("/frames/")
        lengths = accumulate(len(str(number)) + 1 for number in numbers)
        fits = sum(1 for count, length in enumerate(lengths, 1) if length <= room and count * frame_bytes <= nbytes)
        return list(numbers[: max(1, min(fits, self.limits.list_frames))])

    def list_refused(self, origin: tuple[str, str]) -> None:
        """A list was refused, for whatever it asked; a server that does so again and again is asked for none."""
        self.refused_lists[origin] += 1
        if self.refused_lists[origin] >= _REFUSALS:
            self.without_lists.add(origin)

    def frame_came(self, origin: tuple[str, str], *, listed: bool, doubtful: bool) -> None:
        """A frame came, in a list or alone; `doubtful`: alone it proves that a list with it was refused as a list."""
        if listed:
            self.refused_lists.pop(origin, None)
        elif doubtful:
            self.without_lists.add(origin)

    def is_better_whole(self, image_id: ImageId) -> bool:
        """A stream wants many frames of the instance, each of which would cost a request."""
        if urlsplit(image_id.address)[:2] not in self.without_lists:
            return False
        places = [upcoming.places_of(image_id.address) for upcoming in self.upcoming]
        return any(len(frames) >= _MANY and image_id.number in frames for frames in places)

    def announced(self, key: tuple[str, str], count: int, *, in_a_hurry: bool) -> Iterator[int]:
        """The frames of an instance that streams are going to want next."""
        for upcoming in self.upcoming:
            for image_id in upcoming.of(key, count, in_a_hurry=in_a_hurry):
                if not self.cached(image_id):
                    yield image_id.number


def may_concern_one(error: Exception) -> bool:
    """One of the frames may be the cause; with a server that is not there, or lets nobody in, it is not."""
    if isinstance(error, HttpStatusError):
        return error.status not in _EVERYBODYS
    return isinstance(error, SplitError | TruncatedError | LimitError)
