"""Addresses as they may be shown: without the credentials that some people write into them."""

from __future__ import annotations

import re

_USER_INFORMATION = re.compile(r"(?<=//)[^/?#\s]*@")  # RFC 3986, section 3.2.1
_SECRET = "token|key|secret|passw|pwd|auth|sig|credential|session|ticket|jwt|code"  # noqa: S105 - names, not values
# Up to the first such word of a name there is one way to match only: a stranger's URL may be a megabyte of "token".
_SECRET_VALUE = re.compile(rf"(?i)(?<=[?&;])((?:(?!{_SECRET})[^=&#\s?;])*(?:{_SECRET})[^=&#\s?;]*=)[^&#\s]*")


def redacted(text: str) -> str:
    """A URL or an image id without user information, and without the values of query parameters that sound secret.

    >>> redacted("wadouri:https://me:pw@pacs/wado?objectUID=1.2&access_token=abc&frame=3")
    'wadouri:https://pacs/wado?objectUID=1.2&access_token=…&frame=3'
    """
    return _SECRET_VALUE.sub(r"\1…", _USER_INFORMATION.sub("", text))
