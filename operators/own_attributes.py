"""What is an instance's own among others of its series; nothing else that is read depends on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cornerstream.operators.attributes import integer, text, vector
from cornerstream.operators.keywords import ATTRIBUTES
from cornerstream.operators.metadata import read_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from cornerstream.operators.attributes import Attributes


def read_own(attributes: Attributes, tags: Collection[int] | None = None) -> dict[str, Any]:
    """What is an instance's own, as `FrameMetadata` has it.

    Args:
        attributes: Of the instance.
        tags: Those that may differ from what is known already; what none of these says is left out.
    """
    found: dict[str, Any] = {}
    for own, read in _OWN.items():
        if tags is None or not own.isdisjoint(tags):
            found |= read(attributes)
    return found


def _tags(*keywords: str) -> frozenset[int]:
    return frozenset(ATTRIBUTES[keyword][0] for keyword in keywords)


_OWN: Mapping[frozenset[int], Callable[[Attributes], dict[str, Any]]] = {
    _tags("SOPInstanceUID"): lambda own: {"sop_instance_uid": text(own, "SOPInstanceUID")},
    _tags("InstanceNumber"): lambda own: {"instance_number": integer(own, "InstanceNumber")},
    _tags("ImagePositionPatient"): lambda own: {"image_position_patient": vector(own, "ImagePositionPatient", 3)},
    _tags("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction"): read_windows,
}
OWN_TAGS = frozenset[int]().union(*_OWN)
