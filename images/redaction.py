"""Addresses as they may be shown: without the credentials that some people write into them, and not endless."""

from __future__ import annotations

import re

_USER_INFORMATION = re.compile(r"(?<=//)[^/?#\s]*@")  # RFC 3986, section 3.2.1
_SECRET = "token|key|secret|passw|pwd|auth|sig|credential|session|ticket|jwt|code"  # noqa: S105 - names, not values
# Up to the first such word of a name there is one way to match only: a stranger's URL may be a megabyte of "token".
_SECRET_VALUE = re.compile(rf"(?i)(?<=[?&;])((?:(?!{_SECRET})[^=&#\s?;])*(?:{_SECRET})[^=&#\s?;]*=)[^&#\s]*")
# Of an image id inside that of a derived image, where & is percent-encoded, once or twice.
_SECRET_INSIDE = re.compile(rf"(?i)(%(?:25)?26(?:(?!{_SECRET})[^=&#\s?;%])*(?:{_SECRET})[^=&#\s?;%]*=)[^&#\s]*")
_MOST_CHARACTERS = 2000
_MOST_OF_DATA = 100


def redacted(text: str) -> str:
    """A URL or an image id without user information, and without the values of query parameters that sound secret.

    Of a `data:` URL, which is somebody's image, only what stands before the data; of any other at most 2,000 characters.

    >>> redacted("wadouri:https://me:pw@pacs/wado?objectUID=1.2&access_token=abc&frame=3")
    'wadouri:https://pacs/wado?objectUID=1.2&access_token=…&frame=3'
    >>> redacted("data:image/png;base64,iVBORw0KGgo=")
    'data:image/png;base64,… (34 characters)'
    """
    if text[:5].lower() == "data:":
        return f"{text[: text.find(',', 0, _MOST_OF_DATA) + 1] or 'data:'}… ({len(text):,} characters)"
    shown = _SECRET_VALUE.sub(r"\1…", _SECRET_INSIDE.sub(r"\1…", _USER_INFORMATION.sub("", text)))
    return shown if len(shown) <= _MOST_CHARACTERS else f"{shown[:_MOST_CHARACTERS]}… ({len(text):,} characters)"
