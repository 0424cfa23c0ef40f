"""The fetches that several loads wait for: of one value, and of one file with all its frames. On the loop only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import reactivex as rx

from cornerstream.images.errors import ImageIdError, ImageLoadError
from cornerstream.waiting import Run, Waiter, hand_over

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from reactivex import Observable

    from cornerstream.cache import ByteCache
    from cornerstream.events import Recorder
    from cornerstream.images.frames import EncodedFrame
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
    files: dict[Hashable, FileRun]

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
        self.fail(error)

    def _on_completed(self) -> None:
        self._forget()
        self.fail(ImageLoadError("a shared resource completed without a value"))

    def _forget(self) -> None:
        if self._shared.values.get(self._key) is self:
            del self._shared.values[self._key]


class FileRun(Run):
    """The fetch of one file with its frames.

    Frames are held while the file may still be kept; when it outgrows the budget, those that nobody waits for are let go
    and a later load of one of them starts the file anew.
    """

    def __init__(self, shared: Home, key: Hashable) -> None:
        super().__init__()
        self._shared = shared
        self._key = key
        self._frames: dict[int, EncodedFrame] = {}
        self._handed_over: set[int] = set()
        self._nbytes = 0
        self._outgrown = False
        self._passed = 0  # frames come in order: those up to this number are behind

    def start(self, frames: Callable[[LoadContext], Observable[EncodedFrame]]) -> None:
        """Subscribe to the file, in the sight of those who ask for its frames."""
        self._shared.files[self._key] = self
        source = rx.defer(lambda _: frames(self._shared.context(self.rank, self.progress)))
        self.upstream.disposable = source.subscribe(self._on_next, self._on_error, self._on_completed)

    def may_have(self, frame_number: int) -> bool:
        """The frame is here, or still to come."""
        return frame_number > self._passed or frame_number in self._frames

    def wait(self, waiter: Waiter[EncodedFrame]) -> None:
        """Answer with the frame if it is here, else when it comes."""
        encoded = self._frames.get(waiter.number)
        if encoded is None:
            self.add(waiter)
        else:
            self._hand_over(encoded, waiter)
            waiter.succeed(encoded)

    def leave(self, waiter: Waiter[EncodedFrame]) -> None:
        """The last one who leaves without its frame cancels the file; one who got it lets the file come to its end."""
        if waiter in self.waiters:
            self.remove(waiter)
            if not self.waiters:
                self._cancel()

    def _on_next(self, encoded: EncodedFrame) -> None:
        number = encoded.metadata.frame_number
        self._passed = max(self._passed, number)
        self._keep(encoded)
        for waiter in [waiter for waiter in self.waiters if waiter.number == number]:
            self._hand_over(encoded, waiter)
            self.remove(waiter)
            waiter.succeed(encoded)
        if self._outgrown and not self.waiters:
            self._cancel()

    def _on_error(self, error: Exception) -> None:
        self._forget()
        self.fail(error)

    def _on_completed(self) -> None:
        self._forget()
        if len(self._frames) > 1:  # the image of a single frame is kept itself
            self._shared.put(self._key, self._frames, self._nbytes)
        self.fail(no_such_frame(self._passed))

    def _hand_over(self, encoded: EncodedFrame, waiter: Waiter[EncodedFrame]) -> None:
        """The bytes of a frame are those of the load that gets it first."""
        if encoded.metadata.frame_number not in self._handed_over:
            self._handed_over.add(encoded.metadata.frame_number)
            hand_over(self.rank, encoded.nbytes, waiter.rank, self._shared.recorder)

    def _keep(self, encoded: EncodedFrame) -> None:
        self._nbytes += encoded.nbytes
        if self._nbytes > self._shared.kept.budget:
            self._outgrown = True
            self._frames.clear()
        if not self._outgrown:
            self._frames[encoded.metadata.frame_number] = encoded

    def _cancel(self) -> None:
        self._forget()
        self.give_up(self._shared.recorder)

    def _forget(self) -> None:
        if self._shared.files.get(self._key) is self:
            del self._shared.files[self._key]


def no_such_frame(count: int) -> ImageIdError:
    """The error for a frame that a file of so many frames does not have."""
    frames = "1 frame" if count == 1 else f"{count} frames"
    return ImageIdError(f"there is no such frame; the file has {frames}, counted from 1")
