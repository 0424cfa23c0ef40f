"""A series: image ids in the order of space, with what is needed to plan their loading."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from html import escape
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar, overload
from weakref import ref

from cornerstream.images.image_id import ImageId

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence

    import numpy as np
    from dask.array import Array as DaskArray
    from numpy.typing import DTypeLike, NDArray
    from xarray import DataArray

    from cornerstream.images.errors import ImageLoadError
    from cornerstream.images.metadata import FrameMetadata
    from cornerstream.images.volume import Place, Volume
    from cornerstream.loop_host import LoopHost

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Pending(Protocol[T_co]):
    """What is on its way."""

    def result(self, timeout: float | None = None) -> T_co:
        """Block until it is there."""
        ...


class Interchanges(Protocol):
    """What a series asks of the session that listed it; see `Session`."""

    def array(self, series: Series, /, *, modality: bool, dtype: DTypeLike | None) -> Pending[NDArray[np.generic]]:
        """The pixels as one array."""
        ...

    def volume(
        self, series: Series, /, *, modality: bool, dtype: DTypeLike | None, allow_missing: bool
    ) -> Pending[Volume]:
        """The pixels as one array, and where they lie."""
        ...

    def xarray(self, series: Series, /, *, modality: bool, lazy: bool) -> DataArray:
        """The pixels with names and coordinates."""
        ...

    def dask(self, series: Series, /, *, modality: bool) -> DaskArray:
        """The pixels as chunks to be loaded."""
        ...


class Home:
    """The session that listed a series: known, not kept alive, and left behind where the series is pickled."""

    __slots__ = ("_session",)

    def __init__(self, session: Interchanges | None = None) -> None:
        self._session = None if session is None else ref(session)

    def __reduce__(self) -> tuple[type[Home], tuple[()]]:
        return Home, ()

    def __copy__(self) -> Home:
        return self

    def __deepcopy__(self, _: object) -> Home:
        return self

    def session(self) -> Interchanges:
        """The session.

        Raises:
            RuntimeError: There is none, or no longer.
        """
        if self._session is None:
            raise RuntimeError(
                "no session has listed this series; hand it to one: session.volume(series), session.array(…)"
            )
        session = self._session()
        if session is None:
            raise RuntimeError("the session that listed this series is gone; keep it as long as its series are used")
        return session


_NOWHERE = Home()


@dataclass(frozen=True, slots=True)
class Series:
    """The images of one series, sorted by position along the slice normal, then by instance number.

    Attributes:
        image_ids: One id a frame, in order.
        image_bytes: Bytes of one decoded image, estimated from Rows, Columns, Bits Allocated and Samples per Pixel; 0 if
            unknown.
        places: Where each image lies, as its header has it; empty where no header was read.
        metadata: What the header of the first image says.
        home: The session that listed it.
    """

    image_ids: tuple[ImageId, ...]
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    modality: str = ""
    series_number: int | None = None
    series_description: str = ""
    rows: int | None = None
    columns: int | None = None
    image_bytes: int = 0
    places: tuple[Place, ...] = field(default=(), repr=False, compare=False)
    metadata: FrameMetadata | None = field(default=None, repr=False, compare=False)
    home: Home = field(default=_NOWHERE, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.image_ids)

    def __iter__(self) -> Iterator[ImageId]:
        return iter(self.image_ids)

    def __getitem__(self, index: int) -> ImageId:
        return self.image_ids[index]

    def __repr__(self) -> str:
        return f"<Series {self.modality} {self.series_description!r}, {len(self)} images, {self.series_instance_uid}>"

    def _repr_html_(self) -> str:
        """Its attributes, in a notebook; nothing is loaded for that."""
        shown = {one.name: getattr(self, one.name) for one in fields(self) if one.compare and one.name != "image_ids"}
        rows = {"images": len(self), **{name: value for name, value in shown.items() if value}}
        cells = (f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in rows.items())
        return f"<table>{''.join(cells)}</table>"

    def to_array(self, *, modality: bool = False, dtype: DTypeLike | None = None) -> NDArray[np.generic]:
        """Its pixels as one array, and wait for it; see `Session.array`."""
        return self.home.session().array(self, modality=modality, dtype=dtype).result()

    def to_volume(
        self, *, modality: bool = False, dtype: DTypeLike | None = None, allow_missing: bool = False
    ) -> Volume:
        """Its pixels as one array and where they lie, and wait for it; see `Session.volume`."""
        session = self.home.session()
        return session.volume(self, modality=modality, dtype=dtype, allow_missing=allow_missing).result()

    def to_xarray(self, *, modality: bool = False, lazy: bool = True) -> DataArray:
        """Its pixels with names and coordinates; see `Session.xarray`."""
        return self.home.session().xarray(self, modality=modality, lazy=lazy)

    def to_dask(self, *, modality: bool = False) -> DaskArray:
        """Its pixels as chunks to be loaded; see `Session.dask`."""
        return self.home.session().dask(self, modality=modality)


def image_ids_of(series: Series | Sequence[ImageId | str]) -> Sequence[ImageId]:
    """The image ids of a series, or of a list of them."""
    return series.image_ids if isinstance(series, Series) else [ImageId.parse(image_id) for image_id in series]


def series_of(series: Series | Sequence[ImageId | str]) -> Series:
    """A series, or a list of image ids as one."""
    return series if isinstance(series, Series) else Series(tuple(image_ids_of(series)))


class Listing(Generic[T]):
    """A list that is on its way: `await` it, or use it as the list and wait where you first look.

    Args:
        host: The loop it is made on.
        make: Makes the list; called once a listing, when it is first wanted.

    Attributes:
        skipped: Files that are no DICOM images, and instances that cannot be used, with the reason of each.
    """

    def __init__(self, host: LoopHost, make: Callable[[], Coroutine[Any, Any, list[T]]]) -> None:
        self._host = host
        self._make = make
        self._items: list[T] | None = None
        self._home: Home | None = None
        self.skipped: dict[str, ImageLoadError] = {}

    def __repr__(self) -> str:
        return "<Listing, not read yet>" if self._items is None else repr(self._items)

    def __await__(self) -> Generator[Any, None, list[T]]:
        return self._wait().__await__()

    def __len__(self) -> int:
        return len(self.result())

    def __iter__(self) -> Iterator[T]:
        return iter(self.result())

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        return self.result()[index]

    def result(self, timeout: float | None = None) -> list[T]:
        """Block until the list is there.

        Raises:
            RuntimeError: This thread runs the session's loop; `await` the listing there.
            TimeoutError: The time is over.
        """
        if self._items is None:
            self._items = self._settled(self._host.block(self._make(), timeout))
        return self._items

    def of(self, session: Interchanges) -> Self:
        """The same listing, whose series know the session."""
        self._home = Home(session)
        return self

    async def _wait(self) -> list[T]:
        if self._items is None:
            self._items = self._settled(await self._host.run(self._make()))
        return self._items

    def _settled(self, items: list[T]) -> list[T]:
        home = self._home
        return items if home is None else [_settled(one, home) for one in items]


def _settled(one: T, home: Home) -> T:
    return replace(one, home=home) if isinstance(one, Series) else one
