"""What `drop` counts as begun after a cancel."""

from __future__ import annotations

import pytest

from benchmarks.bench_drop import Dropped
from benchmarks.observed import Seen


def test_only_what_was_written_before_the_cancel_may_be_read_after_it() -> None:
    seen = [Seen("/read before", 0.9), Seen("/read late", 1.5), Seen("/begun after", 1.3), Seen("/unheard of", 0.5)]
    dropped = Dropped()
    dropped.compare(seen, {"/read before": 0.8, "/read late": 0.95, "/begun after": 1.1}, returned=1.0)
    assert dropped.requests_after == 2
    assert dropped.read_late == [pytest.approx(500)]
    assert dropped.rows()["1 read late"] == dropped.read_late
