"""Where a scroll is going and how fast, seen from its moves alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

REST_SECONDS = 0.5  # a wheel that stood so long begins anew
JUMP = 8  # indexes: more in one move is no turn of the wheel
QUICK_SECONDS = 0.1  # between moves: who turns back so fast may go anywhere
_SHARE_OF_LAST = 0.3  # least weight of the last move in the pace; moves that a busy loop hands over late come squeezed
_SHORTEST_SECONDS = 1e-3  # two moves in one turn of the loop are not infinitely fast


@dataclass(frozen=True, slots=True)
class Travel:
    """A scroll's way so far.

    Attributes:
        position: The index asked for last, from 0.
        at: When that was, in seconds.
        direction: 1 forwards, −1 backwards, 0 unknown; one step back does not turn it, a second one does.
        run: Moves one way since the last turn, jump or rest.
        speed: Indexes a second; 0 before the second move of a run.
        jumped: The wheel does not rest, and since it jumped, or turned in a hurry, it has not gone one way for two moves.
    """

    position: int
    at: float = 0.0
    direction: int = 0
    run: int = 0
    speed: float = 0.0
    jumped: bool = False
    _heading: int = 0
    _pace: float = 0.0  # seconds an index, over the run

    def to(self, index: int, now: float) -> Travel:
        """The way after one move more."""
        step, seconds = index - self.position, max(now - self.at, _SHORTEST_SECONDS)
        heading = (step > 0) - (step < 0)
        if not step:
            return replace(self, at=now)
        if seconds > REST_SECONDS:
            return Travel(index, now, heading, 0, _heading=heading)
        if abs(step) > JUMP:
            return Travel(index, now, heading, jumped=True)
        if heading != self._heading:
            lost = self.jumped or (self.run > 1 and seconds < QUICK_SECONDS)
            return Travel(index, now, self.direction or heading, 1, 0.0, lost, heading, seconds / abs(step))
        share = max(_SHARE_OF_LAST, 1 / (self.run + 1))
        pace = self._pace + share * (seconds / abs(step) - self._pace)
        return Travel(index, now, heading, self.run + 1, 1 / pace, _heading=heading, _pace=pace)

    @property
    def interval(self) -> float:
        """Seconds in which the next index is due; 0 at rest."""
        return 1 / self.speed if self.speed else 0.0
