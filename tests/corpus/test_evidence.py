"""The table of evidence says what there is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.corpus import corpus_root
from tests.support.documents import ROOT


@pytest.mark.corpus
def test_the_table_of_evidence_is_up_to_date() -> None:
    corpus_root()
    run = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "evidence.py")], capture_output=True, text=True, timeout=50, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
