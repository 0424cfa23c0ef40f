"""How far the listing of a folder is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cornerstream.listeners import Listeners

if TYPE_CHECKING:
    from reactivex import Observable
    from reactivex.abc import ObserverBase

    from cornerstream.loop_host import LoopHost


@dataclass(frozen=True, slots=True)
class ListingProgress:
    """How far a listing is.

    Attributes:
        files_total: Files to be looked at; `None` while they are still being found.
        files_done: Files whose header was read, those that are no images included.
        files_skipped: Those of them that are no DICOM images, or cannot be read.
    """

    files_total: int | None = None
    files_done: int = 0
    files_skipped: int = 0


class ListingBoard:
    """Shows the progress of a listing to whoever looks.

    ::

        listing   ──found──batch──batch──|
        progress  p──────p──────p──────p─|      what it is now first

    Args:
        host: The session's loop, on which it is told.
    """

    def __init__(self, host: LoopHost) -> None:
        self._listeners: Listeners[ListingProgress] = Listeners(host, self._on_change)
        self._ended = False
        self.now = ListingProgress()

    @property
    def observable(self) -> Observable[ListingProgress]:
        """The progress, as it goes on; completes with the listing."""
        return self._listeners.observable

    def begin(self) -> None:
        """A listing begins, from nothing."""
        self._ended = False
        self.tell(ListingProgress())

    def tell(self, progress: ListingProgress) -> None:
        """It stands elsewhere."""
        self.now = progress
        self._listeners.tell(progress)

    def end(self) -> None:
        """The listing is over, however."""
        self._ended = True
        self._listeners.complete()

    def _on_change(self, newcomer: ObserverBase[ListingProgress] | None) -> None:
        if newcomer is not None:
            self._listeners.tell_one(newcomer, self.now)
        if self._ended:
            self._listeners.complete()
