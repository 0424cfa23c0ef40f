"""The corpus' DICOM files and what is expected of each."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest

from tests.support.corpus import corpus_root, expected

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True)
class CorpusFile:
    """One file of `dicom/` or `malformed/`.

    Attributes:
        name: Its folder and name, as `expected.json` has it.
        facts: What `expected.json` says of it.
    """

    name: str
    facts: dict[str, Any] = field(repr=False)

    @property
    def short_name(self) -> str:
        return self.name.partition("/")[2]

    @property
    def path(self) -> Path:
        return corpus_root() / self.name

    @property
    def category(self) -> str:
        return str(self.facts["category"])

    @property
    def has_pixels(self) -> bool:
        """Right pixels are expected."""
        return self.category in ("image", "odd")

    @property
    def number_of_frames(self) -> int:
        return int(self.facts.get("frames") or 1)

    @property
    def is_colour(self) -> bool:
        return "rgb" in self.facts

    def header(self) -> pydicom.Dataset:
        """The header as pydicom reads it."""
        return _header(self.name)

    def uids(self) -> tuple[str, str, str] | None:
        """Study, Series and SOP Instance UID; `None` where one is missing, so that WADO-RS has no address for it."""
        try:
            header = self.header()
        except (EOFError, pydicom.errors.InvalidDicomError):
            return None
        study, series, instance = (
            str(header.get(keyword) or "") for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
        )
        return (study, series, instance) if study and series and instance else None


@cache
def _header(name: str) -> pydicom.Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return pydicom.dcmread(corpus_root() / name, stop_before_pixels=True, force=True)


@cache
def corpus_files() -> tuple[CorpusFile, ...]:
    """All files, in the order of `expected.json`; none where there is no corpus."""
    return tuple(CorpusFile(name, facts) for name, facts in expected()["files"].items())


def each_file(
    chosen: Callable[[CorpusFile], bool] = lambda file: True,
) -> pytest.MarkDecorator:
    """Run a test with every `file`; where there is no corpus it runs once, and skips or fails by `corpus_root()`."""
    files = [pytest.param(file, id=file.short_name) for file in corpus_files() if chosen(file)]
    return pytest.mark.parametrize("file", files or [pytest.param(CorpusFile("", {}), id="no corpus")])


def sha256(pixels: NDArray[np.generic]) -> str:
    """The hash that `expected.json` has: C order, little endian."""
    little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(np.ascontiguousarray(little).tobytes()).hexdigest()
