"""Which series of a study to load next, and which of its images, as pure policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cornerstream.series import Series


@dataclass(frozen=True, slots=True)
class StudySituation:
    """What a policy over series decides from.

    Attributes:
        series: All series, in the order they are offered to the user.
        current: Place of the one shown now, from 0.
        budget_bytes: Bytes that wished images may take.
    """

    series: Sequence[Series]
    current: int = 0
    budget_bytes: int = 0

    def afford(self, order: Iterable[int]) -> Iterator[tuple[int, int]]:
        """The images of whole series, in order, until the budget is used up."""
        left = self.budget_bytes
        for place in order:
            for index in range(len(self.series[place])):
                left -= self.series[place].image_bytes
                if left < 0 and self.series[place].image_bytes:
                    return
                yield place, index


class StudyPolicy(Protocol):
    """A pure function from a study's situation to pairs of a series' place and an index, the most wanted first."""

    def __call__(self, situation: StudySituation, /) -> Iterable[tuple[int, int]]:
        """Images to load."""
        ...


def next_series(situation: StudySituation) -> Iterable[tuple[int, int]]:
    """The series shown now, then those that follow it, then those before it, the nearest first; each in order."""
    return situation.afford(_onwards(situation))


def priors_last(situation: StudySituation) -> Iterable[tuple[int, int]]:
    """As `next_series`, but first the whole study of the series shown now, then the other studies."""
    study = situation.series[situation.current].study_instance_uid if situation.series else ""
    is_prior = [series.study_instance_uid != study for series in situation.series]
    return situation.afford(sorted(_onwards(situation), key=is_prior.__getitem__))


def _onwards(situation: StudySituation) -> list[int]:
    current, count = situation.current, len(situation.series)
    return [*range(current, count), *range(current - 1, -1, -1)]
