"""The one tree of errors about an image.

::

    ImageLoadError
    ├── ImageIdError (ValueError)              the image id does not parse, or names a frame that is not there
    ├── UnknownSchemeError (LookupError)       no loader is registered for the scheme
    ├── FetchError (OSError)                   the bytes could not be had
    │   ├── HttpStatusError                    the server answered with another status than 200
    │   ├── TruncatedError                     the bytes ended before their framing said so
    │   └── LimitError                         a limit of `Limits` was reached
    ├── SplitError (ValueError)                the bytes came, and their framing contradicts itself
    ├── UnsupportedTransferSyntaxError         no decoder, or no transfer syntax named
    ├── DecodeError (ValueError)               the codestream contradicts its description, or the decoder refused it
    ├── GeometryError (ValueError)             the images do not lie in space as what is wanted of them needs
    └── ObserverError (RuntimeError)           a subscriber's own on_next raised; only that subscriber ends

Every error names its image id once a loader knows it, survives pickling (workers may be processes), and is raised
`from` its cause. Cancellation is not an error: a disposed load is silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from cornerstream.images.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cornerstream.images.image_id import ImageId

__all__ = [
    "DecodeError",
    "FetchError",
    "GeometryError",
    "HttpStatusError",
    "ImageIdError",
    "ImageLoadError",
    "LimitError",
    "ObserverError",
    "SplitError",
    "TruncatedError",
    "UnknownSchemeError",
    "UnsupportedTransferSyntaxError",
]


class ImageLoadError(Exception):
    """Root of every error about an image.

    Args:
        message: What went wrong and what to do about it.
        image_id: The image concerned; `None` where an operator is used alone and does not know it.
    """

    def __init__(self, message: str, *, image_id: ImageId | str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.image_id = image_id

    def __str__(self) -> str:
        return self.message if self.image_id is None else f"{redacted(str(self.image_id))}: {self.message}"

    def about(self, image_id: ImageId | str) -> Self:
        """Name the image concerned, unless it is named already; returns the same error."""
        if self.image_id is None:
            self.image_id = image_id
        return self


class ImageIdError(ImageLoadError, ValueError):
    """Raised when an image id does not parse, or names a frame that its file does not have."""


class UnknownSchemeError(ImageLoadError, LookupError):
    """Raised when no loader is registered for the scheme of an image id."""


class FetchError(ImageLoadError, OSError):
    """Raised when the bytes could not be had: no connection, a reset, a time-out, a file that cannot be read."""


class HttpStatusError(FetchError):
    """Raised when a server answers with a status that is not the one asked for.

    Args:
        message: What was asked and what came.
        image_id: The image concerned.
        status: The HTTP status code (RFC 9110).
        retry_after: Seconds that the server asks to wait, from its Retry-After field; `None` if it says nothing.
    """

    def __init__(
        self,
        message: str,
        *,
        image_id: ImageId | str | None = None,
        status: int = 0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, image_id=image_id)
        self.status = status
        self.retry_after = retry_after


class TruncatedError(FetchError):
    """Raised when bytes end before their own framing (length, boundary, delimiter) says so."""


class LimitError(FetchError):
    """Raised when a limit of `cornerstream.images.limits.Limits` is reached; the message names the limit."""


class SplitError(ImageLoadError, ValueError):
    """Raised when framing contradicts itself: offsets, fragments, parts, number of frames, frame lengths."""


class UnsupportedTransferSyntaxError(ImageLoadError):
    """Raised when a transfer syntax is unknown, not named, or has no decoder installed; says what to install.

    Args:
        message: The transfer syntax and what to do.
        image_id: The image concerned.
        transfer_syntax_uid: The transfer syntax, empty if none was named.
    """

    def __init__(self, message: str, *, image_id: ImageId | str | None = None, transfer_syntax_uid: str = "") -> None:
        super().__init__(message, image_id=image_id)
        self.transfer_syntax_uid = transfer_syntax_uid


class DecodeError(ImageLoadError, ValueError):
    """Raised when a codestream contradicts its description, is incomplete, or is refused by its decoder."""


class GeometryError(ImageLoadError, ValueError):
    """Raised when images do not lie in space as what is wanted of them needs: a series that is no volume, for one.

    Args:
        message: Where they lie and what to do.
        image_id: The image that was wanted.
        reason: One word for programs: `single`, `position`, `orientation`, `size`, `spacing`, `duplicate`, `missing`,
            `tilt`, `uneven` or `frame_of_reference`.
        image_ids: The images concerned.
    """

    def __init__(
        self,
        message: str,
        *,
        image_id: ImageId | str | None = None,
        reason: str = "",
        image_ids: Sequence[ImageId] = (),
    ) -> None:
        super().__init__(message, image_id=image_id)
        self.reason = reason
        self.image_ids = tuple(image_ids)


class ObserverError(ImageLoadError, RuntimeError):
    """Given to a subscriber's on_error when its own on_next raised; the cause is what it raised."""
