"""DICOMweb addresses: which series an instance is of, and its SOP Instance UID (PS3.18 section 10.4.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cornerstream.images.image_id import ImageId


@dataclass(frozen=True, slots=True)
class InstanceAddress:
    """An instance as its address names it.

    Attributes:
        series: The address of its series, with the query of its own.
        sop_instance_uid: Its UID.
    """

    series: str
    sop_instance_uid: str


def instance_address(image_id: ImageId) -> InstanceAddress | None:
    """The instance of an image id whose address is `…/studies/{uid}/series/{uid}/instances/{uid}`; else `None`.

    >>> from cornerstream.images.image_id import ImageId
    >>> instance_address(ImageId.parse("wadors:https://pacs/studies/1/series/2/instances/3/frames/1?key=4"))
    InstanceAddress(series='https://pacs/studies/1/series/2?key=4', sop_instance_uid='3')
    """
    path, question, query = image_id.address.partition("?")
    parts = path.rstrip("/").rsplit("/", 6)
    if len(parts) < 7 or parts[1::2] != ["studies", "series", "instances"] or not parts[6]:
        return None
    return InstanceAddress(f"{'/'.join(parts[:5])}{question}{query}", parts[6])
