"""Startup: importing the package beside importing what it is built on, and the command's help; fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.common import OURS, Verdict, interleave, ratio_verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.common import Bench

TITLE = "importing, and the command's help"
BAR_IMPORT = 1.2
BAR_HELP = 0.5
TIMES = 11
FLOOR = "numpy, aiohttp, reactivex alone"
SESSION = "cornerstream and its Session"


def run(bench: Bench) -> None:
    """In turns, since the machine's caches and its other programs change from minute to minute."""
    with TemporaryDirectory() as folder:
        _run(bench, {**os.environ, "PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""})


def _run(bench: Bench, environment: Mapping[str, str]) -> None:
    """With byte code for all of it, as an installed package has it, whatever the caller's environment says."""
    times = 1 if bench.quick else TIMES
    actions = {
        OURS: _imported("cornerstream", environment),
        SESSION: _imported("cornerstream; cornerstream.Session", environment),
        FLOOR: _imported("numpy, aiohttp, reactivex", environment),
    }
    if not bench.quick:
        interleave(actions, 1)  # writes byte code, fills the page cache
    samples = interleave(actions, times)
    bench.table("import, in a fresh process, processor time", samples, "ms", 0)
    helped = interleave({"help": partial(help_seconds, environment)}, times)["help"]
    verdicts = [
        ratio_verdict(f"import {OURS} over {FLOOR}", samples[OURS], samples[FLOOR], BAR_IMPORT),
        ratio_verdict(f"{SESSION} over {FLOOR}", samples[SESSION], samples[FLOOR], BAR_IMPORT),
        Verdict("cornerstream --help", median(helped), BAR_HELP, "s", spread=(min(helped), max(helped))),
    ]
    bench.verdicts("startup", verdicts, "names of the package are imported when they are first used: both are told")


def _imported(what: str, environment: Mapping[str, str]) -> Callable[[], float]:
    """Milliseconds of processor time: an import waits for nothing once its files are in the page cache."""
    program = f"import time; start = time.process_time(); import {what}; print((time.process_time() - start) * 1000)"
    command = [sys.executable, "-c", program]
    return lambda: float(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)


def help_seconds(environment: Mapping[str, str]) -> float:
    """Seconds that `cornerstream --help` takes, from nothing to its end."""
    start = perf_counter()
    command = [sys.executable, "-m", "cornerstream", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    elapsed = perf_counter() - start
    assert "serve" in done.stdout, "not the help"
    return elapsed
