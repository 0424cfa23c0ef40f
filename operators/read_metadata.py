"""`read_metadata`: a WADO-RS metadata answer becomes the metadata of its instance (PS3.18 10.4.1.1.2, PS3.18 annex F)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.images.errors import ImageLoadError, SplitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.attributes import JsonAttributes, text
from cornerstream.operators.dicom_json import parse_instances
from cornerstream.operators.map_ordered import map_ordered
from cornerstream.operators.metadata import InstanceMetadata, read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reactivex import Observable

    from cornerstream.operators.protocols import Workers

_ROWS = "00280010"


def instances_of(body: bytes, limits: Limits = DEFAULT_LIMITS) -> dict[str, InstanceMetadata | ImageLoadError]:
    """Read the instances of a metadata answer that have images; others, such as structured reports, are left out.

    Args:
        body: DICOM JSON as it came.
        limits: Bounds its size and nesting, and what it says of the images.

    Returns:
        By SOP Instance UID: the metadata, or why they cannot be used.

    Raises:
        SplitError: It is no DICOM JSON.
        LimitError: It is too long or nested too deep.
    """
    return {
        text(JsonAttributes(item), "SOPInstanceUID"): _read(item, limits)
        for item in parse_instances(body, limits)
        if _ROWS in item
    }


def _read(item: Mapping[str, object], limits: Limits) -> InstanceMetadata | ImageLoadError:
    try:
        return read_json(item, None, limits)
    except ImageLoadError as error:
        return error


def instance_of(body: bytes, limits: Limits = DEFAULT_LIMITS) -> InstanceMetadata:
    """Read the answer about one instance.

    Raises:
        SplitError: It is no DICOM JSON, lacks what every image has, or is about no image, or about more than one.
        LimitError: It exceeds a limit.
    """
    images = [item for item in parse_instances(body, limits) if _ROWS in item]
    if len(images) != 1:
        raise SplitError(f"the metadata describe {len(images)} images where one instance was asked for")
    return read_json(images[0], None, limits)


def read_metadata(
    workers: Workers, limits: Limits = DEFAULT_LIMITS
) -> Callable[[Observable[bytes]], Observable[InstanceMetadata]]:
    """Read answers about one instance each.

    ::

        source   bytes────|
        result   ──────metadata|

    Order is the source's, one at a time on a worker; dispose drops what waits.

    Args:
        workers: Parse beside the loop.
        limits: Bounds of the answer.
    """
    return map_ordered(lambda body: workers.run(instance_of, body, limits), max_concurrent=1)
