"""Wishes: what somebody wants loaded, and in which order; the difference to what runs is carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cornerstream.ranks import Lane, Rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.load_object import Progress
    from cornerstream.load import Load

_NEARLY_DONE = 0.5  # of the bytes


class Listener(Protocol):
    """Who hears what becomes of the wishes of a list."""

    def on_image(self, index: int, image: Image) -> None:
        """An image came, of rising quality if there are several."""
        ...

    def on_bytes(self, index: int, nbytes: int) -> None:
        """So many bytes more came for an index, wished for or in grace."""
        ...

    def on_begin(self, index: int) -> None:
        """A load has begun, and the cache did not answer it."""
        ...

    def on_end(self, index: int, error: Exception | None) -> None:
        """A load has ended, by itself."""
        ...

    def on_idle(self) -> None:
        """No load of the list is left that runs."""
        ...


class WishBoard:
    """The wishes of all viewports and prefetches of a session, within one budget of bytes. Touched on the loop only.

    Where all wishes together exceed the budget, the worst ranks are withheld, whoever wished them, until there is room;
    what has INTERACTION is never withheld. An image that two wish for counts once, at the better rank.

    Args:
        budget: Bytes, now.
    """

    def __init__(self, budget: Callable[[], int]) -> None:
        self._budget = budget
        self._lists: dict[WishList, None] = {}
        self._claims: dict[ImageId, tuple[int, int]] = {}  # how many lists wish for it, and its bytes
        self._version = 0
        self._short = False
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._lists)

    @property
    def budget(self) -> int:
        """Bytes that all wishes may take."""
        return self._budget()

    def replace(self, wishes: WishList, before: Mapping[int, Rank], after: Mapping[int, Rank]) -> None:
        """A list has other wishes; it, and others where that changes what they may have, is told to go on."""
        self._lists[wishes] = None
        if not after:
            del self._lists[wishes]
        for index in before.keys() - after.keys():
            self._release(wishes.key(index))
        for index in after.keys() - before.keys():
            self._claim(wishes.key(index), wishes.size(index))
        self._version += 1
        was_short, self._short = self._short, self.nbytes > self._budget()
        if was_short or self._short:
            self._share(wishes)
        else:
            wishes.carry_out(after)

    def _claim(self, key: ImageId, size: int) -> None:
        count, kept = self._claims.get(key, (0, size))
        self._claims[key] = (count + 1, kept)
        self.nbytes += 0 if count else kept

    def _release(self, key: ImageId) -> None:
        count, size = self._claims.pop(key)
        if count > 1:
            self._claims[key] = (count - 1, size)
        else:
            self.nbytes -= size

    def _share(self, first: WishList) -> None:
        """Give every list what it may have; one that a list's own observers change meanwhile is not told old news."""
        version, granted = self._version, self._granted()
        for wishes in (first, *(other for other in self._lists if other is not first)):
            if version != self._version:
                return
            wishes.carry_out({index: rank for index, rank in wishes.wanted.items() if wishes.key(index) in granted})

    def _granted(self) -> AbstractSet[ImageId]:
        best: dict[ImageId, Rank] = {}
        for wishes in self._lists:
            for index, rank in wishes.wanted.items():
                key = wishes.key(index)
                best[key] = min(rank, best.get(key, rank))
        granted, left = set(), self._budget()
        for key in sorted(best, key=best.__getitem__):
            left -= self._claims[key][1]
            if left < 0 and best[key].lane is not Lane.INTERACTION:
                break
            granted.add(key)
        return granted


class WishList:
    """Carries wishes out: new ones start, dropped ones are disposed, kept ones get their new rank. On the loop only.

    What has ended is not started again while it stays wished for; its image is in the session's cache. A dropped load
    may finish in grace: in the background, if most of its bytes are there.

    Args:
        image_ids: What the indexes are of.
        load: Makes a load of an image id at a rank.
        board: Where the wishes of all lists meet.
        listener: Hears what becomes of them.
        size: Bytes of the decoded image of an index; 0 if unknown.
        grace: Dropped loads that may finish at one time.
        worth_finishing: Which indexes may.

    Attributes:
        wanted: The wishes, some of which may be withheld.
        grace: As given; takes effect on the loads dropped from then on.
        cancelled: Loads that were disposed before they ended.
    """

    def __init__(
        self,
        image_ids: Sequence[ImageId],
        load: Callable[[ImageId, Rank], Load],
        board: WishBoard,
        listener: Listener,
        *,
        size: Callable[[int], int],
        grace: int = 0,
        worth_finishing: Callable[[int], bool] = lambda _: True,
    ) -> None:
        self.size = size
        self.grace = grace
        self._worth_finishing = worth_finishing
        self.cancelled = 0
        self.wanted: Mapping[int, Rank] = {}
        self._image_ids = image_ids
        self._load = load
        self._board = board
        self._listener = listener
        self._running: dict[int, _Running] = {}
        self._graced: dict[int, _Running] = {}
        self._ended: set[int] = set()
        self._version = 0
        self._settled = True

    def __len__(self) -> int:
        return len(self._running)

    @property
    def running(self) -> AbstractSet[int]:
        """Indexes being loaded."""
        return self._running.keys()

    @property
    def arriving(self) -> AbstractSet[int]:
        """Those of which bytes have come."""
        return {index for index, running in self._running.items() if running.received}

    @property
    def in_grace(self) -> AbstractSet[int]:
        """Dropped indexes that finish in the background."""
        return self._graced.keys()

    def key(self, index: int) -> ImageId:
        """The image of an index."""
        return self._image_ids[index]

    def wish(self, wishes: Iterable[tuple[int, Rank]]) -> None:
        """Replace the wishes by others."""
        before, self.wanted = self.wanted, dict(wishes)
        self._board.replace(self, before, self.wanted)

    def renew(self, index: int) -> None:
        """Start an index that has ended once more when it is wished for again."""
        self._ended.discard(index)

    def rank(self, index: int, rank: Rank) -> None:
        """Another rank for one index, if it is wished for."""
        if index in self.wanted:
            self.wish({**self.wanted, index: rank}.items())

    def clear(self) -> None:
        """Dispose everything, loads in grace as well."""
        self.grace = 0
        self.wish(())
        while self._graced:
            self._graced.popitem()[1].load.cancel()

    def carry_out(self, granted: Mapping[int, Rank]) -> None:
        """Start, dispose and rank, so that what was granted of the wishes runs: for the board."""
        self._version += 1
        version, self._settled = self._version, False
        for index in [index for index in self._running if index not in granted]:
            self._drop(index)
        self._ended &= granted.keys()
        for index, rank in granted.items():
            if version != self._version:  # somebody who got an image has other wishes now
                return
            self._carry_out(index, rank)
        if version == self._version:
            self._settled = True
            self._check_idle()

    def _carry_out(self, index: int, rank: Rank) -> None:
        if index in self._graced:
            self._running[index] = self._graced.pop(index)
        if index in self._running:
            self._running[index].load.rank = rank
        elif index not in self._ended:
            self._begin(index, rank)

    def _drop(self, index: int) -> None:
        dropped = self._running.pop(index)
        if dropped.is_nearly_done and len(self._graced) < self.grace and self._worth_finishing(index):
            dropped.load.rank = Rank(Lane.BACKGROUND)
            self._graced[index] = dropped
        else:
            dropped.load.cancel()
            self.cancelled += 1

    def _begin(self, index: int, rank: Rank) -> None:
        running = self._running[index] = _Running(self._load(self._image_ids[index], rank))
        load = running.load
        load.progress.subscribe(lambda progress: self._on_bytes(index, running, progress), _ignore)
        load.observable.subscribe(
            lambda image: self._on_image(index, image),
            lambda error: self._on_end(index, error),
            lambda: self._on_end(index, None),
        )
        if self._running.get(index) is running:
            self._listener.on_begin(index)

    def _on_bytes(self, index: int, running: _Running, progress: Progress) -> None:
        self._listener.on_bytes(index, max(0, progress.bytes_received - running.received))
        running.received, running.total = progress.bytes_received, progress.bytes_total

    def _on_image(self, index: int, image: Image) -> None:
        if index in self._running:
            self._listener.on_image(index, image)

    def _on_end(self, index: int, error: Exception | None) -> None:
        if self._graced.pop(index, None) is None:
            self._running.pop(index, None)
            self._ended.add(index)
            self._listener.on_end(index, error)
            self._check_idle()

    def _check_idle(self) -> None:
        if self._settled and not self._running:
            self._listener.on_idle()


class _Running:
    """A load that runs, and its bytes so far."""

    __slots__ = ("load", "received", "total")

    def __init__(self, load: Load) -> None:
        self.load = load
        self.received = 0
        self.total: int | None = None

    @property
    def is_nearly_done(self) -> bool:
        """Its bytes flow and most of them are there, so that it ends sooner than another one could begin."""
        return bool(self.total) and self.received >= _NEARLY_DONE * (self.total or 0)


def _ignore(_: Exception) -> None:
    """Errors come by the images."""
