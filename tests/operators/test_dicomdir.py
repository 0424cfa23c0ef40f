"""DICOMDIR files: pydicom's, and those of strangers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from cornerstream.images.errors import FetchError, ImageLoadError, LimitError, SplitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.dicomdir import is_dicomdir, read_file_ids, resolve_file_id
from tests.support.archives import MemoryFile
from tests.support.media import DICOMDIRS, dicomdir
from tests.support.part10 import native

if TYPE_CHECKING:
    from pydicom import Dataset

FILES = Path(pydicom.data.__file__).parent / "test_files"


def referenced(records: list[Dataset]) -> list[str]:
    """What pydicom finds."""
    values = [record.ReferencedFileID for record in records if "ReferencedFileID" in record]
    return ["\\".join([value] if isinstance(value, str) else value) for value in values]


@pytest.mark.parametrize(
    "name", ["DICOMDIR", "DICOMDIR-bigEnd", "DICOMDIR-implicit", "DICOMDIR-reordered", "TINY_ALPHA/DICOMDIR"]
)
def test_it_refers_to_what_pydicom_finds(name: str) -> None:
    body = (DICOMDIRS / name).read_bytes()
    assert is_dicomdir(body[:4096])
    wanted = referenced(dcmread(DICOMDIRS / name).DirectoryRecordSequence)
    assert read_file_ids(MemoryFile(body), DEFAULT_LIMITS) == list(dict.fromkeys(wanted))
    assert len(wanted) > 20


def test_an_empty_one_and_one_that_contradicts_itself() -> None:
    assert read_file_ids(MemoryFile((DICOMDIRS / "DICOMDIR-empty.dcm").read_bytes()), DEFAULT_LIMITS) == []
    with pytest.raises(SplitError, match="longer than its sequence"):
        read_file_ids(MemoryFile((DICOMDIRS / "DICOMDIR-nooffset").read_bytes()), DEFAULT_LIMITS)


def test_images_are_none() -> None:
    for body in (native(bytes(8)), (FILES / "no_meta.dcm").read_bytes(), b"", b"x" * 131, b"\0" * 128 + b"DICM\2\0"):
        assert not is_dicomdir(body[:4096])


def test_records_that_are_out_of_use_and_references_that_repeat() -> None:
    body = dicomdir(["A", "B", "A"], out_of_use={1})
    assert read_file_ids(MemoryFile(body), DEFAULT_LIMITS) == ["A"]


@given(at=st.integers(132, 3000), flip=st.integers(1, 255))
@settings(max_examples=100, deadline=None)
def test_damage_is_an_error_or_other_ids(at: int, flip: int) -> None:
    body = bytearray(dicomdir([f"DIR\\FILE{number}" for number in range(12)]))
    body[at % len(body)] ^= flip
    try:
        found = read_file_ids(MemoryFile(bytes(body)), DEFAULT_LIMITS)
    except ImageLoadError:
        return
    assert len(found) <= 12


def test_limits_hold() -> None:
    body = dicomdir([str(number) for number in range(50)])
    with pytest.raises(LimitError, match="header_bytes"):
        read_file_ids(MemoryFile(body), Limits(header_bytes=1000))
    with pytest.raises(LimitError, match="elements"):
        read_file_ids(MemoryFile(body), Limits(elements=60))


@pytest.mark.parametrize(
    "file_id", ["..\\B", "A\\..\\..\\B", "", "A\\\\B", ".", "/etc/passwd", "A/../B", "C:\\B", "A\0"]
)
def test_references_that_lead_out_are_refused(file_id: str, tmp_path: Path) -> None:
    (tmp_path / "medium").mkdir()
    (tmp_path / "B").write_bytes(b"")
    with pytest.raises(FetchError, match="does not stay in its folder"):
        resolve_file_id(str(tmp_path / "medium"), file_id)


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "medium"
    root.mkdir()
    (tmp_path / "secret").write_bytes(b"")
    (root / "A").symlink_to(tmp_path)
    (root / "INSIDE").write_bytes(b"")
    (root / "LINK").symlink_to("INSIDE")
    with pytest.raises(FetchError, match="leads out of its folder"):
        resolve_file_id(str(root), "A\\secret")
    assert resolve_file_id(str(root), "LINK") == str(root / "LINK")


def test_small_letters_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "im1").write_bytes(b"")
    assert resolve_file_id(str(tmp_path), "IMAGES\\IM1 ") == str(tmp_path / "images" / "im1")
    with pytest.raises(FetchError, match="no such file"):
        resolve_file_id(str(tmp_path), "IMAGES\\IM2")
