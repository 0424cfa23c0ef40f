"""The corpus itself, and that the helpers of its report see what is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.corpus.files import CorpusFile, corpus_files, sha256
from tests.corpus.pixels import close_to, rgb_faults, stored_faults
from tests.corpus.report import Report, Row
from tests.corpus.served import shelves
from tests.support.corpus import corpus_root

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

EXACT = {"max_abs": 0.0, "mean_abs": 0.0}


@pytest.mark.corpus
def test_every_file_of_the_corpus_has_expectations() -> None:
    root = corpus_root()
    found = [str(path.relative_to(root)) for kind in ("dicom", "malformed") for path in (root / kind).iterdir()]
    assert sorted(found) == sorted(file.name for file in corpus_files())
    assert len(found) == 189


@pytest.mark.corpus
def test_every_instance_is_once_on_a_shelf() -> None:
    corpus_root()
    groups = shelves(corpus_files())
    assert sorted(file.name for group in groups for file in group) == sorted(file.name for file in corpus_files())
    for group in groups:
        instances = [uids[2] for uids in (file.uids() for file in group) if uids]
        assert len(instances) == len(set(instances))


def facts_of(pixels: NDArray[np.generic], **more: object) -> dict[str, Any]:
    fact = {
        "sha256": sha256(pixels),
        "shape": list(pixels.shape),
        "dtype": str(pixels.dtype),
        "min": float(pixels.min()),
        "max": float(pixels.max()),
        "mean": float(pixels.mean()),
    }
    return {
        "stored": [fact],
        "stored_dtype": str(pixels.dtype),
        "rgb": [fact | {"mean": pixels.reshape(-1, pixels.shape[-1]).mean(axis=0).tolist()}],
        "rgb_rule": "palette applied",
        "lossless": True,
        "tolerance_stored": {"max_abs": 1, "mean_abs": 0.5},
        "tolerance_rgb": {"max_abs": 1, "mean_abs": 0.5},
        **more,
    }


@pytest.mark.parametrize(("faults_of", "shape"), [(stored_faults, (3, 4)), (rgb_faults, (2, 2, 3))])
def test_one_wrong_value_is_seen(
    faults_of: Callable[[dict[str, Any], int, NDArray[np.generic]], list[str]], shape: tuple[int, ...]
) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(shape)
    wrong = pixels.copy()
    wrong.flat[5] += 1
    assert faults_of(facts_of(pixels), 0, pixels) == []
    assert len(faults_of(facts_of(pixels), 0, wrong)) == 1
    assert len(faults_of(facts_of(pixels), 0, pixels.astype(np.uint16))) == 1
    assert len(faults_of(facts_of(pixels), 0, pixels[:1])) == 1


def test_what_is_lossy_is_right_within_its_tolerance() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    facts = facts_of(pixels, lossless=False)
    near, far = pixels.copy(), pixels.copy()
    near[2, 3] += 1
    far[2, 3] += 2
    assert stored_faults(facts, 0, near) == []
    assert stored_faults(facts, 0, far) == ["stored values are not within the tolerance"]
    assert not close_to(near, facts_of(pixels)["stored"][0], EXACT)


def test_a_line_a_file_and_the_count() -> None:
    file = CorpusFile("dicom/a", {"transfer_syntax": "1.2.840.10008.1.2.4.90", "photometric": "MONOCHROME2",
                                  "bits_allocated": 16, "bits_stored": 12})  # fmt: skip
    report = Report()
    report.add(Row(file, "wadouri", "pixels", ("frame 2: wrong",)))
    report.add(Row(file, "dicomfile", "pixels"))
    report.add(Row(replace(file, name="dicom/b", facts={}), "dicomfile", "nothing"))
    assert list(report.lines()) == [
        "dicom/a | 4.90 | MONOCHROME2 | 12/16 | dicomfile, wadouri: pixels | WRONG wadouri: frame 2: wrong",
        "dicom/b | – | – | – | dicomfile: nothing | ok",
        "2 files by 2 routes (dicomfile, wadouri): 1 wrong",
    ]
