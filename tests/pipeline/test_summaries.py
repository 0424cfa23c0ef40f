"""Running summaries, beside numpy's quantiles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.summaries import ERROR, Sketch, Summary

SECONDS = st.lists(st.floats(1e-7, 1e4), min_size=1, max_size=300)


@settings(max_examples=60)
@given(SECONDS)
def test_quantiles_are_as_near_as_promised(seconds: list[float]) -> None:
    sketch = Sketch()
    for one in seconds:
        sketch.add(one)
    summary = sketch.summary()
    assert summary.count == len(seconds)
    assert summary.mean == pytest.approx(np.mean(seconds))
    for share, found in ((0.5, summary.p50), (0.99, summary.p99)):
        exact = float(np.quantile(seconds, share, method="inverted_cdf"))
        assert abs(found - exact) <= ERROR * exact * (1 + 1e-9)


def test_nothing_and_what_is_no_duration() -> None:
    sketch = Sketch()
    for nonsense in (math.nan, math.inf, -1.0):
        sketch.add(nonsense)
    assert sketch.summary() == Summary(0, 0.0, 0.0, 0.0)


def test_memory_is_bounded() -> None:
    sketch = Sketch()
    for exponent in range(-400, 400):
        sketch.add(10.0 ** (exponent / 4) if exponent < 200 else 1e300)
    assert len(sketch._buckets) < 1000
    assert sketch.summary().count == 800
    sketch.add(0.0)
    assert sketch.summary().count == 801
