"""Image ids: `scheme:address`, with a frame number that counts from 1.

An image id names one frame. `?frame=N` or `&frame=N` selects it (any scheme), or `/frames/N` at the end of a
DICOMweb address; every other query part belongs to the address and is kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Self

from cornerstream.images.errors import ImageIdError

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*\Z")  # RFC 3986, section 3.1
_FRAMES_PATH = re.compile(r"/frames/([^/?#]*)(?=\Z|\?)")
_MAX_FRAME_NUMBER = 2**31 - 1  # Number of Frames is an IS: PS3.5, table 6.2-1


@dataclass(frozen=True, slots=True)
class ImageId:
    """One frame of one resource.

    Two ids are equal when they name the same frame, however it was written; `str` gives the text back as it was parsed.

    Attributes:
        scheme: Lower-case scheme that chooses the loader, such as `wadors`.
        address: What the loader fetches, without the frame selector.
        frame_number: Counts from 1; `None` when the id names no frame, which means the first.
        in_path: The frame was written as `/frames/N`.

    >>> ImageId.parse("wadouri:https://pacs/wado?objectUID=1.2&frame=3&contentType=application%2Fdicom")
    ImageId(scheme='wadouri', address='https://pacs/wado?objectUID=1.2&contentType=application%2Fdicom', frame_number=3)
    """

    scheme: str
    address: str
    frame_number: int | None = None
    in_path: bool = field(default=False, repr=False, compare=False)
    text: str = field(default="", repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _SCHEME.match(self.scheme):
            raise ImageIdError(f"not a URL scheme: {self.scheme!r}; an image id reads scheme:address")
        object.__setattr__(self, "scheme", self.scheme.lower())
        if self.frame_number is not None:
            _checked(self.frame_number, str(self))

    def __str__(self) -> str:
        return self.text or f"{self.scheme}:{self._selected_address()}"

    @classmethod
    def parse(cls, text: str | ImageId) -> ImageId:
        """Read an image id.

        Args:
            text: `scheme:address`; an `ImageId` is returned as it is.

        Raises:
            ImageIdError: There is no scheme or no address, or the frame number is not a number from 1.
        """
        if isinstance(text, ImageId):
            return text
        scheme, colon, address = text.partition(":")
        if not colon or not address or not _SCHEME.match(scheme):
            raise ImageIdError("not an image id: it reads scheme:address, as in wadouri:https://…", image_id=text)
        address, number, in_path = _take_frame(address, text)
        return cls(scheme, address, number, in_path, text)

    @property
    def number(self) -> int:
        """The frame number, from 1; an id without one means the first frame."""
        return self.frame_number or 1

    @property
    def frame_index(self) -> int:
        """The frame's index, from 0."""
        return self.number - 1

    def with_frame(self, frame_number: int) -> Self:
        """The id of another frame of the same resource."""
        return replace(self, frame_number=frame_number, text="")

    def _selected_address(self) -> str:
        if self.frame_number is None:
            return self.address
        if self.in_path:
            path, question, query = self.address.partition("?")
            return f"{path}/frames/{self.frame_number}{question}{query}"
        joint = "&" if "?" in self.address else "?"
        return f"{self.address}{joint}frame={self.frame_number}"


def _take_frame(address: str, text: str) -> tuple[str, int | None, bool]:
    """Take the frame selector out of an address: (address without it, frame number, was it in the path)."""
    path, question, query = address.partition("?")
    parts = query.split("&") if question else []
    selectors = [part for part in parts if part.startswith("frame=")]
    in_path = _FRAMES_PATH.search(path)
    if len(selectors) + bool(in_path) > 1:
        raise ImageIdError("names more than one frame", image_id=text)
    if in_path:
        rest = path[: in_path.start()] + question + query
        return rest, _number(in_path[1], text), True
    if selectors:
        kept = "&".join(part for part in parts if not part.startswith("frame="))
        return (f"{path}?{kept}" if kept else path), _number(selectors[0].removeprefix("frame="), text), False
    return address, None, False


def _number(digits: str, text: str) -> int:
    if not (digits.isascii() and digits.isdigit()):
        raise ImageIdError(f"not a frame number: {digits!r}; frames count from 1", image_id=text)
    return _checked(int(digits[:20]), text)


def _checked(number: int, text: str) -> int:
    if not 1 <= number <= _MAX_FRAME_NUMBER:
        raise ImageIdError(f"frame number {number} is out of range; frames count from 1", image_id=text)
    return number
