"""Where an image id of a web image points: at a URL, or at a local file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cornerstream.images.errors import ImageIdError
from cornerstream.operators.local_file import path_of

if TYPE_CHECKING:
    from cornerstream.images.image_id import ImageId

_PREFIX = "web"


@dataclass(frozen=True, slots=True)
class WebAddress:
    """Where a picture is: one of the two.

    Attributes:
        url: Absolute http or https URL.
        path: Absolute path of a local file.
    """

    url: str = ""
    path: str = ""


def web_address(image_id: ImageId) -> WebAddress:
    """The URL or the path that an image id means.

    `http:`, `https:` and `file:` ids are URLs themselves; behind `web:` stands one of those, or a path.

    Raises:
        ImageIdError: It is no absolute URL of these schemes, or a file URL that means no local file.

    >>> from cornerstream.images.image_id import ImageId
    >>> web_address(ImageId.parse("https://host/a.png?size=2&frame=3")).url
    'https://host/a.png?size=2'
    >>> web_address(ImageId.parse("web:/pictures/a.png")).path
    '/pictures/a.png'
    """
    text = image_id.address if image_id.scheme == _PREFIX else f"{image_id.scheme}:{image_id.address}"
    scheme, colon, rest = text.partition(":")
    if colon and scheme.lower() in ("http", "https"):
        if not rest.startswith("//") or not urlsplit(text).netloc:
            raise ImageIdError(f"not a URL: one reads {scheme}://host/path", image_id=image_id)
        return WebAddress(url=text)
    if colon and scheme.lower() != "file" and rest.startswith("//"):
        raise ImageIdError(f"no picture is fetched from {scheme}: URLs; http, https and file are", image_id=image_id)
    try:
        return WebAddress(path=path_of(text))
    except ImageIdError as error:
        error.about(image_id)
        raise
