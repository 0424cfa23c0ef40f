"""WADO-URI (PS3.18 section 9), and files by their path for any other HTTP GET."""

from __future__ import annotations

import asyncio
import re
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp import web

from cornerstream.server.folder import FOLDER
from cornerstream.server.rendered import render_reply
from cornerstream.server.reply import Reply, file_chunks
from cornerstream.server.wado_rs import DICOM, frame_numbers

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})\Z")
_PICTURES = ("image/jpeg", "image/png")


async def retrieve_object(request: web.Request) -> Reply:
    """`GET /wado?requestType=WADO&studyUID=…&seriesUID=…&objectUID=…&contentType=…`."""
    query, folder = request.query, request.app[FOLDER]
    if query.get("requestType") != "WADO" or not query.get("objectUID"):
        raise web.HTTPBadRequest(text="requestType=WADO and objectUID are needed")
    if query.get("anonymize"):
        raise web.HTTPBadRequest(text="anonymize is not supported")
    found = folder.index.select(query.get("studyUID"), query.get("seriesUID"), query["objectUID"])
    if not found:
        raise web.HTTPNotFound(text="no such object in this folder")
    content_type = query.get("contentType", "image/jpeg").split(";")[0].strip()
    if content_type in _PICTURES:
        (number,) = frame_numbers(query.get("frameNumber", "1").partition(",")[0], found[0])
        return await render_reply(folder, found[0], number, content_type, _window(query))
    if content_type != DICOM:
        raise web.HTTPNotAcceptable(text=f"contentType is {DICOM}, {' or '.join(_PICTURES)}")
    if query.get("transferSyntax", "*") not in ("*", found[0].transfer_syntax_uid):
        raise web.HTTPNotAcceptable(text=f"stored transfer syntax only: {found[0].transfer_syntax_uid}")
    return await _file_reply(request, found[0].path, DICOM)


async def retrieve_file(request: web.Request) -> Reply:
    """`GET /files/{path}`: a file of the folder; hidden ones and whatever lies outside are not found."""
    root, wanted = request.app[FOLDER].root, request.match_info["path"]
    path = await asyncio.to_thread(file_below, root, wanted)
    if path is None:
        raise web.HTTPNotFound(text="no such file in this folder")
    return await _file_reply(request, path, DICOM)


def file_below(root: Path, wanted: str) -> Path | None:
    """The file at a relative path below a folder; `None` if there is none, or it is hidden or lies elsewhere."""
    parts = wanted.split("/")
    if "\0" in wanted or any(part.startswith(".") for part in parts):
        return None
    path = root.joinpath(*[part for part in parts if part]).resolve()
    return path if path.is_relative_to(root) and path.is_file() else None


def byte_range(text: str | None, size: int) -> range | None:
    """The bytes that a Range field asks for (RFC 9110 section 14.1.2); `None` is the whole file.

    Several ranges, or another unit, are answered with the whole, as the RFC allows.

    Raises:
        ValueError: The range begins behind the end.
    """
    match = _RANGE.match(text or "")
    if match is None or match.group(1, 2) == ("", ""):
        return None
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= size:
        raise ValueError(f"the file has {size} bytes")
    return range(start, stop) if start < stop else None


def validators(status: os.stat_result) -> dict[str, str]:
    """The fields that tell versions of a file apart (RFC 9110 section 8.8)."""
    # Every write changes the time, which has nanoseconds; two writes in one tick of a coarse clock mostly the length.
    etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"'
    return {"ETag": etag, "Last-Modified": formatdate(status.st_mtime, usegmt=True)}


def may_be_partial(asked: Mapping[str, str], current: Mapping[str, str]) -> bool:
    """If-Range (RFC 9110 section 13.1.5) lets a range be sent of the version that it names, and only of that.

    A date is not compared: a file may be written twice in one second, and all answers have an entity tag.
    """
    wanted = asked.get("If-Range")
    return wanted is None or wanted.strip() == current["ETag"]


async def _file_reply(request: web.Request, path: Path, content_type: str) -> Reply:
    status = await asyncio.to_thread(path.stat)
    size, headers = status.st_size, validators(status)
    if request.headers.get("If-None-Match", "").strip() == headers["ETag"]:
        raise web.HTTPNotModified(headers=headers)
    try:
        wanted = byte_range(request.headers.get("Range"), size) if may_be_partial(request.headers, headers) else None
    except ValueError as error:
        raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"}) from error
    headers["Accept-Ranges"] = "bytes"
    if wanted is None:
        return Reply(content_type, file_chunks(path, 0, size), size, headers=headers)
    headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
    return Reply(content_type, file_chunks(path, wanted.start, len(wanted)), len(wanted), 206, headers)


def _window(query: Mapping[str, str]) -> str | None:
    if "windowCenter" in query and "windowWidth" in query:
        return f"{query['windowCenter']},{query['windowWidth']}"
    return None
