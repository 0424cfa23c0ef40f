"""Every benchmark runs on tiny data and finds the same pixels as its peers; no time is judged."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from io import StringIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmarks.__main__ import NAMES, run
from benchmarks.bench_storm import storm_path
from benchmarks.common import Bench, Contestant, Verdict, check_pixels, interleave, ratio_of
from benchmarks.observed import is_pixels

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"), Console(file=StringIO(), width=160), quick=True)


def printed(bench: Bench) -> str:
    assert isinstance(bench.console.file, StringIO)
    return bench.console.file.getvalue()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("default")  # the peers' own warnings are not ours to answer for
def test_it_runs(bench: Bench, name: str) -> None:
    if name in ("dicomweb", "series") and find_spec("dicomweb_client") is None:
        if os.environ.get("CI"):
            pytest.fail("dicomweb-client is not installed: pip install .[bench]")
        pytest.skip("dicomweb-client is not installed: pip install .[bench]")
    before = len(printed(bench))
    run(name, bench)
    report = printed(bench)[before:]
    assert "cornerstream" in report
    assert "floor" in report or "first in, first out" in report or "not judged" in report or "pydicom" in report


def test_every_module_is_run() -> None:
    assert sorted(NAMES) == sorted(
        path.stem.removeprefix("bench_") for path in (ROOT / "benchmarks").glob("bench_*.py")
    )


def test_the_command_names_the_machine_and_itself() -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "overhead"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "python -m benchmarks --quick --only overhead" in done.stdout
    assert "cores" in done.stdout
    assert "pydicom 3" in done.stdout


def test_a_figure_is_held_against_its_bar() -> None:
    assert Verdict("time", 1.5, 1.5, "×").row() == ("time", "1.50 ×", "≤ 1.5 ×", "reached")
    assert Verdict("time", 1.51, 1.5, "×").row()[-1] == "missed"
    assert Verdict("hits", 94.9, 95, "%", at_least=True, digits=1).row() == ("hits", "94.9 %", "≥ 95 %", "missed")
    assert Verdict("hits", 95, 95, at_least=True).row()[-1] == "reached"
    assert Verdict("hits", 95, 95, at_least=True).row(judged=False)[-1] == "not judged"


def test_a_storm_has_jumps_and_is_the_same_for_everybody() -> None:
    path = storm_path(300, 300)
    assert path == storm_path(300, 300)
    assert len(path) == 300
    assert path[-1] == 250
    assert all(0 <= index < 300 for index in path)
    assert sum(abs(b - a) > 1 for a, b in pairwise(path)) >= 5


@pytest.mark.parametrize(
    ("url", "pixels"),
    [
        ("/dicom-web/studies/1/series/2/instances/3/frames/1,2", True),
        ("/dicom-web/studies/1/series/2/instances/3", True),
        ("/dicom-web/studies/1/series/2?accept=x", True),
        ("/dicom-web/studies/1/series/2/instances/3/metadata", False),
        ("/dicom-web/studies/1/series/2/metadata", False),
        ("/dicom-web/studies/1/series", False),
    ],
)
def test_requests_for_pixels_are_told_from_others(url: str, pixels: bool) -> None:
    assert is_pixels(url) is pixels


def test_other_pixels_than_the_first_are_noticed() -> None:
    right = Contestant(lambda look: [look(np.full((2, 2), value, np.uint16)) for value in (1, 2)])
    swapped = Contestant(lambda look: [look(np.full((2, 2), value, np.uint16)) for value in (2, 1)])
    unordered = Contestant(swapped.run, ordered=False)
    check_pixels({"right": right, "unordered": unordered}, 2)
    with pytest.raises(AssertionError, match="swapped delivered other pixels than right"):
        check_pixels({"right": right, "swapped": swapped}, 2)
    with pytest.raises(AssertionError, match="right delivered 2 of 3 images"):
        check_pixels({"right": right}, 3)


def test_rounds_take_turns_and_ratios_are_medians_of_rounds() -> None:
    order: list[str] = []

    def action(name: str, figure: float) -> float:
        order.append(name)
        return figure

    samples = interleave({"a": lambda: action("a", 1.0), "b": lambda: action("b", 2.0)}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert samples == {"a": [1.0] * 3, "b": [2.0] * 3}
    assert ratio_of([1, 30, 2], [2, 10, 2]) == 1.0
