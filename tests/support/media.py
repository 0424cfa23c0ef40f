"""DICOMDIR files, pydicom's own and made ones."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom.data
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

DICOMDIRS = Path(pydicom.data.__file__).parent / "test_files" / "dicomdirtests"


def dicomdir(file_ids: Sequence[str], out_of_use: Collection[int] = ()) -> bytes:
    """A DICOMDIR that refers to files, without their levels; records of some indexes are out of use."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"  # type: ignore[assignment]  # pydicom makes a UID of it
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data_set = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data_set.FileSetID = "MADE"
    buffer = BytesIO()
    with disable_value_validation():  # what strangers write is no CS
        data_set.DirectoryRecordSequence = [_record(one, index in out_of_use) for index, one in enumerate(file_ids)]
        data_set.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _record(file_id: str, out_of_use: bool) -> Dataset:
    record = Dataset()
    record.OffsetOfTheNextDirectoryRecord = 0
    record.RecordInUseFlag = 0 if out_of_use else 0xFFFF
    record.DirectoryRecordType = "IMAGE"
    record.ReferencedFileID = file_id.split("\\")
    return record
