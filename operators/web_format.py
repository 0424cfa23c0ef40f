"""Which format a file from the web has: by its bytes, never by its name; its Content-Type may not contradict them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cornerstream.images.errors import SplitError, TruncatedError
from cornerstream.operators.media_types import media_type
from cornerstream.operators.web_jp2 import J2K_SIGNATURE, JP2_SIGNATURE, open_jp2
from cornerstream.operators.web_jpeg import SIGNATURE as JPEG
from cornerstream.operators.web_jpeg import open_jpeg
from cornerstream.operators.web_pillow import BMP_SIGNATURE, GIF_SIGNATURES, open_bmp, open_gif
from cornerstream.operators.web_png import open_png
from cornerstream.operators.web_png_chunks import SIGNATURE as PNG
from cornerstream.operators.web_tiff import open_tiff
from cornerstream.operators.web_tiff_directory import SIGNATURES as TIFF
from cornerstream.operators.web_webp import SIGNATURE as WEBP
from cornerstream.operators.web_webp import open_webp

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerstream.images.limits import Limits
    from cornerstream.operators.web_page import WebPage


@dataclass(frozen=True, slots=True)
class WebFormat:
    """A format that is decoded.

    Attributes:
        name: As people call it.
        signatures: What its files begin with; `?` stands for any byte.
        media_types: The Content-Types it goes by.
        open: Proves a file complete and describes its pages.
    """

    name: str
    signatures: tuple[bytes, ...]
    media_types: frozenset[str]
    open: Callable[[bytes, Limits], tuple[WebPage, ...]]


FORMATS: tuple[WebFormat, ...] = (
    WebFormat("PNG", (PNG,), frozenset({"image/png", "image/apng", "image/x-png", "image/vnd.mozilla.apng"}), open_png),
    WebFormat("JPEG", (JPEG,), frozenset({"image/jpeg", "image/jpg", "image/pjpeg"}), open_jpeg),
    WebFormat(
        "JPEG 2000",
        (JP2_SIGNATURE, J2K_SIGNATURE),
        frozenset({"image/jp2", "image/jpx", "image/j2k", "image/j2c", "image/jpeg2000", "image/x-jp2", "image/x-j2k"}),
        open_jp2,
    ),
    WebFormat("TIFF", TIFF, frozenset({"image/tiff", "image/tif", "image/x-tiff", "image/tiff-fx"}), open_tiff),
    WebFormat("WebP", (WEBP,), frozenset({"image/webp"}), open_webp),
    WebFormat("GIF", GIF_SIGNATURES, frozenset({"image/gif"}), open_gif),
    WebFormat(
        "BMP", (BMP_SIGNATURE,), frozenset({"image/bmp", "image/x-bmp", "image/x-ms-bmp", "image/dib"}), open_bmp
    ),
)
"""What is decoded; a signature of one is never the beginning of another's."""

# Types that say nothing about what they are put on (RFC 2046, section 4.5.1, and what servers write in its place).
_SAY_NOTHING = frozenset(
    {
        "application/octet-stream",
        "application/binary",
        "application/download",
        "application/force-download",
        "application/unknown",
        "application/x-download",
        "binary/octet-stream",
        "unknown/unknown",
    }
)
_DICOM = "these bytes are DICOM, no web image: put wadouri: in front of the URL, or dicomfile: in front of the path"


def sniff(body: bytes, content_type: str = "") -> WebFormat:
    """The format of a file.

    Args:
        body: Its bytes.
        content_type: Content-Type it came with; empty if it came with none.

    Raises:
        TruncatedError: There is not even a signature.
        SplitError: It is of no format that is decoded, or its Content-Type says another one.
    """
    if body[128:132] == b"DICM":
        raise SplitError(_DICOM)
    found = next((known for known in FORMATS if any(_begins(body, mark) for mark in known.signatures)), None)
    if found is None:
        if any(mark.startswith(body) for known in FORMATS for mark in known.signatures):
            raise TruncatedError(f"the file ends after {len(body)} bytes, within its signature")
        raise SplitError(_unknown(body, content_type))
    said = media_type(content_type) if content_type.strip() else ""
    if said and said not in found.media_types and said not in _SAY_NOTHING:
        raise SplitError(f"the Content-Type says {said}, the bytes are {found.name}: one of them is wrong")
    return found


def is_picture(head: bytes) -> bool:
    """The first 132 bytes of a file, or all it has, begin a picture; a DICOM file whose preamble does is none."""
    return head[128:132] != b"DICM" and any(_begins(head, mark) for known in FORMATS for mark in known.signatures)


def _begins(body: bytes, mark: bytes) -> bool:
    """`?` (0x3F) in a signature stands for any byte."""
    return len(body) >= len(mark) and all(want in (0x3F, have) for want, have in zip(mark, body, strict=False))


def _unknown(body: bytes, content_type: str) -> str:
    known = ", ".join(one.name for one in FORMATS)
    said = f" (Content-Type {content_type.strip()[:80]!r})" if content_type.strip() else ""
    return f"no picture that is decoded here ({known}): the bytes begin with {body[:16]!r}{said}"
