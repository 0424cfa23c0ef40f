"""Headers that follow a pattern are read as the parser reads them, and all others are left to it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydicom
import pydicom.data
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import encapsulate

from cornerstream.images.errors import ImageLoadError
from cornerstream.images.limits import DEFAULT_LIMITS
from cornerstream.operators.header_pattern import HeaderPattern
from cornerstream.operators.part10 import Part10Header, parse_header
from cornerstream.operators.whole_file import only_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerstream.images.frames import EncodedFrame

FILES = Path(pydicom.data.__file__).parent / "test_files"
NATIVE, JPEG_2000, IMPLICIT = "CT_small.dcm", "JPEG2000.dcm", "MR_small_implicit.dcm"


def written(name: str = NATIVE, **attributes: Any) -> bytes:
    """A file like one of pydicom's, with other attributes."""
    return _saved(name, tuple(attributes.items()))


@cache
def _saved(name: str, attributes: tuple[tuple[str, Any], ...]) -> bytes:
    data_set = pydicom.dcmread(FILES / name)
    for keyword, value in attributes:
        setattr(data_set, keyword, list(value) if isinstance(value, tuple) else value)
    if "SOPInstanceUID" in dict(attributes):
        data_set.file_meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    file = BytesIO()
    data_set.save_as(file, enforce_file_format=True)
    return file.getvalue()


def taught(*files: bytes) -> HeaderPattern:
    """A pattern that knows the headers of files."""
    pattern = HeaderPattern(DEFAULT_LIMITS)
    for file in files:
        pattern.learn(file, parse_header(file))
    return pattern


FIRST = written(SOPInstanceUID="1.2.3", InstanceNumber=1, ContentTime="101010", ImagePositionPatient=(0, 0, 1))
SECOND = written(
    SOPInstanceUID="1.2.34.56.78", InstanceNumber=10, ContentTime="1010", ImagePositionPatient=(0, 0, -22.5)
)
THIRD = written(SOPInstanceUID="1.2.3.456", InstanceNumber=7, ContentTime="", ImagePositionPatient=(1.25, 0, 3))


def test_what_is_an_instances_own_is_taken_from_it() -> None:
    found = taught(FIRST, SECOND).read(THIRD)
    assert found == parse_header(THIRD)
    assert found is not None
    assert found.metadata.shared.sop_instance_uid == "1.2.3.456"


@pytest.mark.parametrize(
    "attributes",
    [
        {"RescaleIntercept": -1000},
        {"Rows": 64},
        {"SeriesInstanceUID": "1.9"},
        {"PatientComments": "another element"},
    ],
)
def test_what_is_not_is_left_to_the_parser(attributes: dict[str, Any]) -> None:
    assert taught(FIRST, SECOND).read(written(SOPInstanceUID="1.2.3", **attributes)) is None


def test_nothing_is_known_before_something_is_learnt() -> None:
    assert HeaderPattern(DEFAULT_LIMITS).read(FIRST) is None


@pytest.mark.parametrize("name", [IMPLICIT, "MR_small_bigendian.dcm", "image_dfl.dcm", "rtdose_expb.dcm"])
def test_of_other_encodings_nothing_is_learnt(name: str) -> None:
    file = (FILES / name).read_bytes()
    assert taught(file, file).read(file) is None


def test_other_elements_begin_a_pattern_anew() -> None:
    pattern = taught(FIRST, SECOND, written(PatientComments="one more"))
    assert pattern.read(written(PatientComments="one more", InstanceNumber=3)) is not None
    assert pattern.read(THIRD) is None


def test_who_never_follows_is_not_asked_for_ever() -> None:
    files = [written(RescaleIntercept=number) for number in range(12)]
    pattern = taught(*files)
    assert pattern.read(files[-1]) is None


def test_a_value_beyond_the_limit_of_headers_is_left_to_the_parser() -> None:
    limits = replace(DEFAULT_LIMITS, header_bytes=parse_header(FIRST).pixel_start)
    pattern = HeaderPattern(limits)
    for file in (FIRST, SECOND):
        pattern.learn(file, parse_header(file))
    longer = written(
        SOPInstanceUID="1." * 20 + "1", InstanceNumber=1, ContentTime="1010", ImagePositionPatient=(0, 0, 1)
    )
    assert pattern.read(longer) is None


def outcome(read: Callable[[bytes], Part10Header | None], file: bytes) -> object:
    try:
        return read(file)
    except ImageLoadError as error:
        return type(error)


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_no_damaged_byte_is_read_otherwise_than_the_parser_reads_it(flip: int) -> None:
    pattern, start = taught(FIRST, SECOND), parse_header(THIRD).pixel_start
    followed = 0
    for at in range(start + 4):
        damaged = bytearray(THIRD)
        damaged[at] ^= flip
        found = outcome(pattern.read, bytes(damaged))
        if found is not None:
            followed += 1
            assert found == outcome(parse_header, bytes(damaged)), at
    assert followed > 128  # the preamble at least


@given(st.data())
def test_whatever_changes_is_read_as_the_parser_reads_it(data: st.DataObject) -> None:
    def drawn() -> bytes:
        return written(
            SOPInstanceUID="1.2." + str(data.draw(st.integers(0, 10**20))),
            InstanceNumber=data.draw(st.integers(0, 1000)),
            ContentTime=data.draw(st.sampled_from(["", "10", "101010.5"])),
            ImagePositionPatient=(0, 0, data.draw(st.integers(-300, 300))),
            WindowCenter=data.draw(st.sampled_from([(40,), (40, 400)])),
            RescaleSlope=data.draw(st.sampled_from([1, 1, 1, 2])),
        )

    pattern = HeaderPattern(DEFAULT_LIMITS)
    for _ in range(4):
        file = drawn()
        expected, found = parse_header(file), pattern.read(file)
        assert found in (None, expected)
        if found is None:
            pattern.learn(file, expected)


# Whole files.


def frame_of(file: bytes, pattern: HeaderPattern | None = None) -> tuple[Any, bytes]:
    frame: EncodedFrame | None = only_frame(file, pattern=pattern)
    assert frame is not None
    return frame.metadata, bytes(frame.data)


def with_pixels(value: bytes) -> bytes:
    """A JPEG 2000 file whose pixel data element has another value."""
    file = written(JPEG_2000)
    return file[: parse_header(file).pixel_start] + value


CODESTREAM = b"\xff\x4f" + bytes(98) + b"\xff\xd9\0\0"
ONE = encapsulate([CODESTREAM], has_bot=False)
END = bytes.fromhex("FEFFDDE000000000")


@pytest.mark.parametrize(
    "value",
    [
        ONE + END,
        encapsulate([CODESTREAM], has_bot=True) + END,
        encapsulate([CODESTREAM], fragments_per_frame=2, has_bot=False) + END,
        ONE,
        ONE[:-1],
        ONE + b"\xfe\xff\x00\xe0\0\0\0\0" + END,
        ONE + END + b"something behind",
        bytes.fromhex("FEFF00E00400000004000000") + ONE[8:] + END,
        bytes.fromhex("FEFF00E00000000001000000") + ONE[8:] + END,
        bytes.fromhex("FEFF00E0000000FEFF00E000000000") + END,
        b"",
    ],
)
def test_pixel_data_of_one_fragment_or_not_is_read_as_the_parser_reads_it(value: bytes) -> None:
    file, pattern = with_pixels(value), taught(written(JPEG_2000))
    results = list[object]()
    for given_pattern in (None, pattern):
        try:
            results.append(frame_of(file, given_pattern))
        except ImageLoadError as error:
            results.append(type(error))
    assert results[0] == results[1]


@pytest.mark.parametrize("path", sorted(FILES.glob("*.dcm")), ids=lambda path: path.name)
def test_every_file_is_read_the_same_by_its_own_pattern(path: Path) -> None:
    file, pattern = path.read_bytes(), HeaderPattern(DEFAULT_LIMITS)
    try:
        frame = only_frame(file)
    except ImageLoadError:
        return
    if frame is not None:
        for _ in range(2):
            metadata, data = frame_of(file, pattern)
            assert (repr(metadata), data) == (repr(frame.metadata), bytes(frame.data))  # tables are not compared
