"""DICOMDIR: the files that a medium's directory refers to (PS3.3 annex F, PS3.10 section 8.6), inside its folder only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cornerstream.images.errors import FetchError, ImageLoadError, LimitError, SplitError
from cornerstream.operators.byte_source import read_exactly
from cornerstream.operators.byte_stream import ByteStream, finish
from cornerstream.operators.elements import (
    EXPLICIT,
    Encoding,
    item_spans,
    looks_explicit,
    read_element_header,
    read_kept,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from cornerstream.images.limits import Limits
    from cornerstream.operators.byte_source import OpenBytes
    from cornerstream.operators.elements import Element

MEDIA_STORAGE_DIRECTORY = b"1.2.840.10008.1.3.10"
_SOP_CLASS, _TRANSFER_SYNTAX = 0x00020002, 0x00020010
_RECORDS, _IN_USE, _FILE_ID = 0x00041220, 0x00041410, 0x00041500
_BIG_ENDIAN = b"1.2.840.10008.1.2.2"
_HEAD = 1 << 12


def is_dicomdir(head: bytes) -> bool:
    """A file that begins so is a DICOMDIR: its file meta information names the class of directories."""
    if head[128:132] != b"DICM":
        return False
    stream = ByteStream(head[132:_HEAD], ended=True)
    try:
        found = finish(_meta(stream))
    except ImageLoadError:  # whoever reads it as an image says what is wrong with it
        return False
    return found.get(_SOP_CLASS) == MEDIA_STORAGE_DIRECTORY


def read_file_ids(opened: OpenBytes, limits: Limits) -> list[str]:
    """The Referenced File IDs of a DICOMDIR, in order, each once, as it has them: components between backslashes.

    Args:
        opened: The DICOMDIR.
        limits: Bound its size, its elements and their nesting.

    Raises:
        SplitError: Its structure contradicts itself.
        TruncatedError: It is cut.
        LimitError: It reaches a limit.
    """
    size = opened.version.size
    if size > limits.header_bytes:
        raise LimitError(f"the DICOMDIR has {size} bytes (limits.header_bytes)")
    stream = ByteStream(read_exactly(opened, 0, size), ended=True)
    return list(dict.fromkeys(finish(_file_ids(stream, limits))))


def resolve_file_id(root: str, file_id: str) -> str:
    """The path of a Referenced File ID below the folder of its DICOMDIR.

    Media are often mounted with names in small letters; the file may be called either.

    Raises:
        FetchError: It leads out of the folder, or there is no such file.
    """
    parts = [part.strip() for part in file_id.split("\\")]
    if any(part in {"", ".", ".."} or "/" in part or ":" in part or "\0" in part for part in parts):
        raise FetchError(f"the DICOMDIR refers to {file_id!r}, which does not stay in its folder")
    small = [part.lower() for part in parts]
    path = next((path for path in (Path(root, *names) for names in (parts, small)) if path.exists()), None)
    if path is None:
        raise FetchError(f"the DICOMDIR refers to {file_id!r}, and there is no such file in {root}")
    if os.path.commonpath([os.path.realpath(root), os.path.realpath(path)]) != os.path.realpath(root):
        raise FetchError(f"the DICOMDIR refers to {file_id!r}, which is a link that leads out of its folder")
    return str(path)


def _meta(stream: ByteStream) -> Generator[None, None, dict[int, bytes]]:
    """File meta information, explicit little endian always (PS3.10 section 7.1); values without their padding."""
    found: dict[int, bytes] = {}
    while stream.peek(2) == b"\2\0":
        header = yield from read_element_header(stream, EXPLICIT)
        yield from stream.need(header.length)
        found[header.tag] = stream.take(header.length).rstrip(b" \0")
    return found


def _file_ids(stream: ByteStream, limits: Limits) -> Generator[None, None, list[str]]:
    stream.skip(132)
    meta = yield from _meta(stream)
    explicit = looks_explicit(stream.peek(8))
    encoding = Encoding(not explicit, meta.get(_TRANSFER_SYNTAX) == _BIG_ENDIAN)
    records = (yield from read_kept(stream, encoding, {_RECORDS}, limits)).get(_RECORDS)
    if records is None:
        raise SplitError("the DICOMDIR has no directory records")
    file_ids = []
    spans = item_spans(records, limits)
    for begin, end in (spans[index] for index in range(len(spans))):
        item = ByteStream(records.value[begin:end], ended=True)
        item.elements = stream.elements  # all of them count together
        found = yield from read_kept(item, records.encoding, {_IN_USE, _FILE_ID}, limits)
        stream.elements = item.elements
        if _FILE_ID in found and not _is_out_of_use(found.get(_IN_USE)):
            file_ids.append(found[_FILE_ID].value.decode("latin-1").strip(" \0"))
    return file_ids


def _is_out_of_use(flag: Element | None) -> bool:
    """PS3.3 F.5: 0 is a record that is not used any more."""
    return flag is not None and not any(flag.value)
