"""Part 10 files that claim too much, nest too deep or contradict themselves: a typed error, soon."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cornerstream.images.errors import ImageLoadError, LimitError, SplitError, TruncatedError
from cornerstream.images.limits import Limits
from cornerstream.operators.frame_index import open_index
from cornerstream.operators.split_frames import FrameSplitter, split_part10
from tests.support.part10 import (
    BIG_ENDIAN,
    END,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    RLE,
    encapsulated,
    image_data_set,
    item,
    jpeg_like,
    native,
    renamed,
    rle_like,
    table,
    with_items,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

F1, F2, F3 = jpeg_like(b"first one"), jpeg_like(b"two"), jpeg_like(b"the third")
PIXELS = bytes(range(8))
UNDEFINED = 0xFFFFFFFF
PER_FRAME, PRIVATE_SEQUENCE, ICC_PROFILE, PRIVATE = 0x52009230, 0x00091010, 0x00282000, 0x00091011
_LONG = {b"OB", b"OW", b"SQ", b"UN", b"ZZ"}


def element(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """An explicit little endian element, of another length than it says if wanted."""
    said = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    return head + (struct.pack("<HI", 0, said) if vr in _LONG else struct.pack("<H", said)) + value


def with_elements(*elements: bytes) -> bytes:
    """A native file with further elements, somewhere in front of the pixels."""
    return written(image_data_set()) + b"".join(elements) + element(0x7FE00010, b"OB", PIXELS)


def outcome(read: Callable[[], object]) -> ImageLoadError | None:
    try:
        read()
    except ImageLoadError as error:
        return error
    return None


def by_chunks(body: bytes) -> list[bytes]:
    splitter = FrameSplitter()
    frames = [frame for at in range(0, len(body), 65536) for frame in splitter.feed(body[at : at + 65536])]
    return [bytes(frame.data) for frame in [*frames, *splitter.close()]]


def by_file(path: Path) -> list[bytes]:
    index = open_index(path)
    return [bytes(index.read(number + 1).data) for number in range(index.metadata.number_of_frames)]


def refusals(body: bytes, folder: Path, *, seconds: float) -> set[type[ImageLoadError] | None]:
    """What the bytes, their chunks and their file end in, each within so many seconds of CPU time."""
    path = folder / "x.dcm"
    path.write_bytes(body)
    found: set[type[ImageLoadError] | None] = set()
    for read in (lambda: split_part10(body), lambda: by_chunks(body), lambda: by_file(path)):
        times = []
        for _ in range(3):
            started = time.process_time()
            error = outcome(read)
            times.append(time.process_time() - started)
            if times[-1] < seconds:
                break
        assert min(times) < seconds
        found.add(type(error) if error is not None else None)
    return found


# ---- fragments and lengths


def test_two_million_empty_fragments(tmp_path: Path) -> None:
    body = with_items([table(), item(b"") * 2_000_000], frames=1)
    assert refusals(body, tmp_path, seconds=0.5) == {LimitError}


def test_empty_fragments_within_the_limit_belong_to_no_frame() -> None:
    body = with_items([table(), item(b"") * 50, item(F1), item(b"") * 50, item(F2)], frames=2)
    assert [frame.data for frame in split_part10(body)] == [F1, F2]
    with pytest.raises(LimitError, match=r"limits\.empty_fragments"):
        split_part10(body, limits=Limits(empty_fragments=99))


@pytest.mark.parametrize("length", [2**31, 2**32 - 2, 21, 2**24])
def test_a_fragment_longer_than_its_file(length: int, tmp_path: Path) -> None:
    body = with_items([table(), item(F1, length=length)], frames=1)
    assert refusals(body, tmp_path, seconds=0.05) == {TruncatedError}


@pytest.mark.parametrize("tag", [PRIVATE, ICC_PROFILE])
def test_an_element_of_four_gibibytes(tag: int, tmp_path: Path) -> None:
    assert refusals(with_elements(element(tag, b"OB", b"ab", 2**32 - 2)), tmp_path, seconds=0.05) == {LimitError}


def test_pixel_data_of_four_gibibytes_for_one_small_frame(tmp_path: Path) -> None:
    body = written(image_data_set()) + element(0x7FE00010, b"OB", PIXELS, 2**32 - 2)
    assert refusals(body, tmp_path, seconds=0.05) == {SplitError}


def test_undefined_length_where_it_may_not_be(tmp_path: Path) -> None:
    assert refusals(with_elements(element(PRIVATE, b"OB", b"12345678", UNDEFINED)), tmp_path, seconds=0.05) == {
        SplitError
    }


# ---- offset tables, numbers of frames, sizes


TABLES = {
    "out of range": (0, 999, 2**32 - 1),
    "unordered": (0, 50, 19),
    "duplicate": (0, 19, 19),
    "overlapping": (0, 10, 12),
    "odd": (1, 25, 37),
    "too few": (0,),
    "too many": (0, 25, 37, 60),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_basic_offset_table_that_is_wrong_changes_no_frame(name: str, tmp_path: Path) -> None:
    body = with_items([table(*TABLES[name]), item(F1), item(F2), item(F3)], frames=3)
    (tmp_path / "x.dcm").write_bytes(body)
    assert [frame.data for frame in split_part10(body)] == by_file(tmp_path / "x.dcm") == [F1, F2, F3]
    pieces = [item(one) for one in (rle_like(b"a" * 80)[:70], rle_like(b"a" * 80)[70:], rle_like(b"b" * 80))]
    other = with_items([table(*TABLES[name][:2]), *pieces], frames=2, transfer_syntax_uid=RLE)
    assert [frame.data for frame in split_part10(other)] == [rle_like(b"a" * 80), rle_like(b"b" * 80)]


def counted(number_of_frames: str) -> tuple[bytes, bytes]:
    """Files of two frames that say another number: native, and encapsulated."""
    value = number_of_frames.encode() + b" " * (len(number_of_frames) % 2)
    head = written(image_data_set(NumberOfFrames=None))
    at = head.index(b"\x28\0\x10\0")
    head = head[:at] + element(0x00280008, b"IS", value) + head[at:]
    pixels = element(0x7FE00010, b"OB", PIXELS * 2)
    items = element(0x7FE00010, b"OB", b"", UNDEFINED) + table() + item(F1) + item(F2) + END
    return head + pixels, renamed(head, JPEG) + items


@pytest.mark.parametrize(
    ("number", "error"),
    [
        ("3", SplitError),
        ("1", SplitError),
        ("0", SplitError),
        ("", SplitError),
        ("-1", SplitError),
        ("two", SplitError),
        ("2_0", SplitError),
        ("1000000", SplitError),
        ("1000001", LimitError),
        ("2147483647", LimitError),
        ("9" * 400, SplitError),
    ],
)
def test_a_number_of_frames_that_is_wrong(number: str, error: type[ImageLoadError], tmp_path: Path) -> None:
    for body in counted(number):
        assert refusals(body, tmp_path, seconds=0.005) == {error}


def test_the_right_number_of_frames_is_read() -> None:
    assert [[frame.data for frame in split_part10(body)] for body in counted("2")] == [[PIXELS] * 2, [F1, F2]]


def test_a_huge_image_of_few_bytes(tmp_path: Path) -> None:
    body = native(bytes(256), Rows=65535, Columns=65535)
    assert refusals(body, tmp_path, seconds=0.005) == {LimitError}
    wide = native(bytes(256), Rows=1, Columns=65535)
    assert refusals(wide, tmp_path, seconds=0.005) == {SplitError}


# ---- depth and number of elements


def nested(tag: int, depth: int, *, defined: bool) -> bytes:
    """Sequences in sequences."""
    if not defined:
        begin = element(tag, b"SQ", b"", UNDEFINED) + struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)
        return begin * depth + (struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + END) * depth
    heads = [element(tag, b"SQ", b"", 20 * level + 8) + item(b"", 20 * level) for level in range(depth)]
    return b"".join(reversed(heads))


@pytest.mark.parametrize("tag", [PRIVATE_SEQUENCE, PER_FRAME, 0x00283000, 0x00480105, 0x52009229])
def test_sequences_ten_thousand_deep(tag: int, tmp_path: Path) -> None:
    body = with_elements(nested(tag, 10_000, defined=False))
    assert refusals(body, tmp_path, seconds=0.5) == {LimitError}
    # Where every level says its length, none is entered that is not asked for, and the pixels are what they are.
    assert refusals(with_elements(nested(tag, 10_000, defined=True)), tmp_path, seconds=0.5) == {None}


@pytest.mark.parametrize(
    "storm",
    [
        element(PER_FRAME, b"SQ", item(b"") * 2000),
        element(PER_FRAME, b"SQ", item(b"") * 2000 + END, UNDEFINED),
        element(PRIVATE_SEQUENCE, b"SQ", item(element(PRIVATE, b"LO", b"")) * 2000 + END, UNDEFINED),
        element(PRIVATE, b"LO", b"") * 2000,
        b"".join(element(0x00090010 + block, b"LO", b"CREATOR ") for block in range(240)) * 9,
    ],
    ids=["items", "items of a sequence without length", "elements in them", "tiny elements", "private creators"],
)
def test_elements_are_limited(storm: bytes) -> None:
    assert len(split_part10(with_elements(storm))) == 1
    with pytest.raises(LimitError, match=r"limits\.elements"):
        split_part10(with_elements(storm), limits=Limits(elements=1999))


@pytest.mark.long
@pytest.mark.parametrize("storm", [item(b""), element(PRIVATE, b"LO", b"")], ids=["items", "elements"])
def test_a_million_of_them(storm: bytes, tmp_path: Path) -> None:
    storm *= 1_000_001
    body = with_elements(element(PER_FRAME, b"SQ", storm) if storm.startswith(b"\xfe\xff") else storm)
    assert refusals(body, tmp_path, seconds=8) == {LimitError}


def test_elements_of_an_item_are_limited() -> None:
    groups = element(PER_FRAME, b"SQ", item(element(PRIVATE, b"LO", b"") * 2000))
    with pytest.raises(LimitError, match=r"limits\.elements"):
        split_part10(with_elements(groups), limits=Limits(elements=1999))


@pytest.mark.parametrize("tag", [PRIVATE, ICC_PROFILE])
def test_an_element_as_long_as_a_header_may_be(tag: int) -> None:
    limits = Limits(header_bytes=4096)
    fitting = 4096 - len(written(image_data_set())) - 12
    assert len(split_part10(with_elements(element(tag, b"OB", bytes(fitting))), limits=limits)) == 1
    with pytest.raises(LimitError, match=r"limits\.header_bytes"):
        split_part10(with_elements(element(tag, b"OB", bytes(fitting + 1))), limits=limits)


def test_a_text_that_is_too_long_to_be_one() -> None:
    body = written(image_data_set(IMPLICIT))
    at = body.index(b"\x28\0\x02\0")
    text = struct.pack("<HHI", 0x0020, 0x000E, 70_000) + b"\\" * 70_000
    pixels = struct.pack("<HHI", 0x7FE0, 0x0010, 8) + PIXELS
    with pytest.raises(SplitError, match="SeriesInstanceUID has 70000 bytes"):
        split_part10(body[:at] + text + body[at:] + pixels)


# ---- elements that contradict each other


@pytest.mark.parametrize("vr", [b"ZZ", b"ob", b"\0\0", b"O\0", b"??"])
def test_a_value_representation_that_is_none(vr: bytes, tmp_path: Path) -> None:
    pixels = element(0x7FE00010, b"OB", PIXELS).replace(b"OB", vr, 1)
    assert refusals(written(image_data_set()) + pixels, tmp_path, seconds=0.05) == {SplitError}
    strange = element(PRIVATE, b"LO", b"ab").replace(b"LO", vr, 1)
    assert refusals(with_elements(strange), tmp_path, seconds=0.05) <= {
        TruncatedError,
        LimitError,
    }  # its length is garbage


@pytest.mark.parametrize("keyword_tag", [0x7FE00008, 0x7FE00009])
def test_integer_pixels_do_not_become_floating_point_ones(keyword_tag: int) -> None:
    body = native(bytes(32), BitsAllocated=32, BitsStored=32, HighBit=31)
    at = len(body) - 32 - 12
    with pytest.raises(SplitError, match="floating point"):
        split_part10(body[:at] + element(keyword_tag, b"OF", bytes(32)))


@pytest.mark.parametrize(
    "stray",
    [
        item(b""),
        END,
        struct.pack("<HHI", 0xFFFE, 0xE00D, 0),
        element(PRIVATE, b"LO", b"odd"),
        element(0x00090000, b"UL", b"\xf0\xff\xff\xff"),
        element(0x00080005, b"CS", b"a\0b\\nonsense"),
    ],
    ids=["item", "sequence delimiter", "item delimiter", "odd length", "group length", "character set"],
)
def test_what_does_not_touch_the_pixels_changes_none(stray: bytes) -> None:
    assert [frame.data for frame in split_part10(with_elements(stray))] == [PIXELS]


@pytest.mark.parametrize("overrun", [9, 100, 2**31])
def test_items_that_overrun_their_sequence(overrun: int, tmp_path: Path) -> None:
    groups = element(PER_FRAME, b"SQ", item(bytes(8), overrun))
    assert refusals(with_elements(groups), tmp_path, seconds=0.05) <= {SplitError, LimitError}


def test_an_attribute_that_stands_twice() -> None:
    rows = element(0x00280010, b"US", b"\x02\0")
    assert len(split_part10(with_elements(rows))) == 1
    with pytest.raises(SplitError, match="stands twice"):
        split_part10(with_elements(element(0x00280010, b"US", b"\x04\0")))


# ---- file meta information


def meta(*elements: bytes) -> bytes:
    """A native file whose file meta information ends in these elements."""
    body = native(PIXELS)
    at = body.index(b"\x08\0\x16\0UI")
    return body[:at] + b"".join(elements) + body[at:]


def test_file_meta_information_that_lies() -> None:
    body = native(PIXELS)
    wrong_length = body[:140] + b"\xff\xff\xff\x7f" + body[144:]
    own = body[132 : body.index(b"\x08\0\x16\0UI")]
    for harmless in (wrong_length, meta(own), meta(element(0x00020010, b"UI", EXPLICIT.encode() + b"\0"))):
        assert [frame.data for frame in split_part10(harmless)] == [PIXELS]
    with pytest.raises(SplitError, match="two transfer syntaxes"):
        split_part10(meta(element(0x00020010, b"UI", IMPLICIT.encode() + b"\0")))
    assert isinstance(outcome(lambda: split_part10(meta(body[:132], own))), ImageLoadError)


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.1\0.9", "1.2.840." + "9" * 10_000, "JPEG", "1.2.840 10008"])
def test_a_transfer_syntax_that_is_no_uid(uid: str) -> None:
    with pytest.raises(SplitError, match="is no UID") as caught:
        split_part10(renamed(native(PIXELS), uid))
    assert len(str(caught.value)) < 200


# ---- whatever else


SAMPLES = [native(bytes(range(24)), uid, NumberOfFrames=3) for uid in (EXPLICIT, IMPLICIT, BIG_ENDIAN)] + [
    encapsulated([F1, F2, F3], fragments_per_frame=2),
    encapsulated([rle_like(b"ab"), rle_like(b"cd")], RLE),
]
TAGS = st.sampled_from([PER_FRAME, PRIVATE_SEQUENCE, ICC_PROFILE, 0x00283000, 0x00280008, 0x00280010, 0x00080005])
VRS = st.sampled_from([b"SQ", b"OB", b"LO", b"IS", b"US", b"UN", b"ZZ", b"\0\0"])
LENGTHS = st.one_of(st.none(), st.sampled_from([0, 1, 8, UNDEFINED, 2**31, UNDEFINED - 1]))
LEAVES = st.binary(max_size=12)


def _children(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    made = st.builds(element, TAGS, VRS, inner, LENGTHS.map(lambda n: n if n is None else n % 65536))
    return st.one_of(made, st.builds(item, inner, LENGTHS), inner.map(lambda value: value + END))


@settings(max_examples=150, deadline=None)
@given(st.recursive(LEAVES, _children, max_leaves=8))
@example(item(b"", UNDEFINED) * 100)
def test_headers_that_are_nearly_right(middle: bytes) -> None:
    found = outcome(lambda: split_part10(with_elements(middle)))
    if found is None:
        assert [frame.data for frame in split_part10(with_elements(middle))] == [PIXELS]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SAMPLES), st.lists(st.tuples(st.integers(132, 900), st.binary(max_size=4)), max_size=4))
def test_files_that_are_nearly_right(body: bytes, edits: list[tuple[int, bytes]]) -> None:
    for at, piece in edits:
        body = body[: at % len(body)] + piece + body[at % len(body) + len(piece) // 2 :]
    try:
        frames = split_part10(body)
    except ImageLoadError:
        return
    assert len(frames) == frames[0].metadata.number_of_frames
