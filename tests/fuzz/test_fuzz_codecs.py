"""Fuzzing of decoders with a fixed budget: what hypothesis makes of real codestreams, in this process and in another."""

from __future__ import annotations

import random
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cornerstream.images.frames import EncodedFrame
from tests.support.damage import samples
from tests.support.trials import decoders_of, outcome_of, trial

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # OpenJPH's dropped errors
]
SMALL = sorted(name for name, frame in samples().items() if frame.nbytes < 40_000)
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from("orid"), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6
)


def edited(data: bytes, edits: Sequence[tuple[float, str, bytes]], head: int) -> bytes:
    """Runs overwritten, repeated, inserted or deleted; every other one within the first bytes."""
    for index, (place, kind, run) in enumerate(edits):
        at = int(place * (min(head, len(data)) if index % 2 else len(data)))
        behind = {"o": at + len(run), "r": max(at - len(run), 0), "i": at, "d": at + len(run)}[kind]
        data = data[:at] + (b"" if kind in "rd" else run) + data[behind:]
    return data


@pytest.mark.parametrize("name", SMALL)
@given(EDITS, st.integers(8, 400), st.booleans())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_edited_codestreams(name: str, edits: list[tuple[float, str, bytes]], head: int, ended: bool) -> None:
    frame = samples()[name]
    data = edited(bytes(frame.data), edits, head) + b"\xff\xd9" * ended
    for decoder in decoders_of(frame):
        assert outcome_of(EncodedFrame(frame.metadata, data), decoder) in {"image", "refused"}


@pytest.mark.parametrize("name", SMALL)
@given(st.binary(max_size=400))
@settings(max_examples=50, deadline=None)
def test_anything_behind_a_real_header(name: str, body: bytes) -> None:
    frame = samples()[name]
    head = random.Random(zlib.crc32(body)).randrange(2, 200)
    for decoder in decoders_of(frame):
        data = bytes(frame.data)[:head] + body + b"\xff\xd9"
        assert outcome_of(EncodedFrame(frame.metadata, data), decoder) in {"image", "refused"}


@pytest.mark.parametrize("name", ["htj2k-16", "htj2k-colour", "htj2k-tiles", "jpegls-16", "jpegls-colour"])
def test_those_that_hung_once(name: str) -> None:
    """OpenJPH and CharLS without the guards in front of them: 4 hangs in 300, seconds to refuse."""
    for decoder in decoders_of(samples()[name])[:1]:
        found = trial(name, decoder, seed=2, count=1000)
        assert (found.wrong, found.crashes, found.hangs) == ({}, {}, [])
        assert found.seconds[0] < 1
        assert found.nbytes[0] < 64 << 20
