"""What metadata only refer to (BulkDataURI, PS3.18 section F.2.6) is fetched: tables, ICC profiles, overlays, no pixels."""

from __future__ import annotations

import base64
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from yarl import URL

from cornerstream.images.errors import FetchError, HttpStatusError, ImageLoadError, LimitError, SplitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.images.redaction import redacted
from cornerstream.operators.fetch import Body
from cornerstream.operators.http_rules import origin_of, parse_url
from cornerstream.operators.keywords import OVERLAY_GROUPS
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.split_multipart import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cornerstream.images.image_id import ImageId
    from cornerstream.operators.protocols import Transport

_PALETTE_TAGS = ("00281201", "00281202", "00281203", "00281221", "00281222", "00281223")
_LUT_SEQUENCES = ("00283000", "00283010")
_LUT_DATA = "00283006"
_ICC_PROFILE, _OPTICAL_PATHS = "00282000", "00480105"
_OVERLAY_DATA = tuple(f"{group:04X}3000" for group in OVERLAY_GROUPS)
_ABSENT = frozenset({404, 406, 410, 501})  # a server that names what it does not give out
_ACCEPT = {"Accept": 'multipart/related; type="application/octet-stream", application/octet-stream;q=0.5'}


class _NotFollowedError(FetchError):
    """Raised when a reference leads where nothing is asked for."""


@dataclass(frozen=True, slots=True)
class BulkReference:
    """An element whose value is elsewhere.

    Attributes:
        element: The element of the DICOM JSON.
        uri: Where its value is, absolute or relative to the metadata.
        needed: The image is wrong without it; an overlay is not needed.
    """

    element: dict[str, Any]
    uri: str
    needed: bool = True


def table_references(instance: Mapping[str, Any]) -> list[BulkReference]:
    """The palettes, LUTs, ICC profile and overlays of an instance that its metadata only refer to.

    Args:
        instance: One data set of DICOM JSON.
    """
    return [
        BulkReference(element, uri, needed)
        for element, needed in _tables(instance)
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

    An overlay that the server does not have, or that is no single part within the limits, stays a reference: asking for
    its mask raises then, and the image is loaded.

    Args:
        instance: One data set of DICOM JSON; changed in place.
        metadata_url: Where it came from: relative references start there.
        http: Opens the requests.
        limits: `metadata_bytes` bounds each table.
        image_id: Errors name it.

    Raises:
        FetchError: A table cannot be had, or is said to be at another origin, where a server must not send its clients.
        SplitError: The answer is not one part.
        LimitError: A table exceeds its limit, or there are more than `limits.references` of them.
    """
    references = table_references(instance)
    if len(references) > limits.references:
        raise LimitError(f"the metadata refer to more than limits.references={limits.references} tables")
    limits = replace(limits, part_bytes=min(limits.part_bytes, limits.metadata_bytes))
    for reference in references:
        try:
            data = await _value(reference, metadata_url, http, limits, image_id)
        except ImageLoadError as error:
            if reference.needed or not _final(error):
                raise
            continue
        reference.element["InlineBinary"] = base64.b64encode(data).decode()
        del reference.element["BulkDataURI"]


async def _value(
    reference: BulkReference, metadata_url: str, http: Transport, limits: Limits, image_id: ImageId | None
) -> bytes:
    url = _target(metadata_url, reference.uri)
    return await _only_part(Body(HttpRequest(url, _ACCEPT, image_id), http), limits)


def _final(error: ImageLoadError) -> bool:
    """Asking again would not help; a connection that broke, or a server that is busy, is another matter."""
    if isinstance(error, HttpStatusError):
        return error.status in _ABSENT
    return isinstance(error, (SplitError, LimitError, _NotFollowedError))


def _target(metadata_url: str, uri: str) -> str:
    """Where a reference leads; its user information would be the server's, not ours, and is left out."""
    base = parse_url(metadata_url)
    try:
        target = parse_url(str(base.join(URL(uri, encoded=True))))
    except (ValueError, IndexError, FetchError) as error:
        raise _NotFollowedError(f"a BulkDataURI is not an http or https URL: {redacted(uri)[:200]!r}") from error
    if origin_of(target) != origin_of(base):
        raise _NotFollowedError(f"a BulkDataURI leads to another origin, {origin_of(target)}, which is not asked")
    return str(target.with_user(base.user).with_password(base.password) if base.user else target.with_user(None))


def _tables(instance: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], bool]]:
    """Elements that may be references, and whether the image is wrong without them."""
    items = [instance.get(tag) for tag in (*_PALETTE_TAGS, _ICC_PROFILE)]
    for tag in _LUT_SEQUENCES:
        items += [item.get(_LUT_DATA) for item in _items(instance, tag)]
    items += [item.get(_ICC_PROFILE) for item in _items(instance, _OPTICAL_PATHS)[:1]]
    yield from ((item, True) for item in items if isinstance(item, dict))
    overlays = (instance.get(tag) for tag in _OVERLAY_DATA)
    yield from ((item, False) for item in overlays if isinstance(item, dict))


def _items(instance: Mapping[str, Any], tag: str) -> list[dict[str, Any]]:
    sequence = instance.get(tag)
    values = sequence.get("Value") if isinstance(sequence, dict) else None
    return [item for item in values if isinstance(item, dict)] if isinstance(values, list) else []


async def _only_part(body: Body, limits: Limits) -> bytes:
    data: bytes | None = None
    async with aclosing(parts_of(body, limits)) as parts:
        async for part in parts:
            if data is not None:
                raise SplitError("the answer has several parts where one table was asked for", image_id=body.image_id)
            data = bytes(part.data)
    if data is None:
        raise SplitError("the answer has no part where one table was asked for", image_id=body.image_id)
    return data
