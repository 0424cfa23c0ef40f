"""Where frames lie: found the same way with what is known of other headers as without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cornerstream.images.errors import ImageLoadError, TruncatedError
from cornerstream.images.limits import DEFAULT_LIMITS
from cornerstream.operators.file_layout import FileLayout, find_frames
from cornerstream.operators.header_pattern import HeaderPattern
from cornerstream.operators.part10 import parse_header
from tests.support.part10 import JPEG, encapsulated, item, native, table, with_items

if TYPE_CHECKING:
    from collections.abc import Callable

CODESTREAM = b"\xff\xd8" + bytes(60) + b"\xff\xd9"


def jpeg(number: int, *frames: bytes) -> bytes:
    return encapsulated(frames or (CODESTREAM,), JPEG, SOPInstanceUID=f"1.2.{number}", InstanceNumber=number)


def grey(number: int, **attributes: Any) -> bytes:
    return native(bytes(8), SOPInstanceUID=f"1.2.{number}", InstanceNumber=number, **attributes)


class Reads:
    """Reads of a file in memory, counted."""

    def __init__(self, file: bytes) -> None:
        self.file = file
        self.offsets: list[int] = []

    def __call__(self, count: int, offset: int) -> bytes:
        self.offsets.append(offset)
        return self.file[offset : offset + count]


def pattern_of(*files: bytes) -> HeaderPattern:
    pattern = HeaderPattern(DEFAULT_LIMITS)
    for file in files:
        pattern.learn(file, parse_header(file))
    return pattern


def outcome(file: bytes, pattern: HeaderPattern | None = None, size: int | None = None) -> FileLayout | str:
    try:
        return find_frames(Reads(file), len(file) if size is None else size, DEFAULT_LIMITS, pattern=pattern)
    except ImageLoadError as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("make", [jpeg, grey])
def test_the_third_file_of_a_series_is_found_without_a_parser(
    make: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    pattern, expected = HeaderPattern(DEFAULT_LIMITS), outcome(make(55555))
    for number in (1, 333, 4444):
        assert outcome(make(number), pattern) == outcome(make(number))
    monkeypatch.setattr("cornerstream.operators.file_layout.read_header", None)
    assert outcome(make(55555), pattern) == expected


def test_of_a_known_header_its_first_piece_and_the_end_of_its_fragment_are_read() -> None:
    file = jpeg(55555, bytes(1 << 17))
    reads = Reads(file)
    found = find_frames(reads, len(file), DEFAULT_LIMITS, pattern=pattern_of(jpeg(1), jpeg(333)))
    (((start, length),),) = found.fragments
    assert reads.offsets == [0, start + length]


def test_what_was_read_for_the_pattern_is_not_read_again_for_the_parser() -> None:
    reads = Reads(grey(1))
    find_frames(reads, len(reads.file), DEFAULT_LIMITS, pattern=HeaderPattern(DEFAULT_LIMITS))
    assert reads.offsets == [0]


@pytest.mark.parametrize(
    "file",
    [
        grey(3, Rows=1),
        grey(3, RescaleIntercept=-1000),
        grey(3, PatientComments="another element"),
        native(bytes(16), NumberOfFrames=2),
        jpeg(3, CODESTREAM, CODESTREAM),
        jpeg(3, b"no codestream"),
        jpeg(3)[:-1],
        jpeg(3)[:-8],
        jpeg(3) + b"\0\0",
        grey(3)[:-1],
        b"junk" * 100,
        b"DICM",
    ],
)
def test_whatever_does_not_follow_is_read_as_without_a_pattern(file: bytes) -> None:
    for pattern in (pattern_of(jpeg(1), jpeg(333)), pattern_of(grey(1), grey(333))):
        assert outcome(file, pattern) == outcome(file)
        assert outcome(jpeg(55555), pattern) == outcome(jpeg(55555))  # it is none the worse for it


def test_files_of_several_frames_have_their_fragments_walked() -> None:
    pattern = pattern_of(jpeg(1, CODESTREAM, CODESTREAM), jpeg(333, CODESTREAM, CODESTREAM))
    one = with_items([table(), item(CODESTREAM)], 2, SOPInstanceUID="1.2.4444", InstanceNumber=4444)
    for file in (jpeg(4444, CODESTREAM, CODESTREAM), one):
        assert pattern.read(file) is not None
        assert outcome(file, pattern) == outcome(file)
    assert str(outcome(one)).startswith("SplitError")


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
@pytest.mark.parametrize("make", [jpeg, grey])
def test_no_damaged_byte_leads_elsewhere_than_without_a_pattern(make: Callable[[int], bytes], flip: int) -> None:
    file, followed = make(55555), 0
    for at in range(len(file)):
        damaged = bytearray(file)
        damaged[at] ^= flip
        pattern = pattern_of(make(1), make(333))
        assert outcome(bytes(damaged), pattern) == outcome(bytes(damaged)), at
        followed += pattern.read(bytes(damaged)) is not None
    assert followed > 128


@pytest.mark.parametrize("size", range(-20, 9, 4))
def test_what_is_appended_meanwhile_does_not_count(size: int) -> None:
    file = jpeg(55555)
    found = outcome(file + bytes(8), pattern_of(jpeg(1), jpeg(333)), len(file) + size)
    assert found == outcome(file + bytes(8), size=len(file) + size)


def test_a_file_that_becomes_shorter_is_truncated() -> None:
    file = jpeg(55555)
    with pytest.raises(TruncatedError, match="has become shorter"):
        find_frames(Reads(file[:-100]), len(file), DEFAULT_LIMITS, pattern=pattern_of(jpeg(1), jpeg(333)))
