"""Users of a session, as a model has them: what they heard and saw, and whether its requests started in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

from cornerstream.hosts import Host
from cornerstream.ranks import Lane
from cornerstream.traces import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cornerstream.hosts import Transfer
    from cornerstream.images.image import Image
    from cornerstream.load import Load
    from cornerstream.ranks import RankCell
    from cornerstream.scroll import Scroll
    from cornerstream.session import Session


class Subscriber:
    """What one subscriber heard, and what the model says it must have heard."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.heard: list[str] = []
        self.expected: list[str] = []
        self.waits = True
        self.left_with: list[str] | None = None  # what it had heard when it left
        self.subscription = load.observable.subscribe(
            lambda _: self.heard.append("image"),
            lambda error: self.heard.append(type(error).__name__),
            lambda: self.heard.append("completed"),
        )

    def leave(self, how: Callable[[], object]) -> None:
        """It wants no more."""
        how()
        self.waits = False
        self.left_with = self.left_with or list(self.heard)


class Starts:
    """Looks at every request that starts: is it its turn, and is there room for it?

    Args:
        session: Whose requests.
        slots: How many there may be, one of which is never prefetch's.
        in_flight: Bytes that may be under way.

    Attributes:
        wrong: Those that should not have started, and why.
    """

    def __init__(self, session: Session, slots: int, in_flight: int) -> None:
        self._slots = slots
        self._in_flight = in_flight
        self.wrong: list[str] = []
        self._session = session
        begin = Host.begin

        def looked_at(host: Host, rank: RankCell, now: float) -> Transfer:
            self._look(host, rank)
            return begin(host, rank, now)

        self.patch = patch.object(Host, "begin", looked_at)
        self.patch.start()

    def _look(self, host: Host, rank: RankCell) -> None:
        ahead = rank.value.lane >= Lane.PREFETCH
        if len(host.transfers) >= self._slots - ahead:
            self.wrong.append(f"{rank.value} in a slot that is not its own")
        loads = self._session._engine.loads._loads.values()
        gone = {trace for one in host.transfers if one.rank.trace for trace in one.rank.trace.loads()}  # in this turn
        waiting = [load for load in loads if load.rank.trace.stage is Stage.NETWORK_QUEUE]
        queued = [load.rank.value for load in waiting if load.rank.trace not in gone]
        if any(other < rank.value for other in queued):
            self.wrong.append(f"{rank.value} before {min(queued)}")
        others = [one.remaining for one in host.transfers if ahead or one.lane < Lane.PREFETCH]
        if others and sum(others) + host.average > self._in_flight:
            self.wrong.append(f"{sum(others)} bytes in flight, {host.average} more")


class Viewport:
    """A scroll of some images, and what it showed."""

    def __init__(self, scroll: Scroll, ids: Sequence[str]) -> None:
        self.scroll = scroll
        self._ids = ids
        self.shown: list[str] = []
        self.asked: list[str] = []  # for what, when that was shown
        self.completed = 0
        scroll.images.subscribe(self._on_image, None, self._on_completed)

    def _on_image(self, image: Image) -> None:
        self.shown.append(str(image.image_id))
        self.asked.append(self._ids[-1 if self.scroll.index is None else self.scroll.index])

    def _on_completed(self) -> None:
        self.completed += 1
