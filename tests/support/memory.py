"""Growth of a process's peak memory, measured in a process of its own.

A probe is a function of a test module, without arguments or with ones that JSON can carry. It returns what JSON can
carry, does its imports and makes its input before it calls the callable it is handed (`mark`), and only what comes
after that counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Growth:
    """What a probe returned, and by how many bytes the peak grew."""

    result: Any
    nbytes: int


def growth_of(probe: Callable[..., Any], *args: Any, seconds: float = 50) -> Growth:
    """Run `probe(mark, *args)` in a fresh process.

    Raises:
        subprocess.CalledProcessError: The probe raised, or its process died.
        subprocess.TimeoutExpired: It took longer than `seconds`.
    """
    name = f"{probe.__module__}:{probe.__name__}"
    command = [sys.executable, "-X", "faulthandler", "-m", __name__, name, json.dumps(args)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr[-4000:])
    result, nbytes = json.loads(done.stdout.splitlines()[-1])
    return Growth(result, nbytes)


def _peak() -> int:
    """Bytes of the largest resident set of this process (ru_maxrss would begin with that of its parent)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


def _main(name: str, args: str) -> None:
    module, _, function = name.partition(":")
    probe = getattr(import_module(module), function)
    start: list[int] = []

    def mark() -> None:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak becomes what is resident now
        start.append(_peak())

    result = probe(mark, *json.loads(args))
    sys.stdout.write("\n" + json.dumps((result, _peak() - start[0])) + "\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
