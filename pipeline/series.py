"""A series: image ids in the order of space, with what is needed to plan their loading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from cornerstream.images.image_id import ImageId

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
    from typing import Any

    from cornerstream.images.errors import ImageLoadError
    from cornerstream.loop_host import LoopHost

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Series:
    """The images of one series, sorted by position along the slice normal, then by instance number.

    Attributes:
        image_ids: One id a frame, in order.
        image_bytes: Bytes of one decoded image, estimated from Rows, Columns, Bits Allocated and Samples per Pixel; 0 if
            unknown.
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

    def __len__(self) -> int:
        return len(self.image_ids)

    def __iter__(self) -> Iterator[ImageId]:
        return iter(self.image_ids)

    def __getitem__(self, index: int) -> ImageId:
        return self.image_ids[index]

    def __repr__(self) -> str:
        return f"<Series {self.modality} {self.series_description!r}, {len(self)} images, {self.series_instance_uid}>"


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
            self._items = self._host.block(self._make(), timeout)
        return self._items

    async def _wait(self) -> list[T]:
        if self._items is None:
            self._items = await self._host.run(self._make())
        return self._items
