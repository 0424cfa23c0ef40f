"""Every lossless file by a second decoder, bit for bit; what only one decoder reads is named, with the reason."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cornerstream.images.errors import DecodeError
from cornerstream.operators.decoder_table import TABLE
from cornerstream.operators.decompress import decode_frame
from cornerstream.operators.split_frames import FrameSplitter
from tests.corpus.files import CorpusFile, corpus_files, each_file
from tests.corpus.second_opinions import (
    DCMTK_DISAGREES,
    DCMTK_READS,
    JPEG_LOSSLESS,
    PYDICOM_DISAGREES,
    PYDICOM_READS,
    by_dcmtk,
    by_liblj92,
    by_pydicom,
)
from tests.support.corpus import corpus_root

if TYPE_CHECKING:
    from cornerstream.images.frames import EncodedFrame
    from cornerstream.operators.decoder import Decoder
    from tests.corpus.second_opinions import Frames

pytestmark = [pytest.mark.corpus, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]

# Eight 1-bit pixels a byte; pylibjpeg-rle takes them for one a byte.
ONE_DECODER_ONLY = {"dicom/pydicom-data__liver_rle.dcm"}
PACKED_12 = "dicom/derived__pub_bits12_packed.dcm"
PACKED = "packed Y Y Cb Cr bytes as stored"  # compared as bytes, in test_operators.py


def lossless(*transfer_syntax_uids: str) -> pytest.MarkDecorator:
    return each_file(
        lambda file: (
            file.has_pixels
            and file.facts["lossless"]
            and file.facts["transfer_syntax"] in transfer_syntax_uids
            and file.facts.get("stored_layout") != PACKED
        )
    )


def encoded(file: CorpusFile) -> list[EncodedFrame]:
    corpus_root()
    splitter = FrameSplitter()
    return [*splitter.feed(file.path.read_bytes()), *splitter.close()]


def chosen(file: CorpusFile) -> Frames:
    """What the library decodes."""
    return [decode_frame(frame).pixels for frame in encoded(file)]


def decoders_of(file: CorpusFile) -> tuple[Decoder, ...]:
    syntax = TABLE.get(file.facts.get("transfer_syntax") or "")
    return syntax.decoders if syntax else ()


def assert_same(found: Frames, wanted: Frames, within: int = 0) -> None:
    assert len(found) == len(wanted) > 0
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one.shape, other.shape)
        if within:
            assert np.abs(one.astype(np.int64) - other.astype(np.int64)).max() <= within
        else:
            np.testing.assert_array_equal(one, other)


@each_file(lambda file: file.has_pixels and len(decoders_of(file)) > 1)
def test_the_decoders_of_the_table_agree(file: CorpusFile) -> None:
    """Exactly where the syntax is lossless; within the rounding of the wavelet transform where it is not."""
    frames = encoded(file)
    first, *others = decoders_of(file)
    wanted = [decode_frame(frame, first.name).pixels for frame in frames]
    for other in others:
        if file.name in ONE_DECODER_ONLY:
            with pytest.raises(DecodeError):
                decode_frame(frames[0], other.name)
        else:
            found = [decode_frame(frame, other.name).pixels for frame in frames]
            assert_same(found, wanted, within=0 if file.facts["lossless"] else 1)


@lossless(*PYDICOM_READS)
def test_pydicom_agrees(file: CorpusFile) -> None:
    found = chosen(file)
    if file.name in PYDICOM_DISAGREES:
        with pytest.raises((AssertionError, ValueError, RuntimeError)):
            assert_same(found, by_pydicom(file))
    else:
        assert_same(found, by_pydicom(file))


@lossless(*JPEG_LOSSLESS)
def test_liblj92_agrees(file: CorpusFile) -> None:
    assert_same(chosen(file), by_liblj92(file))


@lossless(*DCMTK_READS)
def test_dcmtk_agrees(file: CorpusFile) -> None:
    if not shutil.which("dcmdjpls") and not os.environ.get("CI"):
        pytest.skip("DCMTK is not installed")
    found = chosen(file)
    if file.name in DCMTK_DISAGREES:
        with pytest.raises((AssertionError, ValueError, subprocess.CalledProcessError)):
            assert_same(found, by_dcmtk(file))
    else:
        assert_same(found, by_dcmtk(file))


def test_every_lossless_file_has_a_second_opinion() -> None:
    """What no second decoder reads was made of a native file: its values are those of the original."""
    corpus_root()
    files = [file for file in corpus_files() if file.has_pixels and file.facts["lossless"]]
    originals = {one["sha256"] for file in files if is_read_twice(file) for one in file.facts["stored"]}
    alone = [file for file in files if not is_read_twice(file)]
    assert {file.name for file in alone if file.facts["stored"][0]["sha256"] not in originals} == {PACKED_12}
    assert {file.facts["transfer_syntax"] for file in alone} >= {"1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.8.1"}


@each_file(lambda file: file.name == PACKED_12)
def test_packed_12_bit_pixels_are_a_corner_of_their_original(file: CorpusFile) -> None:
    (original,) = (one for one in corpus_files() if one.name == "dicom/dcm_qa_12bit__12bitUnsigned.dcm")
    assert_same(chosen(file), [chosen(original)[0][:256, :256]])


def is_read_twice(file: CorpusFile) -> bool:
    """A decoder that is not the library's choice has been compared above."""
    uid = file.facts["transfer_syntax"]
    by_table = len(decoders_of(file)) > 1 and file.name not in ONE_DECODER_ONLY
    by_other = uid in PYDICOM_READS and file.name not in PYDICOM_DISAGREES
    return by_table or by_other or uid in JPEG_LOSSLESS
