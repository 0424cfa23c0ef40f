"""Content-Type fields (RFC 9110, section 8.3): media type and parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cornerstream.images.errors import SplitError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word, no secret
_MEDIA_TYPE = re.compile(rf"\s*({_TOKEN}/{_TOKEN})\s*")
# Servers leave boundaries such as ----=_Part_1 unquoted; a value without quotes reaches to the next semicolon. White space
# is given back to nobody (`*+`): it would be divided between its two neighbours in every way there is.
_PARAMETER = re.compile(rf';\s*+(?:({_TOKEN})\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"\s*+|([^;"]*+)))?(?=;|\Z)', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ContentType:
    """A Content-Type field.

    Attributes:
        media_type: Type and subtype in lower case, such as `image/jp2`.
        parameters: Values by lower-case name, quotes removed.
    """

    media_type: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_content_type(text: str) -> ContentType:
    r"""Read a Content-Type field.

    Raises:
        SplitError: It is empty or malformed, or gives one parameter two values.

    >>> parse_content_type('image/jp2; transfer-syntax="1.2.840.10008.1.2.4.90"').parameters
    {'transfer-syntax': '1.2.840.10008.1.2.4.90'}
    """
    head = _MEDIA_TYPE.match(text)
    if head is None:
        raise SplitError(f"not a Content-Type: {text[:80]!r}" if text.strip() else "there is no Content-Type")
    return ContentType(head[1].lower(), _parameters(text, head.end()))


def media_type(text: str) -> str:
    """Type and subtype of a Content-Type field, in lower case.

    Raises:
        SplitError: It is empty or malformed.
    """
    return parse_content_type(text).media_type


def _parameters(text: str, start: int) -> dict[str, str]:
    found: dict[str, str] = {}
    while start < len(text):
        match = _PARAMETER.match(text, start)
        if match is None:
            raise SplitError(f"malformed parameters of a Content-Type: {text[:200]!r}")
        start = match.end()
        if match[1] is None:  # an empty parameter, as in "image/jp2;"
            continue
        value = match[3].strip() if match[2] is None else _QUOTED_PAIR.sub(r"\1", match[2])
        if found.setdefault(match[1].lower(), value) != value:
            raise SplitError(f"a Content-Type gives {match[1].lower()} twice: {text[:200]!r}")
    return found
