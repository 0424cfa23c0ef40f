"""What is in a folder: DICOM Part 10 files by study, series and instance; headers only."""

from __future__ import annotations

import io
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cornerstream.images.errors import LimitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

    from pydicom.dataset import Dataset

JsonElement = dict[str, Any]
"""One element of the DICOM JSON model (PS3.18 annex F): `vr`, and `Value`, `InlineBinary` or `BulkDataURI`."""

STUDY_KEYWORDS = (
    "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyDescription", "PatientName",
    "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID",
)  # fmt: skip
SERIES_KEYWORDS = (
    "Modality", "Manufacturer", "SeriesDescription", "BodyPartExamined", "SeriesInstanceUID", "SeriesNumber",
    "Laterality", "SeriesDate", "SeriesTime", "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime",
)  # fmt: skip
INSTANCE_KEYWORDS = (
    "SOPClassUID", "SOPInstanceUID", "InstanceNumber", "NumberOfFrames", "Rows", "Columns", "BitsAllocated",
    "BitsStored", "SamplesPerPixel", "PhotometricInterpretation", "SliceThickness", "SliceLocation", "PixelSpacing",
    "ImagePositionPatient", "ImageOrientationPatient",
)  # fmt: skip

_KEYWORDS = ("SpecificCharacterSet", *STUDY_KEYWORDS, *SERIES_KEYWORDS, *INSTANCE_KEYWORDS)
EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_PIXEL_TAGS = (0x7FE00008, 0x7FE00009, 0x7FE00010)  # float, double float and integer pixel data
_ROWS = "00280010"
_ITEM_GROUP = 0xFFFE
_IDENTIFYING_GROUP = b"\x08\0"  # what a data set begins with, where nothing stands before it
_NATIVE = {True: "1.2.840.10008.1.2", False: "1.2.840.10008.1.2.1"}  # by implicit VR
_PREAMBLE_BYTES = 132  # with the prefix DICM: PS3.10 section 7.1
_GROUP_LENGTH_BYTES = 12  # the element that holds the length of the file meta information


@dataclass(frozen=True, slots=True)
class Header:
    """A data set without its pixel data, and how it was written."""

    dataset: Dataset
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class IndexedInstance:
    """One file of the folder.

    Attributes:
        path: The file, absolute.
        attributes: DICOM JSON by tag (eight upper-case hexadecimal digits) of the keywords above.
    """

    path: Path
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    number_of_frames: int
    attributes: Mapping[str, JsonElement] = field(repr=False)

    @property
    def is_image(self) -> bool:
        """It has the Image Pixel module: Rows is a required attribute of it (PS3.3 C.7.6.3)."""
        return _ROWS in self.attributes


@dataclass(slots=True)
class FolderIndex:
    """Every instance of a folder, in the order of their paths.

    Attributes:
        studies: Instances by Study, Series and SOP Instance UID.
        duplicates: Files whose SOP Instance UID another file, earlier in path order, has as well; they are not served.
        ignored: Files that are no DICOM images, each with the reason.
    """

    folder: Path
    studies: dict[str, dict[str, dict[str, IndexedInstance]]] = field(default_factory=dict)
    duplicates: list[Path] = field(default_factory=list)
    ignored: list[tuple[Path, str]] = field(default_factory=list)
    _by_sop_instance_uid: dict[str, IndexedInstance] = field(default_factory=dict, repr=False)

    def add(self, instance: IndexedInstance) -> None:
        """Take an instance in, unless its SOP Instance UID is there already."""
        if instance.sop_instance_uid in self._by_sop_instance_uid:
            self.duplicates.append(instance.path)
            return
        self._by_sop_instance_uid[instance.sop_instance_uid] = instance
        series = self.studies.setdefault(instance.study_instance_uid, {})
        series.setdefault(instance.series_instance_uid, {})[instance.sop_instance_uid] = instance

    def select(
        self, study: str | None = None, series: str | None = None, instance: str | None = None
    ) -> list[IndexedInstance]:
        """Instances with these UIDs; a UID that is `None` or empty selects all."""
        if instance:
            found = self._by_sop_instance_uid.get(instance)
            return [found] if found and _belongs(found, study, series) else []
        return [one for one in self._by_sop_instance_uid.values() if _belongs(one, study, series)]

    def __len__(self) -> int:
        return len(self._by_sop_instance_uid)


def scan_folder(folder: Path, limits: Limits = DEFAULT_LIMITS) -> FolderIndex:
    """Read the headers of all files below a folder, several at a time; blocks.

    Hidden files and links that lead out of the folder are left out.

    Args:
        folder: Searched with all its subfolders.
        limits: Bounds of one header.

    Raises:
        NotADirectoryError: There is no such folder.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise NotADirectoryError(f"not a folder: {folder}")
    index = FolderIndex(folder)
    paths = sorted(_files(folder))
    with ThreadPoolExecutor(4, thread_name_prefix="cornerstream-index") as threads:
        for path, found in zip(paths, threads.map(lambda path: _index_file(path, limits), paths), strict=True):
            if isinstance(found, IndexedInstance):
                index.add(found)
            else:
                index.ignored.append((path, found))
    return index


def read_header(path: Path, limits: Limits = DEFAULT_LIMITS, keywords: tuple[str, ...] | None = None) -> Header:
    """Read a Part 10 file, or a native data set without preamble and file meta information, up to its pixel data.

    Args:
        path: The file.
        limits: A header may not be longer than `header_bytes`, nor may a deflated one expand beyond that.
        keywords: Elements to read; all when it is `None`.

    Raises:
        LimitError: The header is too long.
        pydicom.errors.InvalidDicomError: Neither a Part 10 file nor a bare data set.
        OSError: The file cannot be read.
    """
    from pydicom import Dataset, dcmread  # noqa: PLC0415 - heavy
    from pydicom.datadict import tag_for_keyword  # noqa: PLC0415
    from pydicom.filereader import read_file_meta_info  # noqa: PLC0415

    tags = None if keywords is None else [tag_for_keyword(keyword) or 0 for keyword in keywords]
    with path.open("rb") as file:
        bare = file.read(2) == _IDENTIFYING_GROUP
        file.seek(0)
        meta = Dataset() if bare else read_file_meta_info(path)
        transfer_syntax_uid = str(meta.get("TransferSyntaxUID", ""))
        if transfer_syntax_uid == _DEFLATED:
            file.seek(_PREAMBLE_BYTES + _GROUP_LENGTH_BYTES + int(meta.FileMetaInformationGroupLength))
            return Header(_read_deflated(file, tags, limits.header_bytes), transfer_syntax_uid)
        dataset = dcmread(file, stop_before_pixels=True, specific_tags=tags, force=bare)
        if file.tell() > limits.header_bytes:
            raise LimitError(f"the header is longer than header_bytes ({limits.header_bytes})")
    _drop_stray_items(dataset)
    return Header(dataset, _NATIVE[bool(dataset.original_encoding[0])] if bare else transfer_syntax_uid)


def _drop_stray_items(dataset: Dataset) -> None:
    """Item tags outside of sequences, which pydicom keeps as elements and cannot convert."""
    for tag in [tag for tag in dataset.keys() if tag.group == _ITEM_GROUP]:  # noqa: SIM118 - iterating converts the values
        del dataset[tag]


def _read_deflated(file: BinaryIO, tags: list[int] | None, limit: int) -> Dataset:
    # pydicom inflates the whole file whatever is asked for: 1 MB may become a gigabyte.
    from pydicom.filereader import read_dataset  # noqa: PLC0415 - heavy

    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(), limit)
    stream = io.BytesIO(inflated)
    dataset = read_dataset(
        stream,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, _vr, _length: tag in _PIXEL_TAGS,
        specific_tags=tags,
    )
    if stream.tell() >= limit:  # the parser takes a cut data set for a short one
        raise LimitError(f"the header expands beyond header_bytes ({limit})")
    return dataset


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(root, name)
            if not name.startswith(".") and path.is_file() and path.resolve().is_relative_to(folder):
                yield path


def _index_file(path: Path, limits: Limits) -> IndexedInstance | str:
    """The instance, or why it is none."""
    try:
        header = read_header(path, limits, _KEYWORDS)
        attributes = header.dataset.to_json_dict()
        uids = [first_value(attributes, tag) for tag in ("0020000D", "0020000E", "00080018")]
        if not all(uids):
            return "no Study, Series or SOP Instance UID"
        frames = int(first_value(attributes, "00280008") or 1)
    except Exception as error:  # noqa: BLE001 - whatever a stranger's file makes a parser raise, the others are served
        return f"{type(error).__name__}: {error}"
    study, series, sop = (str(uid) for uid in uids)
    return IndexedInstance(path, study, series, sop, header.transfer_syntax_uid, frames, attributes)


def first_value(attributes: Mapping[str, JsonElement], tag: str) -> Any:
    """First value of an element of DICOM JSON; `None` if it is absent or empty."""
    values = attributes.get(tag, {}).get("Value") or [None]
    return values[0]


def _belongs(instance: IndexedInstance, study: str | None, series: str | None) -> bool:
    return (not study or instance.study_instance_uid == study) and (
        not series or instance.series_instance_uid == series
    )
