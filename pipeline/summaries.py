"""Running summaries of durations: count, mean and quantiles in a few kilobytes, however many there are."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, log

ERROR = 0.02
"""How far a quantile may lie from the true one, relative to it."""

_GROWTH = log((1 + ERROR) / (1 - ERROR))  # each bucket is so much wider than the one before, in logarithms
_SHORTEST, _LONGEST = 1e-9, 1e6  # seconds; bounds the number of buckets below a thousand


@dataclass(frozen=True, slots=True)
class Summary:
    """Durations so far, in seconds.

    Attributes:
        mean: Their mean, exactly; 0 if there are none.
        p50: The median, within 2 % of the true one.
        p99: What 99 of 100 do not exceed, within 2 %.
    """

    count: int = 0
    mean: float = 0.0
    p50: float = 0.0
    p99: float = 0.0


class Sketch:
    """Counts durations in buckets of equal relative width (the logarithmic mapping of DDSketch, Masson et al. 2019).

    >>> sketch = Sketch()
    >>> for milliseconds in range(1, 101):
    ...     sketch.add(milliseconds / 1000)
    >>> round(sketch.summary().p50, 2)
    0.05
    """

    __slots__ = ("_buckets", "_count", "_summary", "_total")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self._count = 0
        self._total = 0.0
        self._summary: Summary | None = Summary()

    def add(self, seconds: float) -> None:
        """Count a duration; what is none (negative, infinite, not a number) is left out."""
        if not 0 <= seconds < inf:
            return
        self._count += 1
        self._total += seconds
        bounded = seconds if _SHORTEST < seconds < _LONGEST else min(max(seconds, _SHORTEST), _LONGEST)
        bucket = ceil(log(bounded) / _GROWTH)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self._summary = None

    def summary(self) -> Summary:
        """What there was so far."""
        if self._summary is None:
            self._summary = Summary(self._count, self._total / self._count, self._quantile(0.5), self._quantile(0.99))
        return self._summary

    def _quantile(self, share: float) -> float:
        below, wanted = 0, ceil(share * self._count)
        for bucket in sorted(self._buckets):
            below += self._buckets[bucket]
            if below >= wanted:
                return _middle(bucket)
        return 0.0


def _middle(bucket: int) -> float:
    """The duration from which both ends of a bucket are equally far, relative to them."""
    gamma = (1 + ERROR) / (1 - ERROR)
    return float(2 * gamma**bucket / (1 + gamma))
