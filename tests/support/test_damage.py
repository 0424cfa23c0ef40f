"""Damaged codestreams are the same ones every time, and their originals decode."""

from __future__ import annotations

import zlib

from cornerstream.operators.decoder_table import TABLE
from cornerstream.operators.decompress import decode_frame
from tests.support.damage import samples, variant, variants


def test_every_sample_decodes() -> None:
    for name, frame in samples().items():
        assert decode_frame(frame).pixels.std() > 0, name


def test_there_is_a_sample_of_every_encapsulated_transfer_syntax() -> None:
    missing = {uid for uid in TABLE if ".4." in uid or uid.endswith((".5", ".8.1"))}
    missing -= {frame.metadata.transfer_syntax_uid for frame in samples().values()}
    assert missing <= {"1.2.840.10008.1.2.4.53"}  # which only the corpus has


def test_variants_are_the_same_ones_every_time_and_differ_from_each_other() -> None:
    data = bytes(range(256)) * 8
    damaged = list(variants(data, seed=3, count=40))
    assert damaged == list(variants(data, seed=3, count=40))
    assert variant(data, seed=3, index=7) == damaged[7]
    assert data not in damaged
    assert len(set(damaged)) == 40
    assert set(damaged).isdisjoint(variants(data, seed=4, count=40))

    assert zlib.crc32(b"".join(damaged)) == 581173133  # in every process
