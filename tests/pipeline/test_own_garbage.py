"""What has ended is freed at once: no load, request or frame lives on until the garbage collector comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from cornerstream.images.errors import ImageLoadError
from cornerstream.phantom import write_study
from tests.support.garbage import found_garbage
from tests.support.odd_series import fast_session
from tests.support.study import served

if TYPE_CHECKING:
    from cornerstream.phantom import PhantomStudy

SLICES = 48
OFTEN = SLICES // 4  # what is found less often belongs to the session, or to one request for many images


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> PhantomStudy:
    """Enough slices of one series for a retrieval of it to pay, and a cine."""
    return write_study(tmp_path_factory.mktemp("slices"), slices=SLICES, size=16, cine_frames=SLICES)


@pytest.mark.parametrize("route", ["wadors", "wadouri", "file"])
async def test_a_load_leaves_nothing_in_cycles(slices: PhantomStudy, route: str) -> None:
    series = slices.series[0]
    async with served(slices) as at, fast_session() as session:
        ids = {
            "wadors": [at.wadors(series, index) for index in range(SLICES)],
            "wadouri": [at.wadouri(series, index) for index in range(SLICES)],
            "file": [f"dicomfile:{file}" for file in series.files],
        }[route]
        await session.load(ids[0])
        with found_garbage() as found:
            for image_id in ids:
                await session.load(image_id)
        assert [name for name, count in found.items() if count > OFTEN] == []


@pytest.mark.parametrize("route", ["wadors", "wadouri", "file"])
async def test_a_load_that_fails_leaves_nothing_in_cycles(slices: PhantomStudy, route: str) -> None:
    series = slices.series[0]
    async with served(slices) as at, fast_session() as session:
        missing = {
            "wadors": at.wadors(series, 0).replace("/frames/1", "/frames/2"),
            "wadouri": at.wadouri(series, 0, "&frame=2"),
            "file": f"dicomfile:{series.files[0]}?frame=2",
        }[route]
        with found_garbage() as found:
            for _ in range(SLICES):
                with pytest.raises(ImageLoadError):
                    await session.load(missing)
        assert [name for name, count in found.items() if count > OFTEN] == []


@pytest.mark.parametrize("route", ["wadors", "wadouri", "cine"])
async def test_cancelled_loads_leave_nothing_in_cycles(slices: PhantomStudy, route: str) -> None:
    series = slices.series[-1] if route == "cine" else slices.series[0]
    async with served(slices) as at, fast_session() as session:
        image_id = at.wadouri if route == "wadouri" else at.wadors
        loads = [session.load(image_id(series, index)) for index in range(SLICES)]
        await loads[0]
        with found_garbage() as found:
            waited = [load.begin() for load in loads]
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for load in loads:
                load.cancel()
            await asyncio.gather(*waited, return_exceptions=True)
            del load, loads, waited
        assert [name for name, count in found.items() if count > OFTEN] == []


@pytest.mark.parametrize("kind", ["series", "cine", "folder"])
async def test_a_stream_leaves_nothing_in_cycles(slices: PhantomStudy, kind: str) -> None:
    async with served(slices) as at, fast_session() as session:
        wanted = slices.series[-1] if kind == "cine" else slices.series[0]
        listed = await (
            session.folder(slices.folder)
            if kind == "folder"
            else session.study(at.address.dicomweb, slices.study_instance_uid)
        )
        (series,) = [one for one in listed if one.series_instance_uid == wanted.series_instance_uid]
        with found_garbage() as found:
            async for _ in session.stream(series):
                pass
        assert [name for name, count in found.items() if count > OFTEN or name.endswith("Run")] == []
