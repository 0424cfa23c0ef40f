"""Where and with what the figures were measured."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES = (
    "cornerstream",
    "reactivex",
    "aiohttp",
    "numpy",
    "imagecodecs",
    "pydicom",
    "pylibjpeg-openjpeg",
    "pylibjpeg-libjpeg",
    "pylibjpeg-rle",
    "pyjpegls",
    "pillow",
    "SimpleITK",
    "dicomweb-client",
)


def describe_machine(arguments: Sequence[str] = ()) -> str:
    """Date, processor, cores and load, Python, package versions and the command."""
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    versions = ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name)))
    command = " ".join(("python -m benchmarks", *arguments))
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {_processor()} · {cores()} cores · load {load} before the start\n"
        f"Python {platform.python_version()} on {platform.system()} · {versions}\n{command}"
    )


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:  # not Linux
        found = None
    return found[1] if found else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
