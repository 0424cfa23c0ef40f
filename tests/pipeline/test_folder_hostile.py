"""Folders that strangers filled: what is no image is skipped with its reason, and nothing is waited for."""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from cornerstream.images.errors import FetchError, ImageLoadError, SplitError
from cornerstream.session import Session
from tests.support.memory import MIB, growth_of
from tests.support.part10 import native

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

BODY = native(bytes(8), SeriesInstanceUID="1.2.3")


@pytest.fixture
async def session() -> AsyncGenerator[Session, None]:
    async with Session() as made:
        yield made


def below(folder: Path, path: str) -> str:
    return os.path.relpath(path, folder)


async def listed(session: Session, folder: Path) -> tuple[list[str], dict[str, ImageLoadError]]:
    """Image ids, and what was skipped by its name within the folder."""
    listing = session.folder(folder)
    ids = [str(image_id) for series in await listing for image_id in series.image_ids]
    return ids, {below(folder, path): error for path, error in listing.skipped.items()}


async def test_what_is_no_file_is_skipped(session: Session, tmp_path: Path) -> None:
    (tmp_path / "image.dcm").write_bytes(BODY)
    (tmp_path / "folder.dcm").mkdir()
    os.mkfifo(tmp_path / "pipe.dcm")
    (tmp_path / "zero.dcm").symlink_to("/dev/zero")
    (tmp_path / "loop.dcm").symlink_to("loop.dcm")
    (tmp_path / "dangling.dcm").symlink_to("nowhere")
    (tmp_path / "round").symlink_to(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.dcm"))
        ids, skipped = await listed(session, tmp_path)
    assert len(ids) == 1
    assert {type(error) for error in skipped.values()} == {FetchError}
    reasons = {name: str(error) for name, error in skipped.items()}
    for name in ("pipe.dcm", "zero.dcm", "socket.dcm"):
        assert "not a regular file" in reasons.pop(name)
    assert "symbolic links" in reasons.pop("loop.dcm")
    assert "No such file" in reasons.pop("dangling.dcm")
    assert "link to a folder" in reasons.pop("round")
    assert reasons == {}


@pytest.mark.parametrize("name", ["pipe.dcm", "zero.dcm", "folder.dcm", "loop.dcm"])
async def test_such_files_are_refused_one_by_one_as_well(session: Session, name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.dcm")
    (tmp_path / "folder.dcm").mkdir()
    (tmp_path / "zero.dcm").symlink_to("/dev/zero")
    (tmp_path / "loop.dcm").symlink_to("loop.dcm")
    with pytest.raises(FetchError, match="cannot read") as caught:
        await session.load(f"dicomfile:{tmp_path / name}")
    assert name in str(caught.value)
    if name in {"pipe.dcm", "zero.dcm"}:
        assert list((await listed(session, tmp_path / name))[1]) == ["."]


async def test_a_folder_that_cannot_be_read(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "image.dcm").write_bytes(BODY)
    (tmp_path / "secret").mkdir()
    scandir = os.scandir

    def refusing(path: str) -> object:  # tests may run as root, whom nothing is refused
        if path.endswith("secret"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    ids, skipped = await listed(session, tmp_path)
    assert len(ids) == 1
    assert "Permission denied" in str(skipped["secret"])


async def test_a_root_that_cannot_be_looked_at(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(FetchError, match="Permission denied"):
        await session.folder(tmp_path)
    monkeypatch.undo()
    with pytest.raises(FetchError, match="null"):
        await session.folder("a\0b")


async def test_folders_nested_deeper_than_python_recurses(session: Session, tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1200):  # by descriptors, for the path is soon too long for the system
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    with os.fdopen(os.open("x.dcm", os.O_WRONLY | os.O_CREAT, dir_fd=here), "wb") as stream:
        stream.write(BODY)
    os.close(here)
    try:
        ids, skipped = await listed(session, tmp_path)
    finally:
        unnest(tmp_path)
    assert len(ids) == 1
    assert skipped == {}


def unnest(root: Path) -> None:
    """Remove folders that are nested too deep for `rmtree`, the outermost first."""
    while (root / "d" / "d").exists():
        (root / "d" / "d").rename(root / "inner")
        (root / "d").rmdir()
        (root / "inner").rename(root / "d")


NAMES = [
    "with space",
    "ümlaut",
    "a#b",
    "100%",
    "%41",
    "a&frame=2",
    "q?frame=7",
    "frames",
    "new\nline",
    "semi;colon",
    "-dash",
]


@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"not\xffutf8")])
async def test_names_of_every_kind_load_what_was_listed(session: Session, name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "3").write_bytes(BODY)
    (folder / name).write_bytes(BODY)
    ids, skipped = await listed(session, tmp_path)
    assert skipped == {}
    assert len(set(ids)) == 2
    for image_id in ids:
        assert (await session.load(image_id)).pixels.shape == (2, 4)


async def test_a_reason_holds_nothing_of_what_was_read(session: Session, tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"junk" * 1000)
    (tmp_path / "cut").write_bytes(BODY[:200])
    _, skipped = await listed(session, tmp_path)
    for error in skipped.values():
        link: BaseException | None = error
        while link is not None:
            assert link.__traceback__ is None
            link = link.__cause__ or link.__context__
        assert type(pickle.loads(pickle.dumps(error))) is type(error)


def junk_probe(mark: Callable[[], None], count: int) -> int:
    """Errors of a listing of junk."""

    async def run(folder: str) -> int:
        async with Session() as session:
            listing = session.folder(folder)
            assert await listing == []
            return sum(isinstance(error, SplitError) for error in listing.skipped.values())

    with TemporaryDirectory() as folder:
        first = Path(folder, "0.dcm")
        first.write_bytes(b"\x10\x20junk" * 12_000)
        for number in range(1, count):
            Path(folder, f"{number}.dcm").hardlink_to(first)
        mark()
        return asyncio.run(run(folder))


def test_ten_thousand_junk_files_are_skipped_in_little_memory() -> None:
    growth = growth_of(junk_probe, 10_000)
    assert growth.result == 10_000
    assert growth.nbytes < 48 * MIB
