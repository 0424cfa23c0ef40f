"""Overlays from the headers of every kind: pydicom's `overlay_array` and the corpus are the oracles."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from cornerstream.images.errors import DecodeError
from cornerstream.images.limits import Limits
from cornerstream.operators.decompress import decode_frame
from cornerstream.operators.metadata import read_dataset, read_json
from cornerstream.operators.part10 import parse_header
from cornerstream.operators.split_frames import split_part10
from tests.support.corpus import corpus_root, expected
from tests.support.frames import bundled
from tests.support.overlays import add_overlay, overlaid, packed, random_bits
from tests.support.part10 import BIG_ENDIAN, EXPLICIT, IMPLICIT, RLE, written

if TYPE_CHECKING:
    from cornerstream.images.overlay import Overlay
    from cornerstream.operators.metadata import InstanceMetadata

GROUPS = range(0x6000, 0x6020, 2)
WITH_OVERLAYS = [name for name, one in expected()["files"].items() if one.get("overlays")]


def all_forms(data_set: Any) -> list[InstanceMetadata]:
    """The same data set as a file, in pydicom's hands, and as DICOM JSON (values little endian, PS3.18 F.2.7)."""
    forms = [parse_header(written(data_set)).metadata, read_dataset(data_set)]
    if data_set.file_meta.TransferSyntaxUID != BIG_ENDIAN:
        forms.append(read_json(json.loads(data_set.to_json()), "1.2.840.10008.1.2.1"))
    return forms


@pytest.mark.parametrize(
    ("uid", "vr"), [(EXPLICIT, "OW"), (EXPLICIT, "OB"), (IMPLICIT, "OW"), (BIG_ENDIAN, "OW"), (BIG_ENDIAN, "OB")]
)
@pytest.mark.parametrize("size", [(2, 4), (3, 5), (7, 9)])
def test_all_sixteen_groups_in_every_encoding(uid: str, vr: str, size: tuple[int, int]) -> None:
    data_set = overlaid(uid)
    wanted = {group: random_bits(*size) ^ (group % 3 == 0) for group in GROUPS}
    for group, bits in wanted.items():
        add_overlay(data_set, bits, group, vr)
    for metadata in all_forms(data_set):
        overlays = metadata.frame(1).overlays
        assert [overlay.group for overlay in overlays] == list(GROUPS)
        for overlay in overlays:
            np.testing.assert_array_equal(overlay.mask, wanted[overlay.group])


def test_what_an_overlay_says_of_itself() -> None:
    data_set = overlaid()
    add_overlay(
        data_set,
        random_bits(3, 5),
        0x6002,
        e0022=("LO", "marks"),
        e0040=("CS", "R"),
        e0045=("LO", "USER"),
        e0050=("SS", [-2, 7]),
        e1500=("LO", "L"),
    )
    for metadata in all_forms(data_set):
        (overlay,) = metadata.frame(1).overlays
        assert (overlay.group, overlay.rows, overlay.columns, overlay.origin) == (0x6002, 3, 5, (-2, 7))
        assert (overlay.type, overlay.subtype, overlay.label, overlay.description) == ("R", "USER", "L", "marks")
        assert not overlay.embedded


@pytest.mark.parametrize("rows_columns", [(2, 4), (3, 5)])
def test_frames_of_an_overlay_follow_each_other_without_padding(rows_columns: tuple[int, int]) -> None:
    bits = random_bits(4, *rows_columns)
    data_set = overlaid(frames=4)
    add_overlay(data_set, bits)
    for metadata in all_forms(data_set):
        frames = [metadata.frame(number).overlays[0] for number in (1, 2, 3, 4)]
        for overlay, wanted in zip(frames, bits, strict=True):
            np.testing.assert_array_equal(overlay.mask, wanted)
        assert len({id(overlay.data) for overlay in frames}) == 1  # shared, not copied


def test_overlay_frames_begin_at_their_origin() -> None:
    bits = random_bits(2, 2, 4)
    data_set = overlaid(frames=5)
    add_overlay(data_set, bits, e0051=("US", 3))
    for metadata in all_forms(data_set):
        counts = [len(metadata.frame(number).overlays) for number in range(1, 6)]
        assert counts == [0, 0, 1, 1, 0]
        np.testing.assert_array_equal(metadata.frame(4).overlays[0].mask, bits[1])


@pytest.mark.parametrize(
    ("more", "frames"),
    [
        ({}, {1, 2, 3}),
        ({"e0015": ("IS", 1)}, {1, 2, 3}),
        ({"e0051": ("US", 0)}, {1, 2, 3}),
        ({"e0051": ("US", 2)}, {2}),
    ],
)
def test_a_single_overlay_lies_over_all_frames_unless_it_names_one(more: dict[str, Any], frames: set[int]) -> None:
    data_set = overlaid(frames=3)
    add_overlay(data_set, random_bits(2, 4), **more)
    for metadata in all_forms(data_set):
        assert {number for number in (1, 2, 3) if metadata.frame(number).overlays} == frames


BAD: list[tuple[dict[str, Any], str]] = [
    ({"e0010": ("US", 9)}, "Overlay Data have 2 bytes; 1 × 9 × 4 bits need 5"),
    ({"e0010": ("US", 0)}, "1 × 0 × 4 bits"),
    ({"e0015": ("IS", 3)}, "3 × 2 × 4 bits need 3"),
    ({"e0015": ("IS", -1)}, "-1 × 2 × 4"),
    ({"e0010": ("US", 65535), "e0011": ("US", 65535)}, "limits.frame_pixels"),
    ({"e0015": ("IS", 2_000_000_000)}, "limits.frames"),
]


@pytest.mark.parametrize(("more", "message"), BAD)
def test_an_overlay_that_contradicts_itself_leaves_the_image_alone(more: dict[str, Any], message: str) -> None:
    data_set = overlaid()
    add_overlay(data_set, random_bits(2, 4), 0x600A, **more)
    (frame,) = split_part10(written(data_set))
    assert decode_frame(frame).pixels.shape == (2, 4)
    for metadata in all_forms(data_set):
        (overlay,) = metadata.shared.overlays
        with pytest.raises(DecodeError, match=f"overlay 600A: .*{message}"):
            _ = overlay.mask


def test_the_limit_of_pixels_holds_for_overlays() -> None:
    data_set = overlaid()
    add_overlay(data_set, random_bits(10, 10))
    metadata = parse_header(written(data_set), Limits(frame_pixels=99)).metadata
    with pytest.raises(DecodeError, match="frame_pixels"):
        _ = metadata.shared.overlays[0].mask


def test_rows_without_data_and_data_without_rows() -> None:
    data_set = overlaid()
    add_overlay(data_set, None, e0010=("US", 2), e0011=("US", 4))
    add_overlay(data_set, None, 0x6002, e3000=("OW", b"\1\0"))
    add_overlay(data_set, None, 0x6004, e0022=("LO", "a group that is no overlay"))
    for metadata in all_forms(data_set):
        first, second = metadata.frame(1).overlays
        with pytest.raises(DecodeError, match="6000: the data set has no Overlay Data"):
            _ = first.mask
        with pytest.raises(DecodeError, match="6002: it is said to be 1 × 0 × 0"):
            _ = second.mask


def test_damaged_json_and_odd_words_are_faults_of_the_overlay() -> None:
    data_set = overlaid()
    add_overlay(data_set, random_bits(2, 4))
    members = json.loads(data_set.to_json())
    members["60003000"]["InlineBinary"] = "?"
    with pytest.raises(DecodeError, match=r"6000: .*damaged"):
        _ = read_json(members).shared.overlays[0].mask
    swapped = overlaid(BIG_ENDIAN)
    add_overlay(swapped, None, e0010=("US", 2), e0011=("US", 4), e3000=("OW", b"\1\2\3"))
    with pytest.raises(DecodeError, match="16-bit words"):
        _ = read_dataset(swapped).shared.overlays[0].mask


def test_a_reference_is_no_data_yet() -> None:
    data_set = overlaid()
    add_overlay(data_set, random_bits(2, 4))
    members = json.loads(data_set.to_json())
    members["60003000"] = {"vr": "OW", "BulkDataURI": "somewhere"}
    with pytest.raises(DecodeError, match="only refers to them"):
        _ = read_json(members).frame(1).overlays[0].mask


def test_only_the_bits_described_are_held() -> None:
    data_set = overlaid()
    add_overlay(data_set, random_bits(100, 800), e0010=("US", 3))
    add_overlay(data_set, random_bits(100, 800), 0x6002, e0010=("US", 0))
    for metadata in all_forms(data_set):
        long, bad = metadata.shared.overlays
        assert (long.nbytes, bad.nbytes) == (300, 0)
        np.testing.assert_array_equal(long.mask, random_bits(100, 800)[:3])


def test_what_overlays_hold_is_counted() -> None:
    plain, data_set = overlaid(), overlaid()
    add_overlay(data_set, random_bits(100, 800))
    grown = parse_header(written(data_set)).metadata.nbytes - parse_header(written(plain)).metadata.nbytes
    assert 10_000 <= grown <= 11_000


def test_data_of_its_own_outweigh_a_copied_bits_allocated() -> None:
    data_set = overlaid()
    bits = random_bits(2, 4)
    add_overlay(data_set, bits, e0100=("US", 16), e0102=("US", 12))
    (overlay,) = parse_header(written(data_set)).metadata.shared.overlays
    assert not overlay.embedded
    np.testing.assert_array_equal(overlay.mask, bits)


def test_an_instance_without_overlays_keeps_its_frame() -> None:
    (frame,) = split_part10(written(overlaid()))
    assert decode_frame(frame).metadata is frame.metadata


def test_compressed_frames_keep_their_separate_overlays() -> None:
    bits = random_bits(2, 4)
    data_set = overlaid(EXPLICIT)
    add_overlay(data_set, bits)
    data_set.compress(RLE, encoding_plugin="pydicom", generate_instance_uid=False)
    decoded = decode_frame(split_part10(written(data_set))[0])
    np.testing.assert_array_equal(decoded.metadata.overlays[0].mask, bits)


def test_a_bundled_file_against_pydicom() -> None:
    path = bundled("examples_overlay")
    data_set = dcmread(path)
    overlays = parse_header(Path(path).read_bytes()).metadata.frame(1).overlays
    assert overlays
    for overlay in overlays:
        np.testing.assert_array_equal(overlay.mask, data_set.overlay_array(overlay.group))


MEMBERS = [0x0010, 0x0011, 0x0015, 0x0022, 0x0040, 0x0050, 0x0051, 0x0100, 0x0102, 0x1500, 0x3000]
VALUES: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just([]) | st.just({})
)
ELEMENTS = st.fixed_dictionaries(
    {}, optional={"Value": st.lists(VALUES, max_size=3), "InlineBinary": st.sampled_from(["", "AQ==", "?", "AAAAAAAA"])}
)


EMBEDDED: dict[int, Any] = {0x0010: {"Value": [2]}, 0x0011: {"Value": [2]}, 0x0100: {"Value": [16]}}


@example(EMBEDDED | {0x0102: {"Value": [-3]}})
@example(EMBEDDED | {0x0102: {"Value": [12]}})
@given(st.dictionaries(st.sampled_from(MEMBERS), ELEMENTS, max_size=8))
@settings(max_examples=150, deadline=None)
def test_whatever_a_stranger_writes_is_an_overlay_with_a_mask_or_a_fault(members: dict[int, Any]) -> None:
    data_set = overlaid(BitsAllocated=16, BitsStored=12, HighBit=11, Columns=2)
    instance = json.loads(data_set.to_json()) | {f"6000{number:04X}": member for number, member in members.items()}
    (frame,) = split_part10(written(data_set))
    for overlay in read_json(instance).frame(1).overlays:
        described = replace(frame.metadata, overlays=(overlay,))
        (filled,) = decode_frame(replace(frame, metadata=described)).metadata.overlays
        for one in (overlay, filled):
            try:
                mask = one.mask
            except DecodeError:
                continue
            assert mask.shape == (one.rows, one.columns)


@pytest.mark.corpus
@pytest.mark.parametrize("name", WITH_OVERLAYS or [pytest.param("", id="no corpus")])
def test_corpus(name: str) -> None:
    body = (corpus_root() / name).read_bytes()
    overlays = decode_frame(split_part10(body)[0]).metadata.overlays
    wanted = expected()["files"][name]["overlays"]
    assert [facts_of(overlay) for overlay in overlays] == [
        (one["group"], one["embedded"], one["type"], tuple(one["origin"]), one["set_bits"], one["sha256_u8_0_1"])
        for one in wanted
    ]


def facts_of(overlay: Overlay) -> tuple[object, ...]:
    mask = overlay.mask
    digest = hashlib.sha256(mask.tobytes()).hexdigest()
    return f"{overlay.group:04X}", overlay.embedded, overlay.type, overlay.origin, int(mask.sum()), digest


def test_inline_binary_is_read() -> None:
    bits = random_bits(3, 5)
    data_set = overlaid()
    add_overlay(data_set, bits)
    members = json.loads(data_set.to_json())
    assert base64.b64decode(members["60003000"]["InlineBinary"]) == packed(bits)
    np.testing.assert_array_equal(read_json(members).frame(1).overlays[0].mask, bits)
