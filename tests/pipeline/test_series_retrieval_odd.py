"""Whole series from servers that leave out, add, damage, stall or call things by other names: every image is right."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pydicom.data
import pytest
from pydicom import dcmread

from cornerstream.images.limits import Limits
from cornerstream.phantom import CT_SYNTAXES, write_study
from tests.support.leaks import nothing_left, turns
from tests.support.odd_series import DICOM, OddSeries, fast_session

if TYPE_CHECKING:
    from cornerstream.phantom import PhantomStudy
    from cornerstream.session import Session

SLICES = 48
END = b"--b--\r\n"
FILES = Path(pydicom.data.__file__).parent / "test_files"


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> PhantomStudy:
    """One series of single-frame instances."""
    folder = tmp_path_factory.mktemp("slices")
    return write_study(folder, slices=SLICES, size=64, cine_frames=0, syntaxes=CT_SYNTAXES[:1])


def parts(*files: bytes) -> list[bytes]:
    return [b"--b\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n" for data in files]


def files_of(study: PhantomStudy) -> list[bytes]:
    return [path.read_bytes() for path in study.series[0].files]


async def streamed_right(session: Session, at: OddSeries) -> None:
    images = [image async for image in session.stream(at.ids, keep=False)]
    assert [str(image.image_id) for image in images] == at.ids
    for image, path in zip(images, at.study.series[0].files, strict=True):
        assert np.array_equal(image.pixels, dcmread(path).pixel_array)
    assert session.stats().errors == 0


async def test_an_instance_that_is_left_out_comes_by_its_own_request(slices: PhantomStudy) -> None:
    files = files_of(slices)
    del files[30]
    async with nothing_left(), OddSeries(slices, *parts(*files), END).running() as at, fast_session() as session:
        await streamed_right(session, at)
        await streamed_right(session, at)
        assert at.asked == 1  # the series is remembered


async def test_foreign_and_damaged_instances_are_passed_over(slices: PhantomStudy) -> None:
    foreign = [(FILES / name).read_bytes() for name in ("CT_small.dcm", "rtplan.dcm", "rtdose_rle.dcm")]
    pieces = parts(*foreign, b"no file", *files_of(slices))
    async with nothing_left(), OddSeries(slices, *pieces, END).running() as at, fast_session() as session:
        await streamed_right(session, at)
        assert at.asked == 1
        assert session.stats().bytes_wasted >= sum(map(len, foreign))


async def test_a_server_that_sends_something_else_for_ever_is_left(slices: PhantomStudy) -> None:
    foreign = parts(b"x" * 100_000) * 20
    async with nothing_left(), OddSeries(slices, *foreign, b"", END).running() as at, fast_session() as session:
        await streamed_right(session, at)
        await at.left.wait()
        assert session.stats().bytes_received < 2_000_000


@pytest.mark.parametrize(
    "kind", ["application/zip", "text/html", DICOM.replace("dicom", "octet-stream"), "multipart/related"]
)
async def test_another_kind_of_answer_is_not_read(slices: PhantomStudy, kind: str) -> None:
    async with (
        nothing_left(),
        OddSeries(slices, b"x" * 1000, b"", kind=kind).running() as at,
        fast_session() as session,
    ):
        await streamed_right(session, at)
        await at.left.wait()
        assert at.asked == 1


async def test_a_server_that_falls_silent_is_left_after_a_while(slices: PhantomStudy) -> None:
    limits = Limits(read_seconds=0.6)  # enough for all else that is asked for, on a busy machine too
    half = parts(*files_of(slices)[:24])
    async with (
        nothing_left(),
        OddSeries(slices, *half, b"", END).running() as at,
        fast_session(limits=limits) as session,
    ):
        await streamed_right(session, at)
        await at.left.wait()


async def test_a_server_that_pauses_is_waited_for(slices: PhantomStudy) -> None:
    pieces = parts(*files_of(slices))
    pieces.insert(24, b"")
    async with nothing_left(), OddSeries(slices, *pieces, END).running() as at, fast_session() as session:
        seen = 0
        async for image in session.stream(at.ids, keep=False):
            seen += 1
            if seen == 20:
                at.go.set()
            assert str(image.image_id) == at.ids[seen - 1]
        assert (seen, at.asked) == (SLICES, 1)
        assert session.stats().requests <= 2 * 18 + 1


async def test_a_series_that_does_not_fit_into_the_budget_takes_requests(slices: PhantomStudy) -> None:
    files = files_of(slices)
    budget = 24 * len(files[0])
    pieces = [*parts(*files[::-1]), END]
    async with (
        nothing_left(),
        OddSeries(slices, *pieces).running() as at,
        fast_session(cache_bytes=4 * budget) as session,
    ):
        engine = session._engine
        images = aiter(session.stream(at.ids, keep=False))
        assert engine.resources.series._rules.room == budget
        async for _ in images:
            assert engine.resources.series._rules.held <= budget
        assert at.asked == 0  # it was known not to fit


async def test_leaving_closes_the_socket_and_holds_nothing(slices: PhantomStudy) -> None:
    half = parts(*files_of(slices)[24:])
    async with nothing_left(), OddSeries(slices, *half, b"", END).running() as at, fast_session() as session:
        reading = asyncio.ensure_future(streamed_right(session, at))
        resources = session._engine.resources
        while not resources.series._rules.held:
            await turns()
        reading.cancel()
        await asyncio.wait([reading])
        await at.left.wait()
        stats = session.stats()
        assert (len(resources.series), resources.series._rules.held) == (0, 0)
        assert (stats.running, stats.open_requests, stats.queued_requests, stats.tasks) == (0, 0, 0, 0)
        assert not [key for key in resources.kept._free if isinstance(key, tuple) and key[0] == "frame"]
