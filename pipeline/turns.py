"""One thing after the other: what observers ask for while they are told is done when all have been told."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Turns:
    """Goes to the index asked for last, never in the middle of telling somebody. Touched on the loop only.

    Args:
        go: Goes to an index; who is told of that may ask for another one.
    """

    def __init__(self, go: Callable[[int], None]) -> None:
        self._go = go
        self._next: int | None = None
        self._busy = False

    def ask(self, index: int) -> None:
        """Go to an index, now or when all have been told."""
        self._next = index
        if not self._busy:
            self._catch_up()

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Tell observers inside the context."""
        was_busy, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = was_busy
            if not was_busy:
                self._catch_up()

    def _catch_up(self) -> None:
        """A loop, not a recursion: observers may go on asking through a whole series that is there already."""
        self._busy = True
        try:
            while self._next is not None:
                index, self._next = self._next, None
                self._go(index)
        finally:
            self._busy = False
