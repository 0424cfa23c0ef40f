"""In which order a stream loads and hands over the images of one series, or of several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cornerstream.images.image_id import ImageId
    from cornerstream.series import Series

Order: TypeAlias = "Literal['position', 'middle_out', 'arrival'] | Sequence[int] | Callable[[Series], Iterable[int]]"
"""Names of orders, indexes of a series, or a function that chooses them for each series."""


@dataclass(frozen=True, slots=True)
class Place:
    """An image's place: its series, and its index there, from 0."""

    series: Series
    index: int

    @property
    def image_id(self) -> ImageId:
        """The image there."""
        return self.series[self.index]


@dataclass(frozen=True)
class Plan:
    """What a stream loads, and in which order.

    Attributes:
        series: The series.
        orders: Indexes of each of them, in order.
        interleaved: One image of each series in turn; else series after series.
    """

    series: tuple[Series, ...]
    orders: tuple[Sequence[int], ...]
    interleaved: bool = False

    def __len__(self) -> int:
        return sum(map(len, self.orders))

    def __iter__(self) -> Iterator[Place]:
        each = [
            map(Place, [series] * len(order), order) for series, order in zip(self.series, self.orders, strict=True)
        ]
        if not self.interleaved:
            return chain.from_iterable(each)
        return (place for places in zip_longest(*each) for place in places if place is not None)

    @cached_property
    def image_ids(self) -> tuple[ImageId, ...]:
        """The image ids in the order of loading."""
        if len(self.orders) == 1 and self.orders[0] == range(len(self.series[0])):
            return self.series[0].image_ids  # mostly
        return tuple(place.image_id for place in self)


def plan_of(series: Iterable[Series], order: Order = "position", *, interleaved: bool = False) -> Plan:
    """Plan a stream.

    Args:
        series: What is loaded.
        order: The order inside each series.
        interleaved: One image of each series in turn.

    Raises:
        ValueError: There is no order of that name, or one list of indexes for several series.
        IndexError: A series has no such index.
    """
    found = tuple(series)
    if isinstance(order, Sequence) and not isinstance(order, str) and len(found) > 1:
        raise ValueError("one list of indexes does not fit several series; give a function of the series as order")
    return Plan(found, tuple(_indexes(one, order) for one in found), interleaved)


def middle_out(count: int) -> list[int]:
    """Indexes from the middle outwards.

    >>> middle_out(5)
    [2, 3, 1, 4, 0]
    """
    middle = count // 2
    return sorted(range(count), key=lambda index: (abs(index - middle), index < middle))


def _indexes(series: Series, order: Order) -> Sequence[int]:
    if isinstance(order, str):
        return _named(len(series), order)
    indexes = tuple(order(series) if callable(order) else order)
    for index in indexes:
        if not 0 <= index < len(series):
            raise IndexError(f"index {index} of a series of {len(series)} images")
    return indexes


def _named(count: int, name: str) -> Sequence[int]:
    if name in {"position", "arrival"}:
        return range(count)
    if name == "middle_out":
        return middle_out(count)
    raise ValueError(f"there is no order {name!r}: position, middle_out, arrival, indexes, or a function of a series")
