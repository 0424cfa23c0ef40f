"""Trials see what they are for: crashes, hangs, other errors, memory."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support import trials

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
import os, sys, runpy
import cornerstream.operators.decompress as decompress
decode = decompress.decode_frame
calls = []
def faulty(frame, prefer=None):
    calls.append(1)
    if os.environ["FAULT"] == "crash" and len(calls) == 3: os.kill(os.getpid(), 11)
    if os.environ["FAULT"] == "hang" and len(calls) == 3:
        while True: pass
    if os.environ["FAULT"] == "other" and len(calls) == 3: raise KeyError("unheard of")
    if os.environ["FAULT"] == "memory" and len(calls) == 3: bytearray(b"1") * (80 << 20)
    return decode(frame, prefer)
decompress.decode_frame = faulty
"""


@pytest.mark.parametrize("fault", ["crash", "hang", "other", "memory"])
def test_what_a_trial_reports(fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    monkeypatch.setenv("FAULT", fault)
    monkeypatch.setattr(trials, "HANG_SECONDS", 0.5)
    found = trials.trial("native", "numpy", seed=1, count=2)
    assert found.crashes == ({1: signal.Signals.SIGSEGV.name} if fault == "crash" else {})
    assert found.hangs == ([1] if fault == "hang" else [])
    assert found.wrong == ({1: "KeyError('unheard of')"} if fault == "other" else {})
    assert (found.nbytes[0] > 70 << 20) == (fault == "memory")
    assert found.clean == (fault == "memory")
