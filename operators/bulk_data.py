"""Lookup tables that a server's metadata only refer to (BulkDataURI, PS3.18 section F.2.6): fetched and put in place."""

from __future__ import annotations

import base64
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yarl import URL

from cornerstream.images.errors import LimitError, SplitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.operators.fetch import Body
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.split_multipart import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cornerstream.images.image_id import ImageId
    from cornerstream.operators.protocols import Transport

_PALETTE_TAGS = ("00281201", "00281202", "00281203", "00281221", "00281222", "00281223")
_LUT_SEQUENCES = ("00283000", "00283010")
_LUT_DATA = "00283006"
_ACCEPT = {"Accept": 'multipart/related; type="application/octet-stream", application/octet-stream;q=0.5'}


@dataclass(frozen=True, slots=True)
class BulkReference:
    """An element whose value is elsewhere.

    Attributes:
        element: The element of the DICOM JSON.
        uri: Where its value is, absolute or relative to the metadata.
    """

    element: dict[str, Any]
    uri: str


def table_references(instance: Mapping[str, Any]) -> list[BulkReference]:
    """The palette and LUT data of an instance that its metadata only refer to.

    Args:
        instance: One data set of DICOM JSON.
    """
    return [
        BulkReference(element, uri)
        for element in _tables(instance)
        if isinstance(uri := element.get("BulkDataURI"), str) and uri
    ]


async def fetch_tables(
    instance: Mapping[str, Any],
    metadata_url: str,
    http: Transport,
    limits: Limits = DEFAULT_LIMITS,
    image_id: ImageId | None = None,
) -> None:
    """Fetch the tables that an instance refers to, one after the other, and put them in place as InlineBinary.

    Args:
        instance: One data set of DICOM JSON; changed in place.
        metadata_url: Where it came from: relative references start there.
        http: Opens the requests.
        limits: `metadata_bytes` bounds each table.
        image_id: Errors name it.

    Raises:
        FetchError: A table cannot be had.
        SplitError: The answer is not one part.
        LimitError: A table exceeds its limit.
    """
    for reference in table_references(instance):
        url = str(URL(metadata_url, encoded=True).join(URL(reference.uri, encoded=True)))
        data = await _only_part(Body(HttpRequest(url, _ACCEPT, image_id), http), limits)
        reference.element["InlineBinary"] = base64.b64encode(data).decode()
        del reference.element["BulkDataURI"]


def _tables(instance: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    items = [instance.get(tag) for tag in _PALETTE_TAGS]
    for tag in _LUT_SEQUENCES:
        sequence = instance.get(tag)
        values = sequence.get("Value") if isinstance(sequence, dict) else None
        items += [item.get(_LUT_DATA) for item in values or () if isinstance(item, dict)]
    yield from (item for item in items if isinstance(item, dict))


async def _only_part(body: Body, limits: Limits) -> bytes:
    data: bytes | None = None
    async with aclosing(parts_of(body, limits)) as parts:
        async for part in parts:
            if data is not None:
                raise SplitError("the answer has several parts where one table was asked for", image_id=body.image_id)
            if len(part.data) > limits.metadata_bytes:
                raise LimitError(f"a table has more than {limits.metadata_bytes} bytes (limits.metadata_bytes)")
            data = part.data
    if data is None:
        raise SplitError("the answer has no part where one table was asked for", image_id=body.image_id)
    return data
