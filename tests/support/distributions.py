"""Distributions that were never built: what `importlib.metadata` finds of them is written into a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest


def write_distribution(
    folder: Path, name: str, version: str, modules: Mapping[str, str], entry_points: Mapping[str, Mapping[str, str]]
) -> None:
    """Write one.

    Args:
        folder: Must be on `sys.path` for it to be found.
        name: Of the distribution.
        version: Of the distribution.
        modules: Source by the name of the module.
        entry_points: By group, then by name.
    """
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source)
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        line for group, of in entry_points.items() for line in (f"[{group}]", *(f"{k} = {v}" for k, v in of.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let distributions in a folder be found."""
    monkeypatch.syspath_prepend(str(folder))
    return folder
