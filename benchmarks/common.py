"""What the benchmarks share: studies made in code, interleaved rounds, tables of ratios.

Whoever is compared runs in the same process, on the same data, in turns: a round is one run of each, the order rotating
from round to round. A ratio is the median of the rounds' own ratios, so that a machine which slows down for a while
slows both sides of it. Before the rounds everybody runs once, unmeasured, and must deliver the same pixels.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar
from zlib import crc32

import numpy as np
from rich.table import Table

from cornerstream.phantom import CT_SYNTAXES, Syntax, write_study

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from rich.console import Console

    from cornerstream.phantom import PhantomStudy

    Pixels = NDArray[np.generic]
    Look = Callable[[Pixels], object]
    Samples = Mapping[str, Sequence[float]]

T = TypeVar("T")
OURS = "cornerstream"


@dataclass(frozen=True, slots=True)
class Bench:
    """One run of the benchmarks.

    Attributes:
        folder: For generated studies.
        console: Where tables go.
        quick: Tiny data and one round.
        asked_rounds: Other rounds than five.
        collected: Every figure so far, with the title of its table.
    """

    folder: Path
    console: Console
    quick: bool = False
    asked_rounds: int | None = None
    collected: list[tuple[str, Verdict]] = field(default_factory=list, repr=False)
    _studies: dict[str, PhantomStudy] = field(default_factory=dict, repr=False)

    @property
    def rounds(self) -> int:
        """Measured rounds; an odd number has a median that was measured."""
        return 1 if self.quick else self.asked_rounds or 5

    def study(
        self, slices: int = 120, size: int = 512, cine_frames: int = 60, syntaxes: Sequence[Syntax] = CT_SYNTAXES
    ) -> PhantomStudy:
        """A phantom study, made once a run; in quick runs at most 8 slices and 4 frames of 64 × 64."""
        if self.quick:
            slices, size, cine_frames = min(slices, 8), min(size, 64), min(cine_frames, 4)
        uids = "-".join(syntax.transfer_syntax_uid.rpartition(".")[2] for syntax in syntaxes)
        name = f"{slices}x{size}-{cine_frames}-{uids}"
        if name not in self._studies:
            self._studies[name] = write_study(
                self.folder / name, slices=slices, size=size, cine_frames=cine_frames, syntaxes=syntaxes
            )
        return self._studies[name]

    def table(self, title: str, samples: Samples, unit: str, digits: int = 0, note: str = "") -> None:
        """Print the first contestant against each of the others."""
        table = Table("", f"median {unit}", "least – most", "ours ÷ this", title=title, caption=note or None)
        for column in table.columns[1:]:
            column.justify = "right"
        ours = next(iter(samples.values()))
        for name, figures in samples.items():
            spread = f"{min(figures):.{digits}f} – {max(figures):.{digits}f}"
            ratio = "" if figures is ours else f"{ratio_of(ours, figures):.2f}"
            table.add_row(name, f"{median(figures):.{digits}f}", spread, ratio)
        self.console.print(table)

    def verdicts(self, title: str, verdicts: Sequence[Verdict], note: str = "") -> None:
        """Print figures beside their bars; no run fails for missing one."""
        self.collected.extend((title, verdict) for verdict in verdicts)
        self.console.print(verdict_table(title, verdicts, note, judged=not self.quick))


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure beside the bar it has to reach.

    Attributes:
        what: What was measured.
        measured: The figure.
        bar: What it has to be at most, or at least.
        unit: Of both.
        at_least: The bar is a lower one.
        digits: Behind the point.
        spread: Least and most of the rounds, if there were some.
    """

    what: str
    measured: float
    bar: float
    unit: str = ""
    at_least: bool = False
    digits: int = 2
    spread: tuple[float, float] | None = None

    @property
    def reached(self) -> bool:
        """The figure is on the right side of its bar."""
        return self.measured >= self.bar if self.at_least else self.measured <= self.bar

    def row(self, *, judged: bool = True) -> tuple[str, str, str, str]:
        """The figure as a table has it; tiny data reaches and misses nothing."""
        measured = f"{self.measured:.{self.digits}f} {self.unit}".rstrip()
        bar = f"{'≥' if self.at_least else '≤'} {self.bar:g} {self.unit}".rstrip()
        return self.what, measured, bar, ("reached" if self.reached else "missed") if judged else "not judged"


def verdict_table(title: str, verdicts: Sequence[Verdict], note: str = "", *, judged: bool = True) -> Table:
    """Figures beside their bars, with the spread of those that have one."""
    table = Table("", "measured", "bar", "", "least – most", title=title, caption=note or None)
    for column in (*table.columns[1:3], table.columns[4]):
        column.justify = "right"
    for verdict in verdicts:
        spread = " – ".join(f"{figure:.{verdict.digits}f}" for figure in verdict.spread or ())
        table.add_row(*verdict.row(judged=judged), spread)
    return table


def ratio_verdict(
    what: str, ours: Sequence[float], theirs: Sequence[float], bar: float, *, at_least: bool = False
) -> Verdict:
    """The median of the rounds' ratios, first over second, beside its bar."""
    ratios = [one / other if other else float("inf") for one, other in zip(ours, theirs, strict=True)]
    return Verdict(what, median(ratios), bar, "×", at_least=at_least, spread=(min(ratios), max(ratios)))


@dataclass(frozen=True, slots=True)
class Contestant:
    """Somebody who loads a series.

    Attributes:
        run: Loads everything, and hands each image's pixels on.
        ordered: Hands them on in the order of the series.
        delivers: Delivers pixels at all; a floor of bytes only does not.
    """

    run: Callable[[Look], object]
    ordered: bool = True
    delivers: bool = True


def ratio_of(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of the rounds' ratios; below 1 is less time than theirs."""
    return median(one / other if other else float("inf") for one, other in zip(ours, theirs, strict=True))


def interleave(actions: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Run actions in turns, the order rotating; each returns its figure."""
    samples: dict[str, list[T]] = {name: [] for name in actions}
    names = list(actions)
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            gc.collect()
            samples[name].append(actions[name]())
    return samples


def race(contestants: Mapping[str, Contestant], rounds: int, images: int) -> dict[str, list[float]]:
    """Let contestants load the same series; returns milliseconds an image.

    Raises:
        AssertionError: One delivered other pixels than the first, or another number of images.
    """
    check_pixels(contestants, images)
    return interleave({name: _timed(one, images) for name, one in contestants.items()}, rounds)


def _note(found: list[tuple[object, ...]], pixels: Pixels) -> None:
    found.append(fingerprint(pixels))


def check_pixels(contestants: Mapping[str, Contestant], images: int) -> None:
    """Run everybody once and compare shape, dtype and every pixel."""
    expected: list[tuple[object, ...]] = []
    for name, contestant in contestants.items():
        found: list[tuple[object, ...]] = []
        contestant.run(partial(_note, found))
        if not contestant.delivers:
            continue
        expected = expected or found
        assert len(found) == images, f"{name} delivered {len(found)} of {images} images"
        same = found == expected if contestant.ordered else sorted(map(repr, found)) == sorted(map(repr, expected))
        assert same, f"{name} delivered other pixels than {next(iter(contestants))}"


def fingerprint(pixels: Pixels) -> tuple[object, ...]:
    """Shape, dtype and a checksum of every pixel."""
    return pixels.shape, pixels.dtype.str, crc32(np.ascontiguousarray(pixels).data)


def _timed(contestant: Contestant, images: int) -> Callable[[], float]:
    def run() -> float:
        start = perf_counter()
        contestant.run(np.max)  # the least that a reader does: every pixel is looked at once
        return (perf_counter() - start) * 1000 / images

    return run
