"""WADO-RS: retrieve instances and frames (PS3.18 sections 10.4.1.1.1 to 10.4.1.1.3); nothing is transcoded."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from cornerstream.images.errors import ImageIdError, ImageLoadError
from cornerstream.server.folder import FOLDER, ServedFolder
from cornerstream.server.multipart import Part, related, related_stream
from cornerstream.server.negotiation import accepts_related, frame_media_type
from cornerstream.server.reply import Reply, file_chunks, once

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.server.index import IndexedInstance

DICOM = "application/dicom"
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_NATIVE = ("1.2.840.10008.1.2", _EXPLICIT_LITTLE_ENDIAN, "1.2.840.10008.1.2.1.99", _EXPLICIT_BIG_ENDIAN)
_FRAME_LIST = re.compile(r"[0-9]{1,9}(,[0-9]{1,9})*\Z")
_FRAMES_OF_KNOWN_LENGTH = 8  # more are read while they are sent


async def retrieve_instances(request: web.Request) -> Reply:
    """`GET` of a study, a series or an instance: its files, one after the other, in the order of their paths."""
    found = request.app[FOLDER].find(request)
    accept = request.headers.get("Accept", "")
    if not all(accepts_related(accept, DICOM, one.transfer_syntax_uid) for one in found):
        raise web.HTTPNotAcceptable(
            text='stored files only: multipart/related; type="application/dicom"; transfer-syntax=*'
        )
    root = request.path.partition("/studies/")[0]
    return related(await asyncio.to_thread(lambda: [_file_part(one, root) for one in found]), DICOM)


async def retrieve_frames(request: web.Request) -> Reply:
    """`GET …/frames/1,2,…`: frames as they are stored, native ones in explicit little endian."""
    folder = request.app[FOLDER]
    (instance,) = folder.find(request)
    if not instance.is_image:
        raise web.HTTPNotFound(text="the instance has no pixel data")
    numbers = frame_numbers(request.match_info["frames"], instance)
    media_type = frame_media_type(instance.transfer_syntax_uid)
    if not accepts_related(request.headers.get("Accept", ""), media_type, sent_transfer_syntax(instance)):
        raise web.HTTPNotAcceptable(
            text=f"stored frames only: {media_type}; transfer-syntax={sent_transfer_syntax(instance)}"
        )
    return await frames_of(folder, instance, numbers)


async def frames_of(folder: ServedFolder, instance: IndexedInstance, numbers: Sequence[int]) -> Reply:
    """Frames as they are stored, one part each; their length is known in advance where they are few."""
    media_type = frame_media_type(instance.transfer_syntax_uid)
    if len(numbers) > _FRAMES_OF_KNOWN_LENGTH:
        return related_stream(_frame_parts(folder, instance, numbers), media_type)
    return related([part async for part in _frame_parts(folder, instance, numbers)], media_type)


def frame_numbers(text: str, instance: IndexedInstance) -> list[int]:
    """Read a frame list.

    Raises:
        web.HTTPBadRequest: Not a list of numbers from 1.
        web.HTTPNotFound: The instance has no such frame.
    """
    if not _FRAME_LIST.match(text):
        raise web.HTTPBadRequest(text="frames are a list of numbers from 1, separated by commas")
    numbers = [int(number) for number in text.split(",")]
    if 0 in numbers:
        raise web.HTTPBadRequest(text="frames count from 1")
    if max(numbers) > instance.number_of_frames:
        raise web.HTTPNotFound(text=f"the instance has {instance.number_of_frames} frames")
    return numbers


def sent_transfer_syntax(instance: IndexedInstance) -> str:
    """Transfer syntax of the frames as they are sent."""
    native = instance.transfer_syntax_uid in _NATIVE
    return _EXPLICIT_LITTLE_ENDIAN if native else instance.transfer_syntax_uid


async def read_frame(folder: ServedFolder, instance: IndexedInstance, frame_number: int) -> EncodedFrame:
    """One frame as it is stored.

    Raises:
        web.HTTPNotFound: The file has no such frame.
        web.HTTPInternalServerError: The file is damaged, gone, or no image.
    """
    try:
        return await folder.read_frame(instance, frame_number)
    except ImageIdError as error:
        raise web.HTTPNotFound(text=error.message) from error
    except ImageLoadError as error:  # the message may name a path of ours: the client does not get it
        raise web.HTTPInternalServerError(text=f"frame {frame_number} cannot be read") from error


async def _frame_parts(
    folder: ServedFolder, instance: IndexedInstance, numbers: Sequence[int]
) -> AsyncGenerator[Part, None]:
    syntax = sent_transfer_syntax(instance)
    content_type = f"{frame_media_type(syntax)}; transfer-syntax={syntax}"
    for number in numbers:
        frame = await read_frame(folder, instance, number)
        body = bytes(frame.data)
        if instance.transfer_syntax_uid == _EXPLICIT_BIG_ENDIAN:
            body = _little_endian(frame)
        yield Part(content_type, len(body), partial(once, body), f"{instance.sop_instance_uid}/frames/{number}")


def _little_endian(frame: EncodedFrame) -> bytes:
    """Words in the order DICOMweb has; narrower pixels were put in order when their frame was cut out."""
    import numpy as np  # noqa: PLC0415 - needed for the retired syntax only

    width = max(1, frame.metadata.bits_allocated // 8)
    return np.frombuffer(frame.data, f">u{width}").astype(f"<u{width}").tobytes()


def _file_part(instance: IndexedInstance, root: str) -> Part:
    path, length = instance.path, instance.path.stat().st_size
    content_type = f"{DICOM}; transfer-syntax={instance.transfer_syntax_uid}"
    series = f"{root}/studies/{instance.study_instance_uid}/series/{instance.series_instance_uid}"
    location = f"{series}/instances/{instance.sop_instance_uid}"
    return Part(content_type, length, lambda: file_chunks(path, 0, length), location)
