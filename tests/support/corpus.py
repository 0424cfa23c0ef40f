"""The shared corpus of real files, when it is there."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def corpus_available() -> bool:
    """The corpus is present, or must be (CI)."""
    return _ROOT.is_dir() or bool(os.environ.get("CI"))


def corpus_root() -> Path:
    """Folder of the corpus; skips where it is absent, fails in CI."""
    if _ROOT.is_dir():
        return _ROOT
    if os.environ.get("CI"):
        pytest.fail(f"the corpus is missing in CI: {_ROOT}")
    pytest.skip(f"no corpus at {_ROOT}")


@cache
def expected(part: str = "") -> dict[str, Any]:
    """The expectations of one part of the corpus (`""` is the DICOM files', else `series`, `dicomweb`, `web`)."""
    path = _ROOT / part / "expected.json"
    if not path.is_file():
        return {"files": {}}
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded
