"""Where users scroll to, step by step: what caches are measured with."""

from __future__ import annotations

from random import Random
from typing import TypeAlias

Step: TypeAlias = tuple[int, int]  # a viewport, and the index it shows


def cyclic(count: int, rounds: int = 6) -> list[Step]:
    """Through the series and again from its beginning."""
    return [(0, index % count) for index in range(count * rounds)]


def back_and_forth(count: int, rounds: int = 3) -> list[Step]:
    """Through the series and back."""
    sweep = [(0, index) for index in range(count)]
    return (sweep + sweep[::-1]) * rounds


def jumps(count: int, jumps: int = 40) -> list[Step]:
    """Anywhere, a few images one way from there, and anywhere again."""
    random = Random(1)
    steps: list[Step] = []
    for _ in range(jumps):
        index, direction = random.randrange(count), random.choice((-1, 1))
        for _ in range(random.randrange(5, 40)):
            steps.append((0, index))
            index = min(count - 1, max(0, index + direction))
    return steps


def two_viewports(count: int, rounds: int = 6) -> list[Step]:
    """Two series side by side, scrolled through again and again together."""
    return [(viewport, index) for _, index in cyclic(count, rounds) for viewport in (0, 1)]
