"""A picture of the figures: how far each is from its bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.results import Figures

_REACHED, _MISSED = "#2a7f62", "#c0502e"
_LEAST = 0.02


def plot(path: Path, figures: Mapping[str, Figures], caption: str) -> None:
    """Draw every figure as a bar of its distance to what it has to be; 1 is there, more is better.

    Raises:
        ImportError: matplotlib is not installed; it is of the extra `bench`.
    """
    import matplotlib as mpl  # noqa: PLC0415 - heavy, and optional

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    rows = [(f"{name}, {what}", margin(one)) for name, some in figures.items() for what, one in some.items()]
    names, margins = [name for name, _ in rows], [value for _, value in rows]
    with mpl.rc_context({"font.size": 7, "svg.fonttype": "none", "svg.hashsalt": "cornerstream"}):
        picture, axes = plt.subplots(figsize=(9, 1 + 0.17 * len(rows)))
        axes.barh(names, margins, color=[_REACHED if value >= 1 else _MISSED for value in margins], height=0.7)
        axes.axvline(1, color="black", linewidth=0.8)
        axes.set(xscale="log", xlabel=f"bar reached at 1, better to the right\n{caption}")
        axes.invert_yaxis()
        axes.margins(y=0.01)
        picture.savefig(path, bbox_inches="tight", metadata={"Date": None})
        plt.close(picture)


def margin(figure: Mapping[str, float]) -> float:
    """1 where a figure is at its bar, 2 where it is twice as good; kept between a fiftieth and fifty."""
    measured, bar = float(figure["measured"]), float(figure["bar"])
    parts = (measured, bar) if figure["at_least"] else (bar, measured)
    return min(max(parts[0] / parts[1] if parts[1] else 1 / _LEAST, _LEAST), 1 / _LEAST)
