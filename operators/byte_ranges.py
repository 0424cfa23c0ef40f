"""Byte ranges of HTTP (RFC 9110 section 14): what is asked for, and what an answer must say to be believed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from cornerstream.images.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cornerstream.operators.protocols import HttpResponse

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})\Z", re.IGNORECASE)
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"\Z')
_PARTIAL = 206


class RangeRefusedError(FetchError):
    """A file cannot be had by ranges, or not any more; it is read whole instead, and nobody else hears of this.

    Args:
        message: Why.
        lasting: It is the server's way, not this file's state.
    """

    def __init__(self, message: str, *, lasting: bool) -> None:
        super().__init__(message)
        self.lasting = lasting


class WholeFileWantedError(RangeRefusedError):
    """Nothing is wrong: the file is wanted from its beginning."""

    def __init__(self) -> None:
        super().__init__("the whole file is wanted", lasting=False)


@dataclass(frozen=True, slots=True)
class RemoteVersion:
    """What all ranges of one file must have in common.

    Attributes:
        total: Bytes of the whole file.
        validator: A strong one: an entity tag, or a Last-Modified that is old enough; the value of If-Range.
    """

    total: int
    validator: str


def range_field(wanted: range) -> str:
    """The Range field that asks for these bytes.

    >>> range_field(range(0, 500))
    'bytes=0-499'
    """
    return f"bytes={wanted.start}-{wanted.stop - 1}"


def parse_content_range(text: str | None) -> tuple[range, int] | None:
    """The bytes that a Content-Range field names, and the length of the whole; `None` if it does not say both.

    >>> parse_content_range("bytes 42-1233/1234")
    (range(42, 1234), 1234)
    """
    match = _CONTENT_RANGE.match((text or "").strip())
    if match is None:
        return None
    first, last, total = map(int, match.groups())
    return (range(first, last + 1), total) if first <= last < total else None


def version_of_answer(fields: Mapping[str, str], total: int) -> RemoteVersion | None:
    """The version of a file that an answer tells of; `None` without a strong validator (RFC 9110, section 13.1.5)."""
    etag, modified = fields.get("ETag", "").strip(), fields.get("Last-Modified", "").strip()
    if _STRONG_ETAG.match(etag):
        return RemoteVersion(total, etag)
    # A date is strong if the file did not change in the second in which it was sent (section 8.8.2.2).
    if not etag and _seconds_between(modified, fields.get("Date")) >= 1:
        return RemoteVersion(total, modified)
    return None


def is_partial(response: HttpResponse) -> bool:
    """The response is part of a file; that of a transport that knows nothing of ranges is always the whole."""
    return getattr(response, "status", 200) == _PARTIAL


def check_partial(response: HttpResponse, asked: range, version: RemoteVersion | None = None) -> RemoteVersion:
    """Believe a 206 only if it is exactly what was asked for, of the file as it was before.

    Args:
        response: Its header.
        asked: The range that was asked for; it may end behind the file's end.
        version: Of the answers before; `None` for the first one.

    Raises:
        RangeRefusedError: It is something else.
    """
    fields = response.headers
    if fields.get("Content-Type", "").strip().lower().startswith("multipart/byteranges"):
        raise RangeRefusedError("the server sends several parts where one range was asked for", lasting=True)
    if fields.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise RangeRefusedError("the server sends a range of a coded file", lasting=True)
    found = parse_content_range(fields.get("Content-Range"))
    if found is None:
        raise RangeRefusedError("the server does not say which range it sends, and of how many bytes", lasting=True)
    sent, total = found
    current = version_of_answer(fields, total)
    if current is None:
        raise RangeRefusedError("the server does not tell versions of a file apart", lasting=True)
    if version is not None and current != version:
        raise RangeRefusedError("the file has changed since its header was read", lasting=False)
    if sent != range(asked.start, min(asked.stop, total)) or response.content_length not in {None, len(sent)}:
        raise RangeRefusedError("the server sends another range than was asked for", lasting=True)
    return current


def _seconds_between(modified: str, date: str | None) -> float:
    try:
        return (parsedate_to_datetime(date or "") - parsedate_to_datetime(modified)).total_seconds()
    except (ValueError, TypeError):  # no dates, or one of them without its zone
        return 0.0
