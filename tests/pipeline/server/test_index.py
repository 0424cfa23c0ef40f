from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from cornerstream.images.errors import LimitError
from cornerstream.images.limits import Limits
from cornerstream.server.index import read_header, scan_folder

if TYPE_CHECKING:
    from pathlib import Path

    from cornerstream.phantom import PhantomStudy


def bundled(name: str) -> str:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    return path


def test_every_instance_of_a_study_is_found_in_its_series(small_study: PhantomStudy) -> None:
    index = scan_folder(small_study.folder)
    found = index.studies[small_study.study_instance_uid]
    assert {uid: set(series) for uid, series in found.items()} == {
        one.series_instance_uid: set(one.sop_instance_uids) for one in small_study.series
    }
    assert len(index) == 6 * 3 + 1
    assert not index.ignored
    assert not index.duplicates


def test_what_is_no_dicom_is_ignored_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("no DICOM")
    (tmp_path / "empty").touch()
    (tmp_path / "cut.dcm").write_bytes(b"\0" * 128 + b"DICM\2\0")
    shutil.copy(bundled("CT_small.dcm"), tmp_path)
    index = scan_folder(tmp_path)
    assert len(index) == 1
    assert sorted(path.name for path, _ in index.ignored) == ["cut.dcm", "empty", "readme.txt"]
    assert all(reason for _, reason in index.ignored)


def test_the_first_of_two_files_with_one_uid_is_served(tmp_path: Path) -> None:
    for name in ("b.dcm", "a.dcm"):
        shutil.copy(bundled("CT_small.dcm"), tmp_path / name)
    index = scan_folder(tmp_path)
    assert [one.path.name for one in index.select()] == ["a.dcm"]
    assert [path.name for path in index.duplicates] == ["b.dcm"]


def test_hidden_files_and_links_that_lead_out_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "served"
    (folder / ".cache").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    outside = tmp_path / "elsewhere" / "secret.dcm"
    for target in (folder / ".hidden.dcm", folder / ".cache" / "x.dcm", outside):
        shutil.copy(bundled("CT_small.dcm"), target)
    (folder / "link.dcm").symlink_to(outside)
    (folder / "linked").symlink_to(outside.parent)
    assert len(scan_folder(folder)) == 0


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="not a folder"):
        scan_folder(tmp_path / "missing")


def test_uids_of_different_parents_do_not_select(small_study: PhantomStudy) -> None:
    index = scan_folder(small_study.folder)
    first, second = small_study.series[:2]
    assert index.select(small_study.study_instance_uid, first.series_instance_uid, first.sop_instance_uids[0])
    assert not index.select(small_study.study_instance_uid, second.series_instance_uid, first.sop_instance_uids[0])
    assert not index.select("1.2.3")


@pytest.mark.parametrize("name", ["CT_small.dcm", "image_dfl.dcm", "MR_small_bigendian.dcm", "rtplan.dcm"])
def test_headers_are_those_that_pydicom_reads(name: str) -> None:
    from pathlib import Path  # noqa: PLC0415 - a type only, elsewhere

    header = read_header(Path(bundled(name)))
    expected = dcmread(bundled(name), stop_before_pixels=True)
    assert header.transfer_syntax_uid == expected.file_meta.TransferSyntaxUID
    assert header.dataset.to_json_dict() == expected.to_json_dict()


def test_a_deflated_header_expands_no_further_than_its_limit(tmp_path: Path) -> None:
    raw = dcmread(bundled("image_dfl.dcm"), stop_before_pixels=True)
    raw.TextValue = "x" * 500_000
    bomb = tmp_path / "bomb.dcm"
    raw.save_as(bomb)
    assert bomb.stat().st_size < 5_000
    with pytest.raises(LimitError, match="header_bytes"):
        read_header(bomb, Limits(header_bytes=100_000))
    index = scan_folder(tmp_path, Limits(header_bytes=100_000))
    assert len(index) == 0
    assert len(index.ignored) == 1


def test_a_long_header_is_refused(tmp_path: Path) -> None:
    dataset = dcmread(bundled("CT_small.dcm"))
    dataset.PatientComments = "x" * 5_000
    path = tmp_path / "long.dcm"
    dataset.save_as(path)
    with pytest.raises(LimitError, match="header_bytes"):
        read_header(path, Limits(header_bytes=4_000))
