"""Damaged codestreams of every codec: an image of the declared shape, or a DecodeError; no crash, no hang, little memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from cornerstream.images.frames import EncodedFrame
from cornerstream.operators.decoder_table import TABLE
from tests.support.damage import samples
from tests.support.trials import damaged, decoders_of, outcome_of, trial

if TYPE_CHECKING:
    from cornerstream.operators.decoder import Decoder

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # OpenJPH's dropped errors
FEW, MANY = 40, 300
LARGE = "jpeg-spectral-12", "jpeg-progressive-12", "jpegls-planes", "jpegls-clinical", "j2k-1-bit", "htj2k-clinical"
NAMES = sorted({*samples()} - {*LARGE})


def decoder(frame: EncodedFrame, name: str) -> Decoder:
    return next(row for row in TABLE[frame.metadata.transfer_syntax_uid].decoders if row.name == name)


@pytest.mark.parametrize("name", NAMES)
def test_a_few_in_this_process(name: str) -> None:
    frame = samples()[name]
    for preferred in decoders_of(frame):
        if not decoder(frame, preferred).crash_safe:
            continue
        for index in range(FEW):
            variant = EncodedFrame(frame.metadata, damaged(name, 0, index))
            start = time.thread_time()
            outcome = outcome_of(variant, preferred)
            assert outcome in {"image", "refused"}, f"{preferred}: variant {index}"
            assert time.thread_time() - start < 1, f"{preferred}: variant {index}"


@pytest.mark.long
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", sorted(samples()))
def test_many_in_a_process_of_their_own(name: str) -> None:
    frame = samples()[name]
    for preferred in decoders_of(frame):
        found = trial(name, preferred, seed=1, count=MANY)
        assert found.wrong == {}, preferred
        assert found.images + found.refused + len(found.crashes) + len(found.hangs) == MANY
        assert found.refused > 40, "cuts and headers alone are as many: the damage does not reach the decoder"
        if decoder(frame, preferred).crash_safe:
            assert (found.crashes, found.hangs) == ({}, []), preferred
            assert found.seconds[0] < 1, f"{preferred}: variant {found.seconds[1]}"
            assert found.nbytes[0] < 64 << 20, f"{preferred}: variant {found.nbytes[1]}"
