"""Frames of real files: pydicom and expected.json are the oracles."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom.data
import pytest
from pydicom import dcmread
from pydicom.encaps import generate_frames

from cornerstream.images.errors import (
    ImageLoadError,
    LimitError,
    SplitError,
    TruncatedError,
)
from cornerstream.operators.split_frames import split_part10
from tests.support.corpus import corpus_root, expected
from tests.support.part10 import (
    BIG_ENDIAN,
)
from tests.support.splitting import data_of

if TYPE_CHECKING:
    from pydicom import FileDataset


@cache
def bundled() -> tuple[Path, ...]:
    return tuple(sorted(Path(pydicom.data.__file__).parent.glob("test_files/*.dcm")))


def in_swapped_words(data_set: FileDataset) -> bool:
    big_endian = data_set.file_meta.get("TransferSyntaxUID") == BIG_ENDIAN
    return bool(big_endian and data_set["PixelData"].VR == "OW" and data_set.BitsAllocated == 8)


@pytest.mark.parametrize("path", bundled(), ids=lambda path: path.name)
def test_frames_of_bundled_files_are_pydicoms(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's opinion on odd files
        data_set = dcmread(path, force=True)
    body = path.read_bytes()
    if not {"PixelData", "Rows"} <= set(data_set.dir()) or path.name in {"MR_truncated.dcm", "badVR.dcm"}:
        with pytest.raises((SplitError, TruncatedError)):
            split_part10(body)
        return
    frames = data_of(split_part10(body))
    number = int(data_set.get("NumberOfFrames") or 1)
    if data_set.file_meta.TransferSyntaxUID.is_compressed and data_set["PixelData"].is_undefined_length:
        assert frames == list(generate_frames(data_set.PixelData, number_of_frames=number))
    elif data_set.BitsAllocated >= 8 and not in_swapped_words(data_set):
        assert b"".join(frames) == data_set.PixelData[: len(frames[0]) * number]
    assert len(frames) == number


@pytest.mark.corpus
@pytest.mark.parametrize("category", ["image", "odd", "no-image"])
def test_files_of_the_corpus(category: str) -> None:
    root = corpus_root()
    wrong = []
    for name, facts in expected()["files"].items():
        if facts["category"] != category:
            continue
        body = (root / name).read_bytes()
        try:
            frames = split_part10(body)
        except ImageLoadError as error:
            if category != "no-image" or not isinstance(error, SplitError):
                wrong.append((name, repr(error)))
        else:
            uid = facts["transfer_syntax"] or facts["transfer_syntax_assumed"]
            if len(frames) != facts["frames"] or frames[0].metadata.transfer_syntax_uid != uid:
                wrong.append((name, f"{len(frames)} frames"))
    assert wrong == []


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("pydicom__MR_truncated.dcm", TruncatedError),
        ("pydicom__meta_missing_tsyntax.dcm", SplitError),
        ("derived__pub_truncated_header.dcm", TruncatedError),
        ("derived__pub_truncated_jpegls.dcm", TruncatedError),
        ("derived__pub_truncated_rle.dcm", TruncatedError),
        ("orthanc-tests__2026-05-26-oob-monochrome-65535.dcm", LimitError),
    ],
)
def test_malformed_files_are_refused(name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        split_part10((corpus_root() / "malformed" / name).read_bytes())


@pytest.mark.corpus
def test_a_delimiter_inside_a_fragment_is_not_one() -> None:
    body = (corpus_root() / "malformed" / "pydicom__JPEG2000-embedded-sequence-delimiter.dcm").read_bytes()
    assert [frame.nbytes for frame in split_part10(body)] == [250]
