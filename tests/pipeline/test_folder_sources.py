"""Listings of archives, DICOMDIR files and stores: the same series and ids as their files have, and images of them."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from shutil import copytree
from typing import TYPE_CHECKING

import fsspec
import numpy as np
import pydicom.data
import pytest
from pydicom import dcmread

from cornerstream.images.errors import FetchError, ImageIdError, ImageLoadError, LimitError, SplitError, TruncatedError
from cornerstream.session import Session
from tests.support.archives import archive
from tests.support.file_systems import AsyncMemory, register
from tests.support.leaks import nothing_left
from tests.support.media import DICOMDIRS, dicomdir
from tests.support.memory import MIB, growth_of
from tests.support.part10 import native

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from cornerstream.series import Series

FILES = Path(pydicom.data.__file__).parent / "test_files"
NAMES = ("CT_small.dcm", "MR_small_RLE.dcm", "rtdose_rle.dcm")
BODIES = {f"head/{name}": (FILES / name).read_bytes() for name in NAMES}
SECRET = "hunter2-and-more"


@pytest.fixture
async def session() -> AsyncGenerator[Session, None]:
    async with nothing_left(), Session(storage_options={"memory": {"secret": SECRET}}) as made:
        yield made


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def ids(series: list[Series]) -> list[str]:
    return [str(image_id) for one in series for image_id in one.image_ids]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def check_pixels(session: Session, found: list[str], frames: int) -> None:
    """Every image is what pydicom makes of the file that its id names."""
    assert len(found) == frames
    for text in found:
        image = await session.load(text)
        name = next(name for name in NAMES if name in text)
        wanted = dcmread(FILES / name).pixel_array
        np.testing.assert_array_equal(image.pixels, wanted[image.frame_number - 1] if wanted.ndim == 3 else wanted)


@pytest.mark.parametrize("deflated", [False, True])
async def test_a_zip_file_is_known_by_its_bytes(session: Session, deflated: bool, tmp_path: Path) -> None:
    path = tmp_path / "study.of?some::kind"
    path.write_bytes(archive({**BODIES, "README": b"text" * 99}, deflated=deflated))
    before = names_in(tmp_path)
    listing = session.folder(path)
    found = ids(await listing)
    await check_pixels(session, found, 17)
    assert {type(error) for error in listing.skipped.values()} == {SplitError}
    assert [name.rpartition("::")[2] for name in listing.skipped] == ["README"]
    assert names_in(tmp_path) == before
    async with Session() as another:  # by their ids alone
        await check_pixels(another, found[::5], 4)
        assert len(await another.folder(f"zip://head::{path.as_uri()}")) == 3
        assert await another.folder(f"zip://elsewhere::{path.as_uri()}") == []


async def test_strange_members_are_skipped_with_their_reasons(session: Session, tmp_path: Path) -> None:
    good = native(bytes(8))
    members = {
        "good.dcm": good,
        "../evil.dcm": good,
        "/evil.dcm": good,
        "bomb.dcm": bytes(1 << 25),
        "cut.dcm": good[:-4],
    }
    (tmp_path / "study.zip").write_bytes(archive(members, deflated=True))
    listing = session.folder(tmp_path / "study.zip")
    found = ids(await listing)
    reasons = {name.rpartition("::")[2]: error for name, error in listing.skipped.items()}
    assert {name: type(error) for name, error in reasons.items()} == {
        "../evil.dcm": FetchError,
        "/evil.dcm": FetchError,
        "bomb.dcm": LimitError,
    }
    assert len(found) == 2  # where a frame is cut is seen when it is read, as in a file of a folder
    with pytest.raises(TruncatedError):
        await session.load(next(text for text in found if "cut" in text))
    assert names_in(tmp_path) == ["study.zip"]
    assert not [name for name in names_in(tmp_path.parent) if "evil" in name]
    for name in reasons:
        with pytest.raises(ImageLoadError):
            await session.load(f"dicomfile:zip://{name}::{tmp_path / 'study.zip'}")


async def test_archives_that_are_none(session: Session, tmp_path: Path) -> None:
    body = archive(BODIES)
    cases = {"cut.zip": body[:-100], "empty.zip": archive({}), "head.zip": b"PK\3\4"}
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
    assert await session.folder(tmp_path / "empty.zip") == []
    for name in ("cut.zip", "head.zip"):
        with pytest.raises(TruncatedError):
            await session.folder(tmp_path / name)
    for text, error in (
        (f"dicomfile:zip://{tmp_path}/cut.zip", ImageIdError),
        (f"dicomfile:zip://a.dcm::{tmp_path}/cut.zip", TruncatedError),
        (f"dicomfile:zip://none.dcm::{tmp_path}/empty.zip", FetchError),
        (f"dicomfile:zip://a.dcm::{tmp_path}/none.zip", FetchError),
        ("dicomfile:https://server/a.dcm", ImageIdError),
    ):
        with pytest.raises(error) as caught:
            await session.load(text)
        assert str(caught.value.image_id) == text


def bomb_probe(mark: Callable[[], None], folder: str) -> list[str]:
    """The reasons why members of an archive are skipped."""

    async def run() -> list[str]:
        async with Session() as session:
            listing = session.folder(f"{folder}/bomb.zip")
            assert await listing == []
            return sorted({type(error).__name__ for error in listing.skipped.values()})

    asyncio.run(run())  # imports
    mark()
    return asyncio.run(run())


def test_bombs_cost_no_memory(tmp_path: Path) -> None:
    members = {f"{number}.dcm": bytes(100 << 20) for number in range(3)} | {"small.dcm": bytes(16 << 20)}
    (tmp_path / "bomb.zip").write_bytes(archive(members, deflated=True))
    growth = growth_of(bomb_probe, str(tmp_path))
    assert growth.result == ["LimitError", "SplitError"]
    assert growth.nbytes < 16 * MIB


# ---- DICOMDIR


@pytest.mark.parametrize("name", ["DICOMDIR", "DICOMDIR-reordered", "DICOMDIR-implicit", "DICOMDIR-bigEnd"])
async def test_a_dicomdir_has_the_series_of_its_folder(session: Session, name: str, tmp_path: Path) -> None:
    copytree(
        DICOMDIRS,
        tmp_path / "medium",
        ignore=lambda folder, names: (
            [one for one in names if one.startswith("DICOMDIR") and one != name] if folder == str(DICOMDIRS) else []
        ),
    )
    by_headers = await session.folder(tmp_path / "medium")
    listing = session.folder(tmp_path / "medium" / name)
    wanted = [one for one in by_headers if "TINY_ALPHA" not in str(one.image_ids[0])]
    assert [(one.image_ids, one.series_instance_uid) for one in await listing] == [
        (one.image_ids, one.series_instance_uid) for one in wanted
    ]
    assert listing.skipped == {}
    assert len(wanted) > 5


async def test_a_dicomdir_is_not_followed_out_of_its_folder(session: Session, tmp_path: Path) -> None:
    medium = tmp_path / "medium"
    (medium / "IN").mkdir(parents=True)
    for path in (tmp_path / "OUT", medium / "IN" / "IM1"):
        path.write_bytes(native(bytes(8)))
    file_ids = ["IN\\IM1", "..\\OUT", "IN\\GONE", "IN\\..\\..\\OUT", "DICOMDIR"]
    (medium / "DICOMDIR").write_bytes(dicomdir(file_ids))
    listing = session.folder(medium / "DICOMDIR")
    assert ids(await listing) == [f"dicomfile:{medium}/IN/IM1?frame=1"]
    assert {name.removeprefix(f"{medium}{os.sep}"): type(error) for name, error in listing.skipped.items()} == {
        "..\\OUT": FetchError,
        "IN\\GONE": FetchError,
        "IN\\..\\..\\OUT": FetchError,
        "DICOMDIR": SplitError,
    }
    assert len(ids(await session.folder(medium))) == 1  # a folder's own files count, whatever a DICOMDIR in it says


# ---- stores


async def test_a_folder_of_a_store(session: Session, memory: fsspec.AbstractFileSystem) -> None:
    for name, body in BODIES.items():
        memory.pipe(f"/study/{name}", body)
    memory.pipe("/study/text?.txt", b"text")
    listing = session.folder("memory://study/")
    found = ids(await listing)
    await check_pixels(session, found, 17)
    assert list(listing.skipped) == ["memory:///study/text%3F.txt"]
    assert listing.progress_now.files_done == 4
    async with Session() as another:
        await check_pixels(another, found[:2], 2)
        with pytest.raises(ImageIdError, match="no frame 99"):
            await another.load("dicomfile:memory://study/head/rtdose_rle.dcm?frame=99")
    assert SECRET not in " ".join((*found, *listing.skipped, *map(str, listing.skipped.values())))


async def test_an_archive_in_a_store(session: Session, memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe("/study.zip", archive(BODIES, deflated=True))
    found = ids(await session.folder("memory://study.zip"))
    assert all(text.startswith("dicomfile:zip://head/") for text in found)
    await check_pixels(session, found, 17)
    async with Session() as another:
        await check_pixels(another, found[-1:], 1)
        assert ids(await another.folder("zip://head::memory://study.zip")) == found


async def test_workers_that_are_processes_read_archives_and_no_stores(
    memory: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    (tmp_path / "a.zip").write_bytes(archive(BODIES, deflated=True))
    memory.pipe("/a.zip", archive(BODIES))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        async with Session(executor=executor, max_workers=1) as session:
            for source in (f"zip://head::{tmp_path}/a.zip", "memory://a.zip"):
                await check_pixels(session, ids(await session.folder(source))[-2:], 2)


async def test_what_a_store_does_not_have(session: Session, memory: fsspec.AbstractFileSystem) -> None:
    for text in ("memory://none/", "nosuch://a/", "zip://::memory://none.zip"):
        with pytest.raises(FetchError):
            await session.folder(text)
    with pytest.raises(ImageIdError, match="wadouri"):
        await session.folder("https://server/study/")
    with pytest.raises(FetchError, match="no such file") as caught:
        await session.load("dicomfile:memory://none.dcm")
    assert str(caught.value.image_id) == "dicomfile:memory://none.dcm"


@pytest.fixture
def slow() -> Iterator[type[AsyncMemory]]:
    register()
    AsyncMemory.open_door.clear()
    AsyncMemory.asked.clear()
    AsyncMemory.threads.clear()
    AsyncMemory.files |= {f"/root/{number}.dcm": native(bytes([number]) * 8) for number in range(30)}
    yield AsyncMemory
    AsyncMemory.open_door.set()
    AsyncMemory.files.clear()


async def test_an_asynchronous_store_runs_on_a_loop_of_its_own(slow: type[AsyncMemory]) -> None:
    slow.open_door.set()
    async with Session() as session:
        (series,) = await session.folder("asyncmem:///root")
        images = [image async for image in session.stream(series)]
    assert sorted(int(image.pixels[0, 0]) for image in images) == list(range(30))
    assert threading.get_ident() not in slow.threads


async def test_a_store_that_is_slow_holds_up_nobody_and_its_listing_can_be_cancelled(slow: type[AsyncMemory]) -> None:
    async with Session(max_workers=1) as session:
        listing = session.folder("asyncmem:///root")
        waiting = asyncio.ensure_future(listing._wait())
        assert await asyncio.to_thread(slow.asked.wait, 20)
        image = await session.load(f"dicomfile:{FILES / 'CT_small.dcm'}")  # its worker waits for no store
        assert image.rows == 128
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert session.stats().tasks == 0
        slow.open_door.set()
    assert listing.progress_now.files_done == 0


async def test_a_load_from_a_store_that_is_cancelled_delivers_nothing(slow: type[AsyncMemory]) -> None:
    async with Session() as session:
        load = session.load("dicomfile:asyncmem:///root/3.dcm")
        signals: list[object] = []
        load.observable.subscribe(signals.append, signals.append, lambda: signals.append("completed"))
        assert await asyncio.to_thread(slow.asked.wait, 20)
        load.cancel()
        slow.open_door.set()
        await session.load("dicomfile:asyncmem:///root/4.dcm")
        assert not session.cached("dicomfile:asyncmem:///root/3.dcm")
    assert signals == []
