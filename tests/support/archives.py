"""Zip archives made in memory, and files that are nothing but bytes."""

from __future__ import annotations

import io
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cornerstream.operators.byte_source import FileVersion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def archive(members: Mapping[str, bytes], *, deflated: bool = False, comment: bytes = b"") -> bytes:
    """An archive as zipfile writes it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) as file:
        for name, body in members.items():
            file.writestr(zipfile.ZipInfo(name), body, compress_type=8 if deflated else 0)
        file.comment = comment
    return buffer.getvalue()


def renamed(body: bytes, old: str, new: str) -> bytes:
    """An archive with another name of the same length, which zipfile would not write."""
    assert len(old) == len(new)
    return body.replace(old.encode(), new.encode())


@dataclass
class MemoryFile:
    """Bytes as an open file, and as a source of them; counts what is read."""

    body: bytes
    tag: str = ""
    name: str = "memory"
    address: str = "/memory"
    reads: list[tuple[int, int]] = field(default_factory=list)

    @property
    def version(self) -> FileVersion:
        return FileVersion(self.name, 0, len(self.body), self.tag)

    def read(self, count: int, offset: int) -> bytes:
        data = self.body[offset : offset + count]
        self.reads.append((offset, len(data)))
        return data

    @contextmanager
    def opened(self) -> Iterator[MemoryFile]:
        yield self
