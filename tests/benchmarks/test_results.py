"""Figures of a run: kept as JSON, drawn, and compared by ratios with those of another run."""

from __future__ import annotations

import json
from importlib.util import find_spec
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from benchmarks.__main__ import compare
from benchmarks.common import Verdict, ratio_verdict
from benchmarks.plot import margin, plot
from benchmarks.results import by_benchmark, load, regressions, save

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.results import Figures


def run_of(**ratios: float) -> dict[str, Figures]:
    """`slower` has to be small, `faster` has to be large; `seconds` are no ratio."""
    verdicts = {
        "slower": lambda value: Verdict("slower", value, 1.2, "×"),
        "faster": lambda value: Verdict("faster", value, 3.0, "×", at_least=True),
        "seconds": lambda value: Verdict("seconds", value, 0.5, "s"),
    }
    return by_benchmark([("series", "static", verdicts[name](value)) for name, value in ratios.items()])


@pytest.mark.parametrize(
    ("now", "worse"),
    [
        ({"slower": 1.25, "faster": 3.2, "seconds": 90.0}, []),
        ({"slower": 1.26, "faster": 4.0, "seconds": 1.0}, ["series, static: slower"]),
        ({"slower": 0.1, "faster": 3.1, "seconds": 1.0}, ["series, static: faster"]),
        ({"slower": 1.0, "seconds": 1.0}, ["series, static: faster"]),
    ],
)
def test_ratios_are_compared_and_seconds_are_not(now: dict[str, float], worse: list[str]) -> None:
    before = run_of(slower=1.0, faster=4.0, seconds=1.0)
    assert [name for name, _ in regressions(before, run_of(**now), 0.25)] == worse


def test_a_benchmark_that_has_not_run_is_not_compared() -> None:
    assert regressions(run_of(slower=1.0), {"folder": {}}, 0.25) == []


def test_a_worse_ratio_ends_with_an_exit_code_and_says_which() -> None:
    console = Console(file=StringIO(), width=160)
    assert compare(console, run_of(slower=1.0), run_of(slower=1.0), 0.25) == 0
    assert compare(console, run_of(slower=1.0), run_of(slower=1.5), 0.25) == 1
    assert isinstance(console.file, StringIO)
    assert "worse: series, static: slower: 1.5 × now, 1 × before" in console.file.getvalue()


def test_figures_come_back_from_their_file(tmp_path: Path) -> None:
    figures = by_benchmark([("series", "static", ratio_verdict("slower", [1.0, 6.0, 4.0], [2.0, 3.0, 4.0], 1.2))])
    save(tmp_path / "results" / "series.json", "date · machine\nversions\ncommand", 3, figures)
    assert load(tmp_path / "results" / "series.json") == figures
    model = json.loads((tmp_path / "results" / "series.json").read_text(encoding="utf-8"))
    assert (model["machine"], model["rounds"]) == (["date · machine", "versions", "command"], 3)
    assert model["figures"]["series"]["static: slower"] == {
        "measured": 1.0,
        "spread": [0.5, 2.0],
        "bar": 1.2,
        "at_least": False,
        "unit": "×",
        "reached": True,
    }


@pytest.mark.parametrize("text", ["", "[]", "{}"])
def test_a_file_without_figures_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "figures.json").write_text(text)
    with pytest.raises(ValueError, match="has no figures"):
        load(tmp_path / "figures.json")
    with pytest.raises(ValueError, match="has no figures"):
        load(tmp_path / "nothing.json")


def test_a_margin_is_1_at_the_bar_and_more_where_it_is_better() -> None:
    figures = run_of(slower=0.6, faster=1.5, seconds=0.5)["series"]
    assert {name: margin(one) for name, one in figures.items()} == {
        "static: slower": 2.0,
        "static: faster": 0.5,
        "static: seconds": 1.0,
    }
    assert margin({"measured": 0.0, "bar": 1.0, "at_least": False}) == 50.0


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed: pip install .[bench]")
@pytest.mark.filterwarnings("default")  # matplotlib's own
def test_a_plot_is_small_and_names_every_figure(tmp_path: Path) -> None:
    plot(tmp_path / "figures.svg", run_of(slower=1.0, faster=4.0, seconds=1.0), "date · machine")
    text = (tmp_path / "figures.svg").read_text(encoding="utf-8")
    assert len(text) < 100_000
    assert all(f"series, static: {name}" in text for name in ("slower", "faster", "seconds"))
