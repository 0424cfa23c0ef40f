"""Image ids of images that are computed from others pixel by pixel: `derived:` and all that says how.

`derived:difference?image=dicomfile:/a.dcm&image=wadouri:https://pacs/wado?objectUID=1.2%26frame=3` is the first minus the
second. In the image ids in it `&`, `#` and `%` are percent-encoded, so that they may be those of derived images as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import quote, unquote

from cornerstream.images.errors import ImageIdError
from cornerstream.images.image_id import ImageId

Operation = Literal["difference", "average", "fusion"]
OPERATIONS: tuple[str, ...] = get_args(Operation)
MOST_IMAGES = 64
_AS_IT_STANDS = "/:?@=,;+!$'()*[]|"


@dataclass(frozen=True, slots=True)
class DerivedAddress:
    """What the image id of a derived image says.

    Attributes:
        operation: How it is computed.
        image_ids: From which images.
        opacity: Of the second image in a fusion.

    Raises:
        ValueError: There is no such operation, or it takes another number of images, or the opacity is not 0 to 1.
    """

    operation: Operation
    image_ids: tuple[ImageId, ...]
    opacity: float = 0.5

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise ValueError(f"{self.operation!r} is none of {', '.join(OPERATIONS)}")
        most = MOST_IMAGES if self.operation == "average" else 2
        if not 2 <= len(self.image_ids) <= most:
            raise ValueError(
                f"{self.operation} takes 2{'' if most == 2 else f' to {most}'} images, not {len(self.image_ids)}"
            )
        if not 0 <= self.opacity <= 1:
            raise ValueError(f"opacity is 0 to 1, not {self.opacity}")

    @classmethod
    def of(cls, image_id: ImageId) -> DerivedAddress:
        """Read an image id.

        Raises:
            ImageIdError: It is none of a derived image.
        """
        operation, _, query = image_id.address.partition("?")
        try:
            address = cls(operation, *_parts(query))  # type: ignore[arg-type]  # it refuses others itself
        except ValueError as error:
            raise ImageIdError(
                f"not the image id of a derived image: {error}; Session.derive makes them", image_id=image_id
            ) from error
        if image_id.number != 1:
            raise ImageIdError("a derived image has one frame", image_id=image_id)
        return address

    @property
    def image_id(self) -> ImageId:
        """The image id."""
        parts = [f"image={quote(str(one), safe=_AS_IT_STANDS)}" for one in self.image_ids]
        if self.operation == "fusion":
            parts.append(f"opacity={self.opacity:g}")
        return ImageId("derived", f"{self.operation}?{'&'.join(parts)}")


def _parts(query: str) -> tuple[tuple[ImageId, ...], float]:
    images: list[ImageId] = []
    opacities: list[float] = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name == "image":
            images.append(ImageId.parse(unquote(value)))
        elif name == "opacity" and not opacities:
            opacities.append(float(value))
        else:
            raise ValueError(f"{name!r} is twice there, or not known")
    return tuple(images), opacities[0] if opacities else 0.5
