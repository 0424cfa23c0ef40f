"""Image ids: `scheme:address`, with a frame number that counts from 1.

An image id names one frame. `?frame=N` or `&frame=N` selects it (any scheme), or `/frames/N` at the end of the path of a
DICOMweb address (any scheme but those of whole files, where a folder may be called `frames`). Every other query part,
such as WADO-URI's `frameNumber`, belongs to the address; the address is kept to the letter, percent-encoding included.
A `data:` address is its data: it names a frame by a last `?frame=N` only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Self

from cornerstream.images.errors import ImageIdError
from cornerstream.images.redaction import redacted

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*\Z")  # RFC 3986, section 3.1
_WINDOWS_PATH = re.compile(r"[A-Za-z]:[/\\]")
_FRAMES_PATH = re.compile(r"/frames/([^/]*)/?\Z")
_PLAIN_FRAMES_PATH = re.compile(r"/frames/([0-9]+)/?\Z")  # of other schemes: `…/frames/a.png` is a file
_FILE_SCHEMES = frozenset({"dicomfile", "dicomweb", "file", "http", "https", "memory", "wadouri", "web"})
_DATA = "data"  # whose base64 may well end in /frames/1 (RFC 2397)
_DATA_SELECTOR = "?frame="
_MAX_FRAME_NUMBER = 2**31 - 1  # Number of Frames is an IS: PS3.5, table 6.2-1


@dataclass(frozen=True, slots=True, eq=False)
class ImageId:
    """One frame of one resource.

    Two ids are equal when they name the same frame of the same address, however it was written: in the path, in the
    query or, for the first, not at all. `str` gives the text back as it was parsed.

    Attributes:
        scheme: Lower-case scheme that chooses the loader, such as `wadors`.
        address: What the loader fetches, without the frame selector.
        frame_number: Counts from 1; `None` when the id names no frame, which means the first.
        in_path: The frame is written as `/frames/N`.
        text: The image id as it was parsed; empty when it was made of its parts.

    >>> ImageId.parse("wadouri:https://pacs/wado?objectUID=1.2&frame=3&contentType=application%2Fdicom")
    ImageId(scheme='wadouri', address='https://pacs/wado?objectUID=1.2&contentType=application%2Fdicom', frame_number=3)
    """

    scheme: str
    address: str
    frame_number: int | None = None
    in_path: bool = field(default=False, repr=False)
    text: str = field(default="", repr=False)
    _hash: int = field(
        default=0, init=False, repr=False
    )  # every table of a session asks for it, several times an image

    def __post_init__(self) -> None:
        if not _SCHEME.match(self.scheme):
            raise ImageIdError(f"not a URL scheme: {self.scheme!r}; an image id reads scheme:address")
        object.__setattr__(self, "scheme", self.scheme.lower())
        if not self.address:
            raise ImageIdError(f"no address; an image id reads {self.scheme}:address", image_id=self.text or None)
        if _take_selectors(self.scheme, self.address)[1]:
            raise ImageIdError("the address itself names a frame; use ImageId.parse", image_id=str(self))
        if self.frame_number is not None:
            _checked(self.frame_number, str(self))
        object.__setattr__(self, "_hash", hash(self._key))

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        # Another process hashes text differently, so that the hash must not travel.
        return type(self), (self.scheme, self.address, self.frame_number, self.in_path, self.text)

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, ImageId) else NotImplemented

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        return self.text or f"{self.scheme}:{self._selected_address()}"

    def __repr__(self) -> str:
        shown = redacted(f"{self.scheme}:{self.address}").partition(":")[2]
        return f"{type(self).__name__}(scheme={self.scheme!r}, address={shown!r}, frame_number={self.frame_number})"

    @property
    def shown(self) -> str:
        """As it may stand in a message: without credentials, and without the data of a `data:` URL."""
        return redacted(str(self))

    @classmethod
    def parse(cls, text: str | ImageId) -> ImageId:
        """Read an image id.

        Args:
            text: `scheme:address`; an `ImageId` is returned as it is.

        Raises:
            ImageIdError: There is no scheme or no address, the frame number is not a number from 1, or there are two.
        """
        if isinstance(text, ImageId):
            return text
        scheme, colon, address = text.partition(":")
        if not colon or not address or not _SCHEME.match(scheme):
            raise ImageIdError("not an image id: it reads scheme:address, as in wadouri:https://…", image_id=text)
        if _WINDOWS_PATH.match(text):
            raise ImageIdError("a Windows path is no image id; write dicomfile: in front of it", image_id=text)
        address, selectors, in_path = _take_selectors(scheme.lower(), address)
        if len(selectors) > 1:
            raise ImageIdError(f"names more than one frame: {', '.join(selectors)[:80]}", image_id=text)
        number = _number(selectors[0], text) if selectors else None
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
        """The id of another frame of the same resource; this one, where it is that of the frame and was not parsed."""
        if frame_number == self.frame_number and not self.text:
            return self
        return replace(self, frame_number=frame_number, text="")

    @property
    def _key(self) -> tuple[str, str, int]:
        return self.scheme, self.address, self.number

    def _selected_address(self) -> str:
        if self.frame_number is None:
            return self.address
        if self.scheme == _DATA:
            return f"{self.address}{_DATA_SELECTOR}{self.frame_number}"
        path, question, query = self.address.partition("?")
        if self.in_path and self.scheme not in _FILE_SCHEMES:
            return f"{path}/frames/{self.frame_number}{question}{query}"
        return f"{self.address}{'&' if question else '?'}frame={self.frame_number}"


def _take_selectors(scheme: str, address: str) -> tuple[str, list[str], bool]:
    """Take the frame selectors out of an address: (address without them, what they say, is one in the path)."""
    if scheme == _DATA:
        data, *selectors = address.split(_DATA_SELECTOR)
        return data, selectors, False
    path, question, query = address.partition("?")
    pattern = _FRAMES_PATH if scheme == "wadors" else _PLAIN_FRAMES_PATH
    in_path = None if scheme in _FILE_SCHEMES else pattern.search(path)
    selectors = [in_path[1]] if in_path else []
    if in_path:
        path = path[: in_path.start()]
    parts = query.split("&") if question else []
    selectors += [part.removeprefix("frame=") for part in parts if part.startswith("frame=")]
    kept = [part for part in parts if not part.startswith("frame=")]
    return path + ("?" + "&".join(kept) if kept else ""), selectors, bool(in_path)


def _number(digits: str, text: str) -> int:
    if not (digits.isascii() and digits.isdigit()):
        raise ImageIdError(
            f"not a frame number: {digits[:40]!r}; an image id names one frame, and frames count from 1", image_id=text
        )
    return _checked(int(digits.lstrip("0")[:20] or "0"), text)


def _checked(number: int, text: str) -> int:
    if not 1 <= number <= _MAX_FRAME_NUMBER:
        raise ImageIdError(f"frame number {number} is out of range; frames count from 1", image_id=text)
    return number
