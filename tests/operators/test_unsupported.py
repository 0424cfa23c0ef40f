"""What is refused is listed in docs/evidence.md, and what is listed is refused."""

from __future__ import annotations

import re
import struct
from typing import Any

import pytest
from pydicom._uid_dict import UID_dictionary

from cornerstream.images.errors import DecodeError, SplitError, UnsupportedTransferSyntaxError
from cornerstream.operators.decoder_table import TABLE
from cornerstream.operators.decompress import decode_frame
from cornerstream.operators.split_frames import split_part10
from cornerstream.operators.to_rgb import convert_to_rgb
from tests.support.documents import ROOT
from tests.support.part10 import JPEG, encapsulated, item, native, with_items

_DOCUMENT = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8").partition("## What is refused")[2]
REFUSED = sorted(uid for uid, row in UID_dictionary.items() if row[1] == "Transfer Syntax" and uid not in TABLE)
COLOUR: dict[str, Any] = {"SamplesPerPixel": 3, "PlanarConfiguration": 0}
FORMS: list[tuple[str, dict[str, Any]]] = [
    ("Bits Allocated 24", {"BitsAllocated": 24, "BitsStored": 24, "HighBit": 23}),
    ("64", {"BitsAllocated": 64, "BitsStored": 64, "HighBit": 63}),
    ("every other number", {"BitsAllocated": 40, "BitsStored": 40, "HighBit": 39}),
    ("Samples per Pixel 2", {"SamplesPerPixel": 2, "PlanarConfiguration": 0}),
    ("and 4", {"SamplesPerPixel": 4, "PlanarConfiguration": 0, "PhotometricInterpretation": "RGB"}),
    ("one sample a pixel of a colour", {"PhotometricInterpretation": "RGB"}),
    ("three of a grey", COLOUR | {"PhotometricInterpretation": "MONOCHROME2"}),
    ("ARGB", {"SamplesPerPixel": 4, "PlanarConfiguration": 0, "PhotometricInterpretation": "ARGB"}),
    ("CMYK", {"SamplesPerPixel": 4, "PlanarConfiguration": 0, "PhotometricInterpretation": "CMYK"}),
    *(
        (name, COLOUR | {"PhotometricInterpretation": name})
        for name in ("YBR_PARTIAL_420", "YBR_PARTIAL_422", "HSV", "XYB")
    ),
]


def listed() -> set[str]:
    """The UIDs of the document, its ranges and its pairs written out."""
    found = set(re.findall(r"`(1[0-9.]+)`", _DOCUMENT))
    for root, first, last in re.findall(r"`([0-9.]+\.)([0-9]+)` to `\1([0-9]+)`", _DOCUMENT):
        found |= {f"{root}{number}" for number in range(int(first), int(last) + 1)}
    fragmentable = {f"1.2.840.10008.1.2.4.{number}.1" for number in range(102, 107)}
    return found | (fragmentable if "each with `.1`" in _DOCUMENT else set())


def relabelled(body: bytes, old: str, transfer_syntax_uid: str) -> bytes:
    """A file that says it is of another transfer syntax."""
    start = body.index(b"\x02\0\x10\0UI") + 6
    length = struct.unpack_from("<H", body, start)[0]
    assert body[start + 2 : start + 2 + length].rstrip(b"\0").decode() == old
    new = transfer_syntax_uid.encode() + b"\0" * (len(transfer_syntax_uid) % 2)
    return body[:start] + struct.pack("<H", len(new)) + new + body[start + 2 + length :]


def test_every_registered_transfer_syntax_is_decoded_or_listed() -> None:
    assert listed() == set(REFUSED)


@pytest.mark.parametrize("uid", REFUSED)
@pytest.mark.parametrize("frames", [1, 3])
def test_a_registered_transfer_syntax_without_decoder_is_named(uid: str, frames: int) -> None:
    """Video has fewer fragments than frames, JPIP has no pixels: neither must be the complaint."""
    one_fragment = with_items([item(b""), item(bytes(8))], frames)
    bodies = [relabelled(one_fragment, JPEG, uid), relabelled(native(bytes(8)), "1.2.840.10008.1.2.1", uid)]
    for body in [*bodies, bodies[1][:-20]]:
        with pytest.raises(UnsupportedTransferSyntaxError, match=re.escape(uid)) as caught:
            split_part10(body)
        assert caught.value.transfer_syntax_uid == uid


@pytest.mark.parametrize(("name", "attributes"), FORMS)
def test_a_form_without_meaning_is_refused(name: str, attributes: dict[str, Any]) -> None:
    assert name in _DOCUMENT
    pixels = 8 * attributes.get("SamplesPerPixel", 1) * attributes.get("BitsAllocated", 8) // 8
    for body in (
        native(bytes(pixels), **attributes),
        encapsulated([bytes(pixels)], "1.2.840.10008.1.2.4.90", **attributes),
    ):
        with pytest.raises((DecodeError, SplitError)):
            [convert_to_rgb(decode_frame(frame)) for frame in split_part10(body)]
