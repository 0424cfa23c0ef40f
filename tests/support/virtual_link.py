"""A link in virtual time: latency, bytes a second shared by all answers, and requests at once."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from reactivex import Observable
from reactivex.disposable import Disposable, SerialDisposable
from reactivex.subject import Subject

from cornerstream.cache import ByteCache
from cornerstream.images.load_object import Progress
from cornerstream.ranks import Lane, Rank
from cornerstream.scroll import Scroll
from cornerstream.wishes import WishBoard
from tests.support.fakes import make_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex.abc import DisposableBase, ObserverBase
    from reactivex.testing import TestScheduler

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.policies import PrefetchPolicy
    from cornerstream.series import Series


class HereAndNow:
    """A loop host for tests without a loop."""

    loop: Any = None

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Call at once."""
        function(*args)


class VirtualLoad:
    """A load of a virtual link, as far as wish lists use one."""

    def __init__(self, link: VirtualLink, image_id: ImageId, rank: Rank) -> None:
        self.image_id = image_id
        self.received = 0
        self.sent_at: float | None = None
        self.observer: ObserverBase[Image] | None = None
        self.progress: Subject[Progress] = Subject()
        self.timer = SerialDisposable()
        self._link = link
        self._rank = rank
        self.observable: Observable[Image] = Observable(self._subscribe)

    @property
    def rank(self) -> Rank:
        return self._rank

    @rank.setter
    def rank(self, rank: Rank) -> None:
        self._rank = rank
        self._link.look()

    def cancel(self) -> None:
        if self.observer is not None:
            self.observer = None
            self._link.forget(self)

    def _subscribe(self, observer: ObserverBase[Image], _: object = None) -> DisposableBase:
        self.observer = observer
        self._link.start(self)
        return Disposable(self.cancel)


@dataclass
class VirtualLink:
    """Answers requests: the best rank first, no prefetch beside an interaction, bodies piece by piece in turns.

    Attributes:
        scheduler: The virtual clock.
        requests: Answers at once; prefetch leaves one free.
        image_bytes: Of each image.
        sent: Bytes by image id.
        begun: Image ids in the order their loads began, those that the cache answers left out.
    """

    scheduler: TestScheduler
    latency: float = 0.05
    bytes_per_second: float = 20e6
    requests: int = 8
    prefetches: int = 4
    image_bytes: int = 512 << 10
    piece: int = 64 << 10
    cache: ByteCache[Image] = field(default_factory=lambda: ByteCache(1 << 20, lambda image: image.nbytes))
    sent: Counter[ImageId] = field(default_factory=Counter)
    begun: list[ImageId] = field(default_factory=list)
    waiting: list[VirtualLoad] = field(default_factory=list)
    open: list[VirtualLoad] = field(default_factory=list)
    flowing: deque[VirtualLoad] = field(default_factory=deque)
    sending: bool = False

    @property
    def now(self) -> float:
        return float(self.scheduler.clock)

    def load(self, image_id: ImageId, rank: Rank) -> Any:
        return VirtualLoad(self, image_id, rank)

    def start(self, load: VirtualLoad) -> None:
        image = self.cache.get(load.image_id)
        if image is not None:
            self._end(load, image)
            return
        self.begun.append(load.image_id)
        self.waiting.append(load)
        self.look()

    def forget(self, load: VirtualLoad) -> None:
        load.timer.dispose()
        for place in (self.waiting, self.open, self.flowing):
            if load in place:
                place.remove(load)
        self.look()

    def look(self) -> None:
        """Send what may be sent."""
        for load in sorted(self.waiting, key=lambda load: load.rank):
            if self._may_go(load):
                self.waiting.remove(load)
                self.open.append(load)
                load.timer.disposable = self._later(self.latency, partial(self._answer, load))

    def _may_go(self, load: VirtualLoad) -> bool:
        if load.rank.lane is Lane.INTERACTION:
            return len(self.open) < self.requests
        busy = any(other.rank.lane is Lane.INTERACTION for other in (*self.open, *self.waiting))
        return not busy and len(self.open) < self.prefetches

    def _answer(self, load: VirtualLoad) -> None:
        self.flowing.append(load)
        self._send()

    def _send(self) -> None:
        if self.flowing and not self.sending:
            self.sending = True
            self._later(self.piece / self.bytes_per_second, partial(self._sent, self.flowing.popleft()))

    def _sent(self, load: VirtualLoad) -> None:
        self.sending = False
        self.sent[load.image_id] += self.piece
        if load.observer is not None:
            load.received += self.piece
            load.progress.on_next(Progress(load.received, self.image_bytes))
            if load.received < self.image_bytes:
                self.flowing.append(load)
            else:
                self.open.remove(load)
                image = make_image(load.image_id)
                self.cache.put(load.image_id, image)
                self._end(load, image)
        self._send()
        self.look()

    def _end(self, load: VirtualLoad, image: Image) -> None:
        observer, load.observer = load.observer, None
        if observer is not None:
            observer.on_next(image)
            observer.on_completed()

    def _later(self, seconds: float, action: Callable[[], None]) -> DisposableBase:
        return self.scheduler.schedule_relative(seconds, lambda *_: action())


class Viewer:
    """A scroll over a virtual link, and what was shown when.

    Attributes:
        shown: Time and index of each image.
    """

    def __init__(
        self,
        link: VirtualLink,
        series: Series,
        policy: PrefetchPolicy | None = None,
        board: WishBoard | None = None,
    ) -> None:
        self.link = link
        self.board = WishBoard(lambda: link.cache.budget) if board is None else board
        host: Any = HereAndNow()
        self.scroll = Scroll(series, host, link.load, link.cache, self.board, policy, link.scheduler)
        self.shown: list[tuple[float, int]] = []
        places = {image_id: index for index, image_id in enumerate(series)}
        self.scroll.images.subscribe(lambda image: self.shown.append((link.now, places[image.image_id])))

    def follow(self, path: list[int], per_second: float) -> list[bool]:
        """Move along a path; whether each image was there already."""
        hits = []
        begin = self.link.now
        for number, index in enumerate(path):
            self.link.scheduler.advance_to(begin + number / per_second)
            hits.append(self.scroll.series[index] in self.link.cache)
            self.scroll.to(index)
        return hits

    def wasted(self, window: set[int]) -> float:
        """Share of all bytes that went for indexes never shown, a last window left out."""
        series, shown = self.scroll.series, {index for _, index in self.shown}
        sent = {index: self.link.sent[image_id] for index, image_id in enumerate(series)}
        wasted = sum(nbytes for index, nbytes in sent.items() if index not in shown | window)
        return wasted / sum(sent.values())
