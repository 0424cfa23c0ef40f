"""Metadata of instances as DICOM JSON, and the bulk data it refers to (PS3.18 sections 10.4.1.1.5 and F.2)."""

from __future__ import annotations

import asyncio
import json
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from aiohttp import web

from cornerstream.images.errors import ImageLoadError
from cornerstream.server.folder import FOLDER
from cornerstream.server.index import EXPLICIT_BIG_ENDIAN, Header, IndexedInstance, read_header
from cornerstream.server.multipart import Part, related
from cornerstream.server.negotiation import accepts_single
from cornerstream.server.reply import DICOM_JSON, Reply, once
from cornerstream.server.wado_rs import frames_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

    from cornerstream.images.limits import Limits

_INLINE_BYTES = 1024
_WORD_BYTES = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
PIXEL_TAGS = {"7FE00008": "OF", "7FE00009": "OD", "7FE00010": "OW"}
_PIXEL_KEYWORDS = {"FloatPixelData": "7FE00008", "DoubleFloatPixelData": "7FE00009", "PixelData": "7FE00010"}


async def retrieve_metadata(request: web.Request) -> Reply:
    """`GET …/metadata` of a study, a series or an instance; files are read a few at a time, on threads."""
    if accepts_single(request.headers.get("Accept", ""), DICOM_JSON, "application/json") is None:
        raise web.HTTPNotAcceptable(text=f"metadata come as {DICOM_JSON}")
    folder = request.app[FOLDER]
    base = str(request.url.origin()) + request.path.partition("/studies/")[0]
    found = folder.find(request)
    texts = [await asyncio.to_thread(_metadata_text, instance, base, folder.limits) for instance in found]
    return Reply.of_bytes(DICOM_JSON, b"[" + b",".join(texts) + b"]")


async def retrieve_bulkdata(request: web.Request) -> Reply:
    """`GET …/instances/{instance}/bulkdata/{path}`: one large element, as the metadata refer to it."""
    folder = request.app[FOLDER]
    (instance,) = folder.find(request)
    wanted = request.match_info["path"]
    header = await asyncio.to_thread(read_header, instance.path, folder.limits)
    if wanted in PIXEL_TAGS:
        return await frames_of(folder, instance, range(1, instance.number_of_frames + 1))
    _to_little_endian(header)
    found = next((element for path, element in large_elements(header.dataset) if path == wanted), None)
    if found is None:
        raise web.HTTPNotFound(text="no such bulk data in this instance")
    body = bytes(found.value)
    return related([Part("application/octet-stream", len(body), partial(once, body))], "application/octet-stream")


def metadata_json(instance: IndexedInstance, base_url: str, limits: Limits) -> dict[str, Any]:
    """DICOM JSON of one file without its pixel data; blocks.

    Large binary elements, and the pixels, are left as BulkDataURI; Available Transfer Syntax UID (0008,3002) says how
    frames are stored.
    """
    header = read_header(instance.path, limits)
    _to_little_endian(header)
    model: dict[str, Any] = header.dataset.to_json_dict(
        bulk_data_threshold=_INLINE_BYTES, bulk_data_element_handler=_reference(header.dataset, instance, base_url)
    )
    tag = _pixel_tag(instance.path, limits)
    if tag:
        model[tag] = {"vr": PIXEL_TAGS[tag], "BulkDataURI": _bulk_url(instance, base_url) + tag}
    model["00083002"] = {"vr": "UI", "Value": [header.transfer_syntax_uid]}
    if "00080005" in model:  # JSON is UTF-8, whatever the file is
        model["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return dict(sorted(model.items()))


def large_elements(dataset: Dataset, prefix: str = "") -> Iterator[tuple[str, DataElement]]:
    """Binary elements, each with its path: `TTTTTTTT`, or `TTTTTTTT/item/TTTTTTTT` within sequences."""
    for element in dataset:
        path = f"{prefix}{element.tag:08X}"
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from large_elements(item, f"{path}/{number}/")
        elif isinstance(element.value, bytes):
            yield path, element


def _metadata_text(instance: IndexedInstance, base_url: str, limits: Limits) -> bytes:
    return json.dumps(metadata_json(instance, base_url, limits), ensure_ascii=False).encode()


def _reference(dataset: Dataset, instance: IndexedInstance, base_url: str) -> Callable[[DataElement], str]:
    """Makes the BulkDataURI of an element; pydicom hands over the element without its place."""
    url = _bulk_url(instance, base_url)

    @cache
    def paths() -> dict[int, str]:
        return {id(element): path for path, element in large_elements(dataset)}

    return lambda element: url + paths()[id(element)]


def _pixel_tag(path: Path, limits: Limits) -> str:
    """The tag of the element that holds the pixels; empty if the file is no image."""
    from cornerstream.operators.frame_index import open_index  # noqa: PLC0415 - keeps the import of the server light

    try:
        return _PIXEL_KEYWORDS[open_index(path, limits).metadata.shared.pixel_keyword]
    except ImageLoadError:
        return ""


def _bulk_url(instance: IndexedInstance, base_url: str) -> str:
    return (
        f"{base_url}/studies/{instance.study_instance_uid}/series/{instance.series_instance_uid}"
        f"/instances/{instance.sop_instance_uid}/bulkdata/"
    )


def _to_little_endian(header: Header) -> None:
    """Binary values travel in little endian (PS3.18 section F.2.7); pydicom leaves them as the file has them."""
    if header.transfer_syntax_uid != EXPLICIT_BIG_ENDIAN:
        return
    for _, element in large_elements(header.dataset):
        width = _WORD_BYTES.get(element.VR, 1)
        if width > 1 and len(element.value) % width == 0:
            element.value = np.frombuffer(element.value, f">u{width}").astype(f"<u{width}").tobytes()
