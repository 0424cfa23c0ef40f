"""Headers of Part 10 files, complete and damaged."""

from __future__ import annotations

import struct
import tracemalloc

import pytest

from cornerstream.images.errors import LimitError, SplitError, TruncatedError
from cornerstream.images.limits import Limits
from cornerstream.operators.byte_stream import ByteStream
from cornerstream.operators.part10 import parse_header, read_header
from tests.support.corpus import corpus_root
from tests.support.part10 import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, encapsulated, image_data_set, native, written


@pytest.mark.parametrize("uid", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
def test_the_pixels_are_found(uid: str) -> None:
    body = native(b"12345678", uid)
    header = parse_header(body)
    assert header.pixel_length == 8
    assert body[header.pixel_start :] == b"12345678"
    assert header.metadata.transfer_syntax_uid == uid


def test_the_pixels_of_a_deflated_file_are_found_in_its_inflated_bytes() -> None:
    header = parse_header(native(b"12345678", DEFLATED))
    assert (header.pixel_length, header.metadata.shared.rows) == (8, 2)


def test_encapsulated_pixels_have_no_length() -> None:
    header = parse_header(encapsulated([b"abcd"]))
    assert header.pixel_length is None
    assert header.extended_offsets is None


@pytest.mark.parametrize("uid", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
def test_a_bare_data_set_proves_its_own_syntax(uid: str) -> None:
    body = native(b"12345678", uid)
    start = body.index(b"\0\x08" if uid == BIG_ENDIAN else b"\x08\0\x16\0", 200)
    header = parse_header(body[start:])
    assert header.metadata.transfer_syntax_uid == uid
    assert body[start:][header.pixel_start :] == b"12345678"


def test_meta_information_without_preamble() -> None:
    body = native(b"12345678")
    assert parse_header(body[132:]).metadata.transfer_syntax_uid == EXPLICIT


def test_an_icon_is_not_the_image() -> None:
    icon = image_data_set(Rows=1, Columns=1)
    icon.PixelData = b"ic"
    del icon.SOPClassUID, icon.SOPInstanceUID
    for undefined in (True, False):
        data_set = image_data_set()
        data_set.IconImageSequence = [icon]
        data_set["IconImageSequence"].is_undefined_length = undefined
        data_set.PixelData = b"12345678"
        data_set["PixelData"].VR = "OB"
        body = written(data_set)
        header = parse_header(body)
        assert header.metadata.shared.rows == 2
        assert body[header.pixel_start :] == b"12345678"


def test_no_pixel_data_is_said_so() -> None:
    for body in (written(image_data_set()), written(image_data_set())[:300]):
        with pytest.raises((SplitError, TruncatedError)):
            parse_header(body)
    with pytest.raises(SplitError, match="no pixel data"):
        parse_header(written(image_data_set()))


@pytest.mark.corpus
def test_files_without_images_say_so() -> None:
    for name in (
        "pydicom__rtplan.dcm",
        "pydicom__waveform_ecg.dcm",
        "dicomparser__report_dfl",
        "dcmjs__no-meta-length-test.dcm",
    ):
        with pytest.raises(SplitError, match="no pixel data"):
            parse_header((corpus_root() / "dicom" / name).read_bytes())


def test_a_private_blob_is_passed_without_being_held() -> None:
    body = written(image_data_set())
    start = body.index(b"\x28\0\x02\0US")
    blob = struct.pack("<HH2sHI", 0x0009, 0x1010, b"OB", 0, 64 << 20)
    stream = ByteStream()
    parser = read_header(stream)
    tracemalloc.start()
    stream.feed(body[:start] + blob)
    for _ in range(64):
        next(parser)
        stream.feed(bytes(1 << 20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
    stream.feed(body[start:])
    stream.ended = True
    with pytest.raises(SplitError, match="no pixel data"):
        next(parser)


def test_the_header_is_limited() -> None:
    body = native(bytes(8))
    with pytest.raises(LimitError, match="header_bytes"):
        parse_header(body, Limits(header_bytes=200))


@pytest.mark.parametrize("depth", [300, 100_000])
def test_deep_sequences_are_limited_wherever_they_are(depth: int) -> None:
    sequence = struct.pack("<HH2sHI", 0x5200, 0x9230, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    body = written(image_data_set()) + (sequence + item) * depth
    with pytest.raises(LimitError, match="sequence_depth"):
        parse_header(body)
    # inside of a sequence of known length, where nobody looks before the frame is asked for
    nest = item + (sequence + item) * depth
    known = struct.pack("<HH2sHI", 0x5200, 0x9230, b"SQ", 0, len(nest)) + nest
    tail = native(bytes(8))[len(written(image_data_set())) :]
    with pytest.raises(LimitError, match="sequence_depth"):
        parse_header(written(image_data_set()) + known + tail)


def test_a_stray_item_is_passed_over_and_an_endless_one_refused() -> None:
    body = native(bytes(8))
    start = body.index(b"\x28\0\x02\0US")
    stray = struct.pack("<HHI", 0xFFFE, 0xE000, 4) + b"junk"
    assert parse_header(body[:start] + stray + body[start:]).metadata.shared.rows == 2
    endless = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    with pytest.raises(SplitError, match="outside of a sequence"):
        parse_header(body[:start] + endless + body[start:])
