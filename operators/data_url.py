"""`data:` URLs (RFC 2397): a media type and bytes, in base64 or percent-encoded."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from cornerstream.images.errors import ImageIdError, LimitError
from cornerstream.operators.held_bytes import HeldBytes
from cornerstream.operators.held_frame import open_held

if TYPE_CHECKING:
    from cornerstream.images.limits import Limits
    from cornerstream.operators.held_frame import HeldFile

_BASE64 = re.compile(r";\s*base64\s*\Z", re.IGNORECASE)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SPACE = b" \t\n\f\r"
_LINES = str.maketrans("", "", "\t\n\r")  # which URLs lose on the way (URL Standard, section 4.4)


@dataclass(frozen=True, slots=True)
class DataUrl:
    """What a `data:` URL says.

    Attributes:
        content_type: As it is written; empty where it is left out, which RFC 2397 calls text and nobody means.
        data: The bytes.
    """

    content_type: str
    data: bytes = field(repr=False)


def parse_data_url(address: str, limits: Limits) -> DataUrl:
    """Read a `data:` URL.

    White space in base64 is passed over, and its padding may be missing (as the URL Standard has it); nothing else is.

    Args:
        address: What follows `data:`.
        limits: `response_bytes` bounds the bytes.

    Raises:
        ImageIdError: It is none: no comma, or what follows is not base64, or not percent-encoded.
        LimitError: It holds more bytes than the limit.

    >>> from cornerstream.images.limits import DEFAULT_LIMITS
    >>> parse_data_url("image/png;base64,aGk=", DEFAULT_LIMITS).data
    b'hi'
    """
    head, comma, text = address.partition(",")
    if not comma:
        raise ImageIdError("a data: URL reads data:[media type][;base64],data; there is no comma")
    base64 = _BASE64.search(head)
    media_type = (head[: base64.start()] if base64 else head).strip()
    data = _unescaped(text, limits) if base64 is None or "%" in text else text
    return DataUrl("" if media_type.startswith(";") else media_type, _decoded(data, limits) if base64 else _plain(data))


def open_data_url(address: str, limits: Limits) -> HeldFile:
    """Read a `data:` URL and open the file it holds.

    Raises:
        ImageLoadError: As `parse_data_url` and `open_held`.
    """
    url = parse_data_url(address, limits)
    return open_held(HeldBytes("the data: URL", url.data), url.content_type, limits)


def _unescaped(text: str, limits: Limits) -> bytes:
    if "#" in text:
        raise ImageIdError("the data of a data: URL has a #; write it as %23")
    bad = _BAD_ESCAPE.search(text)
    if bad:
        raise ImageIdError(f"the data of a data: URL is not percent-encoded: {text[bad.start() : bad.start() + 3]!r}")
    text = text.translate(_LINES)
    _check_size(len(text) - 2 * text.count("%"), limits)
    return unquote_to_bytes(text)


def _decoded(data: bytes | str, limits: Limits) -> bytes:
    try:
        letters = (data.encode("ascii") if isinstance(data, str) else data).translate(None, _SPACE)
    except UnicodeEncodeError as error:
        raise ImageIdError(f"the data of a data: URL is not base64: it has a {data[error.start]!r}") from error
    _check_size(len(letters) * 3 // 4, limits)
    if b"=" not in letters:
        letters += b"=" * (-len(letters) % 4)
    try:
        return binascii.a2b_base64(letters, strict_mode=True)
    except binascii.Error as error:
        hint = "; - and _ are those of base64url: write + and /" if re.search(b"[-_]", letters) else ""
        raise ImageIdError(f"the data of a data: URL is not base64: {error}{hint}") from error


def _plain(data: bytes | str) -> bytes:
    return data if isinstance(data, bytes) else data.encode()


def _check_size(size: int, limits: Limits) -> None:
    if size > limits.response_bytes:
        raise LimitError(f"a data: URL of {size} bytes is above the limit response_bytes={limits.response_bytes}")
