"""What a run leaves behind: its figures as JSON, and whether they are worse than those of an earlier run."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.common import Verdict

FOLDER = Path(__file__).parent / "results"
TOLERANCE = 0.25
RATIO = "×"

Figures = dict[str, dict[str, Any]]


def figures_of(collected: Iterable[tuple[str, Verdict]]) -> Figures:
    """Every figure by `title: what`, as JSON has it."""
    return {f"{title}: {verdict.what}": _figure(verdict) for title, verdict in collected}


def save(path: Path, machine: str, rounds: int, figures: Mapping[str, Figures]) -> None:
    """Write the figures of some benchmarks, by the name of each, with the machine that they are of."""
    path.parent.mkdir(parents=True, exist_ok=True)
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    model = {"machine": machine.splitlines(), "rounds": rounds, "load_after": load, "figures": figures}
    path.write_text(json.dumps(model, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load(path: Path) -> dict[str, Figures]:
    """The figures that a file has, by benchmark.

    Raises:
        ValueError: It has none.
    """
    try:
        model: dict[str, dict[str, Figures]] = json.loads(path.read_text(encoding="utf-8"))
        return model["figures"]
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} has no figures; `python -m benchmarks --baseline` makes such a file") from error


def regressions(
    before: Mapping[str, Figures], now: Mapping[str, Figures], tolerance: float = TOLERANCE
) -> list[tuple[str, str]]:
    """Ratios that are worse than before, and those that are missing; seconds and bytes are not compared.

    Args:
        before: By benchmark; those that have not run now are left out.
        now: By benchmark.
        tolerance: A quarter more, or less where the bar is a lower one, is not worse yet.

    Returns:
        The name of each figure, and what is wrong with it.
    """
    found = []
    for benchmark in before.keys() & now.keys():
        for name, figure in before[benchmark].items():
            if figure["unit"] == RATIO:
                wrong = _worse(figure, now[benchmark].get(name), tolerance)
                found += [(f"{benchmark}, {name}", wrong)] if wrong else []
    return sorted(found)


def by_benchmark(collected: Sequence[tuple[str, str, Verdict]]) -> dict[str, Figures]:
    """Figures collected as benchmark, title and verdict."""
    found: defaultdict[str, list[tuple[str, Verdict]]] = defaultdict(list)
    for benchmark, title, verdict in collected:
        found[benchmark].append((title, verdict))
    return {benchmark: figures_of(some) for benchmark, some in found.items()}


def _worse(before: Mapping[str, Any], now: Mapping[str, Any] | None, tolerance: float) -> str:
    if now is None:
        return "was measured before, and is not now"
    old, new = float(before["measured"]), float(now["measured"])
    worse = new < old / (1 + tolerance) if before["at_least"] else new > old * (1 + tolerance)
    return f"{new:g} × now, {old:g} × before" if worse else ""


def _figure(verdict: Verdict) -> dict[str, Any]:
    return {
        "measured": round(verdict.measured, 4),
        "spread": [round(figure, 4) for figure in verdict.spread or ()],
        "bar": verdict.bar,
        "at_least": verdict.at_least,
        "unit": verdict.unit,
        "reached": bool(verdict.reached),
    }
