"""`read_metadata`: a WADO-RS metadata answer becomes the metadata of its instance (PS3.18 10.4.1.1.2, PS3.18 annex F)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.images.errors import SplitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.dicom_json import parse_instances
from cornerstream.operators.map_ordered import map_ordered
from cornerstream.operators.metadata import InstanceMetadata, read_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable

    from cornerstream.operators.protocols import Workers

_ROWS = "00280010"


def instances_of(body: bytes, limits: Limits = DEFAULT_LIMITS) -> list[InstanceMetadata]:
    """Read the instances of a metadata answer that have images; others, such as structured reports, are left out.

    Args:
        body: DICOM JSON as it came.
        limits: Bounds its size and nesting, and what it says of the images.

    Raises:
        SplitError: It is no DICOM JSON, or an image lacks what every image has.
        LimitError: It exceeds a limit.
    """
    return [read_json(item, None, limits) for item in parse_instances(body, limits) if _ROWS in item]


def instance_of(body: bytes, limits: Limits = DEFAULT_LIMITS) -> InstanceMetadata:
    """Read the answer about one instance.

    Raises:
        SplitError: As `instances_of`; or the answer is about no image, or about more than one.
        LimitError: As `instances_of`.
    """
    instances = instances_of(body, limits)
    if len(instances) != 1:
        raise SplitError(f"the metadata describe {len(instances)} images where one instance was asked for")
    return instances[0]


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
