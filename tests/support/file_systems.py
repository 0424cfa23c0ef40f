"""File systems of fsspec for tests: one that counts, one that is asynchronous, each with files of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from fsspec import register_implementation
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.memory import MemoryFileSystem


class CountingFileSystem(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Files in memory, and every range that is read of them."""

    protocol = "counting"
    store: dict[str, Any] = {}  # noqa: RUF012 - fsspec's own way
    pseudo_dirs = [""]  # noqa: RUF012
    reads: list[tuple[str, int | None, int | None]] = []  # noqa: RUF012
    made: list[dict[str, Any]] = []  # noqa: RUF012

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.made.append(kwargs)
        super().__init__(*args, **kwargs)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("counting://", "memory://", 1)))

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        self.reads.append((path, start, end))
        return bytes(super().cat_file(path, start, end, **kwargs))

    @property
    def bytes_read(self) -> int:
        return sum((stop or 0) - (start or 0) for _, start, stop in self.reads)


class AsyncMemory(AsyncFileSystem):  # type: ignore[misc]
    """Files behind coroutines, which run on fsspec's own loop; may be held up."""

    protocol = "asyncmem"
    files: dict[str, bytes] = {}  # noqa: RUF012
    threads: set[int] = set()  # noqa: RUF012
    open_door = threading.Event()
    asked = threading.Event()
    cachable = False

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        if path in self.files:
            return {"name": path, "size": len(self.files[path]), "type": "file", "etag": str(hash(self.files[path]))}
        if any(name.startswith(path.rstrip("/") + "/") for name in self.files):
            return {"name": path, "size": 0, "type": "directory"}
        raise FileNotFoundError(path)

    async def _ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        root = self._strip_protocol(path).rstrip("/")
        found = [name for name in self.files if name.rpartition("/")[0] == root]
        return [await self._info(name) for name in found] if detail else found

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        self.threads.add(threading.get_ident())
        self.asked.set()
        while not self.open_door.is_set():  # noqa: ASYNC110 - opened from another thread, on another loop
            await asyncio.sleep(0.001)
        return self.files[self._strip_protocol(path)][start:end]


def register() -> None:
    """Make fsspec know them."""
    for system in (CountingFileSystem, AsyncMemory):
        register_implementation(system.protocol, system, clobber=True)
