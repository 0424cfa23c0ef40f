"""Which of a client's Accept ranges a stored representation satisfies (RFC 9110 section 12.5.1, PS3.18 section 8.7)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.message import Message
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NATIVE = "1.2.840.10008.1.2.1"
_LIST = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')  # commas within quotes do not separate

_FRAME_TYPES = {
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.110": "image/jxl",
    "1.2.840.10008.1.2.4.111": "image/jxl",
    "1.2.840.10008.1.2.4.112": "image/jxl",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
}


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One element of an Accept field; parameters have lower-case names and no quotes."""

    media_type: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def quality(self) -> float:
        """The weight `q`; 0 refuses."""
        try:
            return float(self.parameters.get("q", "1"))
        except ValueError:
            return 0.0


def parse_accept(text: str) -> list[MediaRange]:
    """Read an Accept field, the best range first; an empty one accepts everything."""
    ranges = [_media_range(item) for item in _LIST.findall(text) if item.strip()]
    wanted = [one for one in ranges if one.quality > 0]
    return sorted(wanted, key=lambda one: -one.quality) if ranges else [MediaRange("*/*")]


def accepts_single(accept: str, *offers: str) -> str | None:
    """The offer that the client likes best, the first of equals; `None` if it likes none."""
    for wanted in parse_accept(accept):
        for offer in offers:
            if wanted.media_type in ("*/*", offer, offer.split("/")[0] + "/*"):
                return offer
    return None


def accepts_related(accept: str, part_type: str, transfer_syntax_uid: str) -> bool:
    """Whether multipart/related with such parts is acceptable.

    A range without a transfer syntax takes what is stored, but for octet streams, where it means native pixels
    (PS3.18 table 8.7.3-2). `transfer-syntax=*` takes anything, and then `application/octet-stream` any frame.
    """
    return any(_related(wanted, part_type, transfer_syntax_uid) for wanted in parse_accept(accept))


def frame_media_type(transfer_syntax_uid: str) -> str:
    """Media type of one frame in its stored transfer syntax (PS3.18 table 8.7.3-5)."""
    return _FRAME_TYPES.get(transfer_syntax_uid, "application/octet-stream")


def _related(wanted: MediaRange, part_type: str, transfer_syntax_uid: str) -> bool:
    if wanted.media_type == "*/*":
        return True
    if wanted.media_type not in ("multipart/related", "multipart/*"):
        return False
    inner = wanted.parameters.get("type", "*/*")
    syntax = wanted.parameters.get("transfer-syntax", "")
    if syntax not in ("", "*", transfer_syntax_uid):
        return False
    if inner in ("*/*", part_type):
        return bool(syntax) or inner != "application/octet-stream" or transfer_syntax_uid == _NATIVE
    return inner == "application/octet-stream" and part_type != "application/dicom" and bool(syntax)


def _media_range(text: str) -> MediaRange:
    header = Message()
    header["Content-Type"] = text.strip()
    (media_type, _), *parameters = header.get_params([("", "")])
    return MediaRange(media_type.lower(), {name.lower(): value for name, value in parameters})
