"""What a stream can be of: a series, several, a listing that is on its way, or a study on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from cornerstream.images.pixel_target import targets_of
from cornerstream.series import Listing, Series, series_of
from cornerstream.stream_order import Plan, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import DTypeLike, NDArray

    from cornerstream.images.image_id import ImageId
    from cornerstream.images.pixel_target import PixelTarget
    from cornerstream.stream_order import Order, Place

Streamable: TypeAlias = "Series | Sequence[ImageId | str] | Sequence[Series] | Listing[Series]"
"""A series, image ids, several series, or a listing of them."""


class ReadyPlan:
    """A plan that is there."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __len__(self) -> int:
        return len(self._plan)

    async def plan(self) -> Plan:
        """The plan."""
        return self._plan


class ListedPlan:
    """A plan for what a listing will find.

    Args:
        listing: The series.
        make: Makes a plan of them.
    """

    def __init__(self, listing: Listing[Series], make: Callable[[Iterable[Series]], Plan]) -> None:
        self._listing = listing
        self._make = make

    def __len__(self) -> int:
        return len(self._make(self._listing.result()))

    async def plan(self) -> Plan:
        """The plan, once the listing is there."""
        return self._make(await self._listing)


def source_of(streamable: Streamable, order: Order, *, interleaved: bool) -> ReadyPlan | ListedPlan:
    """Plan a stream.

    Raises:
        ImageIdError: An image id does not parse.
        ValueError: The order does not fit.
        IndexError: A series has no such index.
    """

    def make(series: Iterable[Series]) -> Plan:
        return plan_of(series, order, interleaved=interleaved)

    if isinstance(streamable, Listing):
        return ListedPlan(streamable, make)
    return ReadyPlan(make(series_list(streamable)))


def series_list(streamable: Series | Sequence[ImageId | str] | Sequence[Series]) -> list[Series]:
    """Several series; image ids are one.

    Raises:
        TypeError: It holds both.
    """
    if isinstance(streamable, Series):
        return [streamable]
    series = [one for one in streamable if isinstance(one, Series)]
    ids = [one for one in streamable if not isinstance(one, Series)]
    if series and ids:
        raise TypeError("a stream is of several series or of image ids, not of both")
    return series or [series_of(ids)]


def places_for(
    streamable: Streamable, out: NDArray[np.generic] | None, dtype: DTypeLike | None
) -> Callable[[Place], PixelTarget | None]:
    """Where the pixels of each image are wanted: `out[i]` is for index i of the one series.

    Raises:
        ValueError: `out` has another length than the series, is read-only, or not of `dtype`; or there are several series.
    """
    if out is None:
        target = None if dtype is None else targets_of(1, None, dtype)[0]
        return lambda _: target
    series = [] if isinstance(streamable, Listing) else series_list(streamable)
    if len(series) != 1:
        raise ValueError("`out` is the volume of one series; stream the series one by one")
    targets = targets_of(len(series[0]), out, dtype)
    return lambda place: targets[place.index]
