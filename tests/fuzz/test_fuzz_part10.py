"""Part 10 files by the thousand, each a real one with damage: a typed error, or the frames that pydicom finds as well."""

from __future__ import annotations

import time
import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom.data
import pytest
from hypothesis import given
from pydicom import dcmread
from pydicom.encaps import generate_fragments

from cornerstream.images.errors import ImageLoadError
from cornerstream.images.limits import Limits
from cornerstream.operators.part10 import parse_header
from cornerstream.operators.split_frames import FrameSplitter
from tests.fuzz.mutations import budget, mutated
from tests.support.corpus import corpus_available, corpus_root
from tests.support.mutations import FRAMINGS
from tests.support.part10 import BIG_ENDIAN, DEFLATED, native

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.metadata import FrameMetadata

LIMITS = Limits(
    inflated_bytes=1 << 24, header_bytes=1 << 24, frames=10_000, frame_pixels=1 << 22, fragments=10_000, elements=10_000
)


def small_files(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.glob("**/*")):
        if path.is_file() and path.suffix not in {".py", ".json", ".md"} and path.stat().st_size < 12_000:
            yield path.read_bytes()


BASES = [
    native(bytes(range(24)), DEFLATED, NumberOfFrames=3),
    *(framed.body for framed in FRAMINGS.values()),
    *small_files(Path(pydicom.data.__file__).parent / "test_files"),
]
if corpus_available():
    BASES += [*small_files(corpus_root() / "malformed"), *small_files(corpus_root() / "dicom")]
TOKENS = [
    *(bytes.fromhex(text) for text in ("FEFF00E0", "FEFF0DE000000000", "FEFFDDE000000000", "FFFFFFFF", "FEFFFFFF")),
    *(bytes.fromhex(text) for text in ("E07F1000", "28000800", "28001000", "08000500", "30922952", "FFD8FF", "FFD9")),
    *(b"SQ OB OW UN LO IS ZZ 2147483647 -1".split()),
    *(b"\0\0\0\0", b"\1\0\0\0", b"\0\0\0\x80", b"1.2.840.10008.1.2", b"\x1b$B", b"ISO 2022 IR 87"),
]


def outcome(body: bytes, chunk: int) -> tuple[list[EncodedFrame], type[ImageLoadError] | None]:
    splitter = FrameSplitter(limits=LIMITS)
    frames: list[EncodedFrame] = []
    try:
        for start in range(0, len(body), chunk):
            frames += splitter.feed(body[start : start + chunk])
        frames += splitter.close()
    except ImageLoadError as error:
        return frames, type(error)
    return frames, None


def payload(body: bytes) -> tuple[bytes, bool] | None:
    """Native pixels or joined fragments as pydicom finds them, and which; `None` where it finds none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data_set = dcmread(BytesIO(body), force=True)
            pixels = data_set.PixelData
            encapsulated = data_set["PixelData"].is_undefined_length
            return (b"".join([*generate_fragments(pixels)][1:]) if encapsulated else pixels), encapsulated
        except Exception:  # noqa: BLE001 - whatever it raises, it has nothing to say
            return None


@pytest.mark.long
@budget(4000)
@given(mutated(BASES, TOKENS))
def test_damaged_files(body: bytes) -> None:
    started = time.process_time()
    frames, error = outcome(body, 1 << 20)
    again, error_again = outcome(body, 61)
    assert time.process_time() - started < 2
    assert error is error_again
    assert [bytes(frame.data) for frame in frames] == [bytes(frame.data) for frame in again]
    if error is None:
        assert len(frames) == frames[0].metadata.number_of_frames
        compare(frames, payload(body))


def swapped(metadata: FrameMetadata) -> bool:
    """Bytes that were written as big endian words come in order, which pydicom leaves to its decoder."""
    return metadata.transfer_syntax_uid == BIG_ENDIAN and metadata.bits_allocated == 8


def compare(frames: list[EncodedFrame], found: tuple[bytes, bool] | None) -> None:
    """What pydicom finds is what came; it stops early where it should not, but never goes on too far."""
    if found is None:
        return
    pixels, encapsulated = found
    joined = b"".join(bytes(frame.data) for frame in frames)
    metadata = frames[0].metadata
    if encapsulated:
        assert joined == pixels
    elif metadata.bits_allocated % 8 == 0 and not swapped(metadata):
        assert pixels.startswith(joined) or joined.startswith(pixels)


@pytest.mark.long
@budget(1500)
@given(mutated(BASES, TOKENS))
def test_damaged_headers(body: bytes) -> None:
    try:
        header = parse_header(body, LIMITS)
    except ImageLoadError:
        return
    metadata = header.metadata
    assert 1 <= metadata.number_of_frames <= LIMITS.frames
    assert metadata.frame(metadata.number_of_frames).rows == metadata.shared.rows >= 1


NULL_IN_CHARACTER_SET = b"\x08\0\x05\0CS\4\0a\0b \x08\0\x60\0CS\4\0C\xe9T "


@pytest.mark.parametrize(
    "body",
    [
        FRAMINGS["explicit"].body.replace(b"\x28\0\x02\0US", NULL_IN_CHARACTER_SET + b"\x28\0\x02\0US", 1),
        FRAMINGS["JPEG"].body.replace(b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.\0\0\0\0\0\0", 1),
    ],
    ids=["a null byte in the name of a character set", "a UID that ends in a dot"],
)
def test_found_by_fuzzing(body: bytes) -> None:
    frames, error = outcome(body, 1 << 20)
    assert frames or error is not None
