"""One budget of bytes for several tiers: what is farthest from being used goes first, whichever tier it is in.

How far something is from being used is counted in images: how many have been used since it was, or how many lie between
it and what a viewport shows, whichever is less. What was passed long ago on the way to here may be next in a loop, which
least recently used alone would evict just before it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

SMALL = 1 << 16  # bytes; to evict less than that frees little, so what is smaller counts as nearer in proportion
SAMPLE = 16  # as good as looking at all on every trace of ours, and its cost does not grow with the series


@dataclass(frozen=True, slots=True)
class Victim:
    """What a tier would give up.

    Attributes:
        farness: How far it is from being used; the farthest goes.
        tier: Where it is.
        key: Its key there.
    """

    farness: float
    tier: Tier
    key: Hashable


class Tier(Protocol):
    """What the budget asks of a tier."""

    @property
    def nbytes(self) -> int:
        """Bytes of all it holds."""
        ...

    @property
    def pinned_bytes(self) -> int:
        """Bytes of what it may not give up."""
        ...

    def victim(self) -> Victim | None:
        """What it would give up; `None` if there is nothing."""
        ...

    def evict(self, key: Hashable) -> None:
        """Give it up."""
        ...


class HeldBytes:
    """The tier of what is on its way to whoever asked for it: counted, and never given up.

    Attributes:
        nbytes: Bytes of what is held now; whoever holds something adds them, and takes them off.
    """

    def __init__(self) -> None:
        self.nbytes = 0

    @property
    def pinned_bytes(self) -> int:
        """All of it."""
        return self.nbytes

    def victim(self) -> Victim | None:
        """Nothing."""
        return None

    def evict(self, key: Hashable) -> None:
        """Is never asked for."""
        raise KeyError(key)


@dataclass(frozen=True, slots=True)
class _View:
    """Where a viewport stands in its series."""

    keys: Sequence[Hashable]
    places: Mapping[Hashable, int]
    index: int


class Budget:
    """The bytes that all tiers together may take. Touched on the loop only.

    Args:
        total: Bytes; only what is pinned may exceed it.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._tiers: list[Tier] = []
        self._views: dict[Hashable, _View] = {}
        self._clock = 0
        self._random = Random(0)  # noqa: S311 - a sample for eviction; the same every time, so that runs can be compared

    def __repr__(self) -> str:
        return f"<Budget {self.nbytes:,} of {self.total:,} bytes in {len(self._tiers)} tiers>"

    @property
    def nbytes(self) -> int:
        """Bytes of all tiers."""
        return sum([tier.nbytes for tier in self._tiers])  # a list: this is asked for with every value

    @property
    def pinned_bytes(self) -> int:
        """Bytes of what no tier may give up."""
        return sum([tier.pinned_bytes for tier in self._tiers])

    @property
    def now(self) -> int:
        """How many uses there have been."""
        return self._clock

    def tick(self) -> int:
        """Count a use; its number."""
        self._clock += 1
        return self._clock

    def join(self, tier: Tier) -> None:
        """Count a tier in."""
        self._tiers.append(tier)

    def look(self, viewer: Hashable, keys: Sequence[Hashable], index: int | None) -> None:
        """Note where a viewport stands in its series; with `None` it looks at nothing any more."""
        before = self._views.pop(viewer, None)
        if index is not None:
            known = before is not None and before.keys is keys
            places = before.places if before is not None and known else {key: place for place, key in enumerate(keys)}
            self._views[viewer] = _View(keys, places, index)

    def distance(self, key: Hashable) -> float:
        """Images between a key and the nearest viewport on its series; infinite if there is none."""
        if not self._views:
            return float("inf")
        places = [(view.places.get(key), view.index) for view in self._views.values()]
        return min((abs(place - index) for place, index in places if place is not None), default=float("inf"))

    def sample(self, keys: Mapping[Hashable, object], *, alike: bool) -> list[Hashable]:
        """Which keys are looked at for a victim.

        Args:
            keys: All, the least recently used first: it is always among them.
            alike: Only how long they were not used tells them apart, where no viewport looks.
        """
        oldest = next(iter(keys))
        if alike and not self._views:
            return [oldest]
        return [oldest, *self._random.sample(list(keys), min(SAMPLE, len(keys)))]

    def make_room(self, size: int, nearer_than: float = -1.0) -> bool:
        """Evict until a value fits.

        Args:
            size: Its bytes.
            nearer_than: Nothing that is as near to being used as this, or nearer, goes for it.

        Returns:
            The value fits.
        """
        while self.nbytes + size > self.total:
            victims = [victim for tier in self._tiers if (victim := tier.victim()) is not None]
            farthest = max(victims, key=lambda victim: victim.farness, default=None)
            if farthest is None or farthest.farness <= nearer_than:
                return False
            farthest.tier.evict(farthest.key)
        return True
