"""The fetches of one value that several loads wait for. On the loop only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import reactivex as rx

from cornerstream.images.errors import ImageLoadError
from cornerstream.waiting import Run, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from reactivex import Observable

    from cornerstream.cache import ByteCache
    from cornerstream.events import Recorder
    from cornerstream.images.load_object import Progress
    from cornerstream.loaders.context import LoadContext
    from cornerstream.ranks import RankCell

T = TypeVar("T")


class Home(Protocol):
    """The session's shared resources, as the fetches see them."""

    kept: ByteCache[Any]
    recorder: Recorder | None
    context: Callable[[RankCell, Callable[[Progress], None]], LoadContext]
    values: dict[Hashable, ValueRun[Any]]

    def put(self, key: Hashable, value: object, nbytes: int) -> None:
        """Keep a value."""
        ...


class ValueRun(Run, Generic[T]):
    """The fetch of one value."""

    def __init__(self, shared: Home, key: Hashable, nbytes: Callable[[T], int]) -> None:
        super().__init__()
        self._shared = shared
        self._key = key
        self._nbytes = nbytes

    def start(self, fetch: Callable[[LoadContext], Observable[T]]) -> None:
        """Subscribe to the fetch, in the sight of those who ask for the same value."""
        self._shared.values[self._key] = self
        source = rx.defer(lambda _: fetch(self._shared.context(self.rank, self.progress)))
        self.upstream.disposable = source.subscribe(self._on_next, self._on_error, self._on_completed)

    def leave(self, waiter: Waiter[T]) -> None:
        """The last one who leaves cancels the fetch."""
        if waiter in self.waiters:
            self.remove(waiter)
            if not self.waiters:
                self._forget()
                self.give_up(self._shared.recorder)

    def _on_next(self, value: T) -> None:
        self._forget()
        self._shared.put(self._key, value, self._nbytes(value))
        for waiter in self.take_all():
            waiter.succeed(value)

    def _on_error(self, error: Exception) -> None:
        self._forget()
        self.let_go()
        self.fail(error)

    def _on_completed(self) -> None:
        self._forget()
        self.let_go()
        self.fail(ImageLoadError("a shared resource completed without a value"))

    def _forget(self) -> None:
        if self._shared.values.get(self._key) is self:
            del self._shared.values[self._key]
