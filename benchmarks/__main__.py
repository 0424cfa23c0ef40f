"""Run the benchmarks one after the other."""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from rich.console import Console

from benchmarks.common import Bench
from benchmarks.machine import describe_machine

NAMES = (
    "folder",
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


def main() -> None:
    """Parse the command line and run what it asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios against peers and floors.")
    parser.add_argument("--quick", action="store_true", help="tiny data, one round: proves that they run, no figures")
    parser.add_argument("--only", choices=NAMES, action="append", help="run this one; may be repeated")
    parser.add_argument("--data", type=Path, help="keep the generated studies here, and take them from here again")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    with tempfile.TemporaryDirectory(prefix="cornerstream-bench-") as folder:
        bench = Bench(options.data or Path(folder), console, quick=options.quick)
        console.print(describe_machine(sys.argv[1:]), soft_wrap=True)
        for name in options.only or NAMES:
            run(name, bench)


def run(name: str, bench: Bench) -> None:
    """Run one benchmark by its name."""
    module = import_module(f"benchmarks.bench_{name}")
    bench.console.rule(f"[bold]{name}[/bold]: {module.TITLE}")
    module.run(bench)


if __name__ == "__main__":
    main()
