"""Run the benchmarks one after the other."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from rich.console import Console

from benchmarks import results
from benchmarks.common import Bench, Verdict, verdict_table
from benchmarks.machine import describe_machine
from benchmarks.plot import plot

NAMES = (
    "series",
    "folder",
    "listing",
    "first",
    "memory",
    "growth",
    "startup",
    "dicomweb",
    "cancel",
    "heartbeat",
    "overhead",
    "priority",
    "jump",
    "storm",
    "drop",
    "slow",
    "multiframe",
    "wheel",
)


def main() -> int:
    """Parse the command line and run what it asks for; 1 if a ratio is worse than the one it is compared with."""
    options = _parser().parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    before = results.load(options.compare) if options.compare else {}
    machine = describe_machine(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="cornerstream-bench-") as folder:
        bench = Bench(options.data or Path(folder), console, quick=options.quick, asked_rounds=options.rounds)
        console.print(machine, soft_wrap=True)
        collected: list[tuple[str, str, Verdict]] = []
        for name in options.only or NAMES:
            collected += run(name, bench)
            if not options.quick:
                results.save(
                    results.FOLDER / f"{name}.json", machine, bench.rounds, _of(results.by_benchmark(collected), name)
                )
    summarise(bench, collected)
    figures = results.by_benchmark(collected)
    if not options.quick:
        _keep(console, machine, bench.rounds, figures, baseline=options.baseline)
    return compare(console, before, figures, options.tolerance) if options.compare else 0


def run(name: str, bench: Bench) -> list[tuple[str, str, Verdict]]:
    """Run one benchmark by its name; its figures, each with the benchmark and the title of its table."""
    module = import_module(f"benchmarks.bench_{name}")
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    bench.console.rule(f"[bold]{name}[/bold]: {module.TITLE}{load}")
    before = len(bench.collected)
    module.run(bench)
    return [(name, title, verdict) for title, verdict in bench.collected[before:]]


def summarise(bench: Bench, collected: list[tuple[str, str, Verdict]]) -> None:
    """Print every figure of the run beside its bar, once more and together."""
    bench.console.rule("[bold]every figure[/bold]")
    for name in dict.fromkeys(name for name, _, _ in collected):
        for title in dict.fromkeys(title for found, title, _ in collected if found == name):
            verdicts = [verdict for found, where, verdict in collected if (found, where) == (name, title)]
            bench.console.print(verdict_table(title, verdicts, judged=not bench.quick))
    judged = [verdict.reached for _, _, verdict in collected]
    if judged and not bench.quick:
        bench.console.print(f"{sum(judged)} of {len(judged)} figures reached their bars")


def compare(
    console: Console, before: dict[str, results.Figures], now: dict[str, results.Figures], tolerance: float
) -> int:
    """Print the ratios that are worse than before; 1 if there are some."""
    found = results.regressions(before, now, tolerance)
    for name, wrong in found:
        console.print(f"worse: {name}: {wrong}", soft_wrap=True)
    console.print(f"compared ratios, a tolerance of {tolerance:.0%}: {len(found)} worse")
    return 1 if found else 0


def _keep(console: Console, machine: str, rounds: int, figures: dict[str, results.Figures], *, baseline: bool) -> None:
    stem = "baseline" if baseline else "figures"
    if baseline:
        results.save(results.FOLDER / f"{stem}.json", machine, rounds, figures)
    try:
        plot(results.FOLDER / f"{stem}.svg", figures, machine.splitlines()[0])
    except ImportError:
        console.print("no plot: pip install '.[bench]' brings matplotlib")
    console.print(f"written: {results.FOLDER}")


def _of(figures: dict[str, results.Figures], name: str) -> dict[str, results.Figures]:
    return {name: figures.get(name, {})}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios against peers and floors.")
    parser.add_argument("--quick", action="store_true", help="tiny data, one round: proves that they run, no figures")
    parser.add_argument("--only", choices=NAMES, action="append", help="run this one; may be repeated")
    parser.add_argument("--data", type=Path, help="keep the generated studies here, and take them from here again")
    parser.add_argument("--rounds", type=int, help="measured rounds, 5 by default")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="end with 1 if a ratio is worse than in this file")
    parser.add_argument("--tolerance", type=float, default=results.TOLERANCE, help="of the comparison, 0.25 by default")
    parser.add_argument("--baseline", action="store_true", help="write this run as benchmarks/results/baseline.json")
    return parser


if __name__ == "__main__":
    sys.exit(main())
