"""The images that another one is computed from, a few at a time, in the order in which they are wanted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cornerstream.images.errors import ImageLoadError
from cornerstream.images.stage import follow

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from reactivex import Observable
    from reactivex.abc import DisposableBase

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId

AT_ONCE = 32  # sources under way, or here and not used yet: enough for every slot of both lanes, and bounded memory


class Sources:
    """The images that one image is computed from, while it is computed. On the loop only.

    Args:
        load: Loads an image, cold; see `LoadContext.load`.
        at_once: Images under way, or here and not taken yet.
    """

    def __init__(self, load: Callable[[ImageId], Observable[Image]], at_once: int = AT_ONCE) -> None:
        self._load = load
        self._at_once = at_once
        self._under_way: dict[int, _Source] = {}
        self._here: list[tuple[int, Image]] = []
        self._error: Exception | None = None
        self._changed = asyncio.Event()
        self._released = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    async def batches(self, wanted: Iterable[tuple[int, ImageId]]) -> AsyncGenerator[list[tuple[int, Image]], None]:
        """Complete images with their numbers, as they come, all that are there at a time.

        Whoever iterates has used up a batch when the next one is asked for; so much more is loaded then.

        Args:
            wanted: Numbers and image ids, in the order in which they are to be loaded.

        Raises:
            ImageLoadError: That of the first image that fails.
        """
        left = iter(wanted)
        while True:
            self._fill(left)
            if self._error is not None:
                raise self._error
            if self._here:
                batch, self._here = self._here, []
                yield batch
            elif not self._under_way:
                return
            else:
                self._changed.clear()
                await self._changed.wait()

    def release(self) -> None:
        """Leave every image that is under way, at once; nothing is loaded from then on."""
        self._released = True
        sources, self._under_way = list(self._under_way.values()), {}
        for source in sources:
            source.release()
        self._here.clear()

    def came(self, number: int, image: Image | None, error: Exception | None) -> None:
        """A source has ended."""
        del self._under_way[number]
        if image is not None:
            self._here.append((number, image))
        self._error = self._error or error
        self._changed.set()

    def _fill(self, left: Iterator[tuple[int, ImageId]]) -> None:
        while not self._released and self._error is None and len(self._under_way) + len(self._here) < self._at_once:
            wanted = next(left, None)
            if wanted is None:
                return
            number, image_id = wanted
            source = self._under_way[number] = _Source(self, number, image_id)
            source.begin(self._load(image_id))


class _Source:
    """One image under way: its last one counts, when it completes."""

    __slots__ = ("_image", "_image_id", "_number", "_owner", "_subscription")

    def __init__(self, owner: Sources, number: int, image_id: ImageId) -> None:
        self._owner: Sources | None = owner
        self._number = number
        self._image_id = image_id
        self._image: Image | None = None
        self._subscription: DisposableBase | None = None

    def begin(self, images: Observable[Image]) -> None:
        subscription = follow(images, self)
        if self._owner is not None:
            self._subscription = subscription

    def release(self) -> None:
        self._owner = None
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.dispose()

    def on_next(self, image: Image) -> None:
        self._image = image

    def on_error(self, error: Exception) -> None:
        self._end(None, error)

    def on_completed(self) -> None:
        missing = ImageLoadError("its loader completed without an image", image_id=self._image_id)
        self._end(self._image, missing if self._image is None else None)

    def _end(self, image: Image | None, error: Exception | None) -> None:
        owner, self._owner, self._subscription = self._owner, None, None
        if owner is not None:
            owner.came(self._number, image, error)
