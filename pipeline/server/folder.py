"""The folder as the handlers see it: its index, the instances a request names, their frames."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web
from cachetools import LRUCache

from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.server.index import FolderIndex, IndexedInstance, scan_folder

if TYPE_CHECKING:
    from cornerstream.images.frames import EncodedFrame
    from cornerstream.operators.frame_index import FrameIndex

_KEPT_FRAME_INDEXES = 64


class ServedFolder:
    """A folder and what is known of it.

    Args:
        folder: The root; nothing outside of it is ever read.
        limits: Bounds for the files in it.
    """

    def __init__(self, folder: Path | str, limits: Limits = DEFAULT_LIMITS) -> None:
        self.root = Path(folder)
        self.limits = limits
        self.index = FolderIndex(self.root)
        self._frame_indexes: LRUCache[Path, FrameIndex] = LRUCache(_KEPT_FRAME_INDEXES)
        self._lock = threading.Lock()  # frames are read on several threads

    async def scan(self) -> None:
        """Read the headers of all files, on threads."""
        self.index = await asyncio.to_thread(scan_folder, self.root, self.limits)
        self.root = self.index.folder  # without links on the way to it

    def find(self, request: web.Request) -> list[IndexedInstance]:
        """The instances below the study, series and instance that a request's path names.

        Raises:
            web.HTTPNotFound: There are none.
        """
        found = self.index.select(*(request.match_info.get(level) for level in ("study", "series", "instance")))
        if not found:
            raise web.HTTPNotFound(text="no such study, series or instance in this folder")
        return found

    async def read_frame(self, instance: IndexedInstance, frame_number: int) -> EncodedFrame:
        """One frame as it is stored, read on a thread.

        Raises:
            ImageLoadError: The file has no such frame, or is malformed.
        """
        return await asyncio.to_thread(self._read_frame, instance.path, frame_number)

    def _read_frame(self, path: Path, frame_number: int) -> EncodedFrame:
        from cornerstream.operators.frame_index import open_index  # noqa: PLC0415
        from cornerstream.operators.local_file import stat_file  # noqa: PLC0415 - keeps the import of the server light

        with self._lock:
            index = self._frame_indexes.get(path)
        if index is None or index.version != stat_file(path):  # the file may have been written again
            index = open_index(path, self.limits)
            with self._lock:
                self._frame_indexes[path] = index
        return index.read(frame_number)


FOLDER: web.AppKey[ServedFolder] = web.AppKey("folder", ServedFolder)
