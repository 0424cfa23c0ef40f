"""Part 10 files made in memory: by pydicom where it can write them, by hand where they must be wrong."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, SecondaryCaptureImageStorage

if TYPE_CHECKING:
    from collections.abc import Sequence

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPEG = "1.2.840.10008.1.2.4.50"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
JPEG_XL = "1.2.840.10008.1.2.4.110"
PRIVATE = "1.2.826.0.1.3680043.9.9"
RLE = "1.2.840.10008.1.2.5"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"

# Not known to pydicom: another one of the same length is written, and replaced.
_STAND_INS = {
    DEFLATED_FRAME: JPEG,
    JPEG_XL: "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.111": "1.2.840.10008.1.2.4.201",
    "1.2.840.10008.1.2.4.112": "1.2.840.10008.1.2.4.201",
    PRIVATE: "1.2.840.10008.1.2.4.201",
}

END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def image_data_set(transfer_syntax_uid: str = EXPLICIT, **attributes: Any) -> FileDataset:
    """An 8-bit grey image of 2 × 4 pixels, without pixel data, unless attributes say otherwise."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    data_set = FileDataset(
        "",
        {},
        file_meta=meta,
        preamble=b"\0" * 128,
        is_implicit_VR=transfer_syntax_uid == IMPLICIT,
        is_little_endian=transfer_syntax_uid != BIG_ENDIAN,
    )
    defaults = {
        "SOPClassUID": SecondaryCaptureImageStorage,
        "SOPInstanceUID": "1.2.3",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 2,
        "Columns": 4,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
    }
    for keyword, value in (defaults | attributes).items():
        if value is not None:
            setattr(data_set, keyword, value)
    return data_set


def written(data_set: FileDataset) -> bytes:
    """A data set as pydicom writes it."""
    buffer = BytesIO()
    uid = str(data_set.file_meta.TransferSyntaxUID)
    stand_in = _STAND_INS.get(uid, uid)
    data_set.file_meta.TransferSyntaxUID = UID(stand_in)
    data_set.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue().replace(stand_in.encode(), uid.encode().ljust(len(stand_in), b"\0"), 1)


def renamed(body: bytes, transfer_syntax_uid: str) -> bytes:
    """A native file in explicit little endian that says it is of another transfer syntax."""
    old, new = f"{EXPLICIT}\0".encode(), transfer_syntax_uid.encode()
    new += b"\0" * (len(new) % 2)
    start = body.index(b"\x02\0\x10\0UI") + 6
    assert body[start + 2 :].startswith(old)
    return body[:start] + struct.pack("<H", len(new)) + new + body[start + 2 + len(old) :]


def native(pixels: bytes, transfer_syntax_uid: str = EXPLICIT, vr: str = "OB", **attributes: Any) -> bytes:
    """A file with native pixel data."""
    data_set = image_data_set(transfer_syntax_uid, **attributes)
    data_set.PixelData = pixels
    data_set["PixelData"].VR = vr
    return written(data_set)


def encapsulated(
    frames: Sequence[bytes],
    transfer_syntax_uid: str = JPEG,
    *,
    fragments_per_frame: int = 1,
    has_bot: bool = True,
    **attributes: Any,
) -> bytes:
    """A file whose pixel data pydicom encapsulated."""
    data_set = image_data_set(transfer_syntax_uid, NumberOfFrames=len(frames), **attributes)
    data_set.PixelData = encapsulate(list(frames), fragments_per_frame=fragments_per_frame, has_bot=has_bot)
    data_set["PixelData"].VR = "OB"
    data_set["PixelData"].is_undefined_length = True
    return written(data_set)


def end_of_meta(body: bytes) -> int:
    """Where the data set begins, by the group length that pydicom wrote."""
    return 144 + int.from_bytes(body[140:144], "little")


def item(value: bytes, length: int | None = None) -> bytes:
    """One item, of another length than it says if wanted."""
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value) if length is None else length) + value


def with_items(
    items: Sequence[bytes], frames: int, transfer_syntax_uid: str = JPEG, end: bytes = END, **attributes: Any
) -> bytes:
    """A file whose encapsulated pixel data are these items, the Basic Offset Table first."""
    data_set = image_data_set(transfer_syntax_uid, NumberOfFrames=frames, **attributes)
    header = written(data_set)
    return header + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + b"".join(items) + end


def table(*offsets: int) -> bytes:
    """A Basic Offset Table's item."""
    return item(struct.pack(f"<{len(offsets)}I", *offsets))


def jpeg_like(content: bytes) -> bytes:
    """Bytes that begin and end like a JPEG, of even length; markers inside `content` are taken out."""
    body = content.replace(b"\xff", b"\xfe")
    return b"\xff\xd8\xff\xe0" + body + b"\0" * (len(body) % 2) + b"\xff\xd9"


def rle_like(content: bytes, segments: int = 1) -> bytes:
    """Bytes that begin like an RLE frame of that many segments."""
    offsets = [64 + 2 * index for index in range(segments)]
    return struct.pack("<16I", segments, *offsets, *[0] * (15 - segments)) + content + b"\0" * (len(content) % 2)
