"""`read_metadata`: a WADO-RS metadata answer becomes the metadata of its instance (PS3.18 10.4.1.1.2, PS3.18 annex F)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cornerstream.images.errors import ImageLoadError, SplitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.attributes import JsonAttributes, text
from cornerstream.operators.bulk_data import fetch_tables, table_references
from cornerstream.operators.dicom_json import parse_instances
from cornerstream.operators.fetch import Body, read_whole
from cornerstream.operators.map_ordered import map_ordered
from cornerstream.operators.metadata import InstanceMetadata, read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reactivex import Observable

    from cornerstream.operators.protocols import Transport, Workers

_ROWS = "00280010"


@dataclass(frozen=True, slots=True)
class ListedInstance:
    """One instance of a metadata answer.

    Attributes:
        metadata: What it says.
        complete: All of it is there; false while lookup tables are only referred to.
    """

    metadata: InstanceMetadata
    complete: bool


def instances_of(body: bytes, limits: Limits = DEFAULT_LIMITS) -> dict[str, ListedInstance | ImageLoadError]:
    """Read the instances of a metadata answer that have images; others, such as structured reports, are left out.

    Args:
        body: DICOM JSON as it came.
        limits: Bounds its size and nesting, and what it says of the images.

    Returns:
        By SOP Instance UID: the instance, or why it cannot be used.

    Raises:
        SplitError: It is no DICOM JSON.
        LimitError: It is too long or nested too deep.
    """
    return {text(JsonAttributes(item), "SOPInstanceUID"): _listed(item, limits) for item in _images(body, limits)}


def read_metadata(
    http: Transport, workers: Workers, limits: Limits = DEFAULT_LIMITS
) -> Callable[[Observable[Body]], Observable[InstanceMetadata]]:
    """Read answers about one instance each, and fetch the lookup tables that they only refer to.

    ::

        source   body─────|
        result   ──────metadata|     parsed on a worker

    Order is the source's, one at a time; dispose closes the socket, or drops what waits for a worker.

    Args:
        http: Opens the requests for tables; the answer itself comes by its body.
        workers: Parse beside the loop.
        limits: Bounds of the answer.
    """

    async def read(body: Body) -> InstanceMetadata:
        answer = await read_whole(body, limits.metadata_bytes)
        instance = await workers.run(one_image, answer, limits)
        await fetch_tables(instance, body.request.url, http, limits, body.image_id)
        return await workers.run(read_json, instance, None, limits)

    return map_ordered(read, max_concurrent=1)


def one_image(body: bytes, limits: Limits = DEFAULT_LIMITS) -> dict[str, object]:
    """The one image that an answer is about.

    Raises:
        SplitError: It is no DICOM JSON, or is about an instance without pixels, or about more than one.
        LimitError: It is too long or nested too deep.
    """
    instances = parse_instances(body, limits)
    if len(instances) != 1:
        raise SplitError(f"the metadata describe {len(instances)} instances where one was asked for")
    if _ROWS not in instances[0]:
        raise SplitError("no pixel data: the instance is no image, its metadata have no Rows")
    return instances[0]


def _images(body: bytes, limits: Limits) -> list[dict[str, object]]:
    return [item for item in parse_instances(body, limits) if _ROWS in item]


def _listed(item: Mapping[str, object], limits: Limits) -> ListedInstance | ImageLoadError:
    try:
        return ListedInstance(read_json(item, None, limits), not table_references(item))
    except ImageLoadError as error:
        return error
