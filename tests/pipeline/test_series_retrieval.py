"""Whole series over the network: in one answer, in any order, into any memory, and by requests where that does not go."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom.data
import pytest
from pydicom import dcmread
from pydicom.uid import UID

from cornerstream.images.metadata import FrameMetadata
from cornerstream.loaders import wadors
from cornerstream.phantom import CT_SYNTAXES, write_study
from cornerstream.ranks import Lane
from cornerstream.series_ride import Ride
from cornerstream.server.app import create_app
from cornerstream.server.running import running_app
from cornerstream.session import Session
from tests.support.cancelling import HeldThreads, turn_until
from tests.support.fakes import registry_of
from tests.support.leaks import nothing_left
from tests.support.odd_series import fast_session
from tests.support.study import served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.load_object import ImageLoadObject
    from cornerstream.loaders.context import LoadContext
    from cornerstream.phantom import PhantomStudy
    from tests.support.orthanc import Orthanc
    from tests.support.study import Served

SLICES = 48
FILES = Path(pydicom.data.__file__).parent / "test_files"
KINDS = (  # native, big endian, deflated, compressed grey and colour, palette, overlay
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "image_dfl.dcm",
    "JPEG2000.dcm",
    "MR_small_RLE.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_rle.dcm",
    "SC_rgb_small_odd.dcm",
    "SC_ybr_full_422_uncompressed.dcm",
    "examples_palette.dcm",
    "examples_overlay.dcm",
    "examples_rgb_color.dcm",
)
TIMES = 4  # more than enough: what is left is to be worth one answer, however many came before that was decided

HOW_IT_CAME = {"transfer_syntax_uid", "pixel_vr_is_ow"}  # frames of uncompressed files travel as explicit little endian
TABLES = {"palette", "supplemental_palette", "modality_lut", "voi_luts", "overlays"}  # equal to themselves only
SAME = {one.name for one in fields(FrameMetadata)} - HOW_IT_CAME - TABLES


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> PhantomStudy:
    """One series of single-frame instances."""
    folder = tmp_path_factory.mktemp("slices")
    return write_study(folder, slices=SLICES, size=64, cine_frames=0, syntaxes=CT_SYNTAXES[:1])


@pytest.fixture(scope="module")
def many_kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One series that has an instance of every kind, several times."""
    folder = tmp_path_factory.mktemp("kinds")
    for number, name in enumerate(KINDS * TIMES):
        dataset = dcmread(FILES / name)
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.InstanceNumber = "1.2", "1.2.3", number + 1
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.3.{number + 1}")
        dataset.save_as(folder / f"{number:02}.dcm")
    return folder


def series_requests(at: Served) -> list[str]:
    return [one.url for one in at.ledger.served if "/instances/" not in one.url and not one.url.endswith("metadata")]


def ids_of(at: Served) -> list[str]:
    return [at.wadors(at.study.series[0], index) for index in range(SLICES)]


async def as_requests(ids: Sequence[str], **options: Any) -> list[Image]:
    """The images, each by its own request."""
    async with Session() as session:
        return list(await asyncio.gather(*(session.load(one, **options) for one in ids)))


async def taught(session: Session, ids: Sequence[str]) -> None:
    """Let a session see what an origin's answers are like."""
    async for _ in session.stream(ids[:8], keep=False):
        pass


@pytest.mark.parametrize("how", ["position", "arrival", "prefetch"])
async def test_a_series_comes_in_one_answer(slices: PhantomStudy, how: Any) -> None:
    async with nothing_left(), served(slices) as at, fast_session() as session:
        ids = ids_of(at)
        if how == "prefetch":
            await session.prefetch(ids)
            images = [await session.load(one) for one in ids]
        else:
            images = [image async for image in session.stream(ids, order=how)]
            images.sort(key=lambda image: ids.index(str(image.image_id)))
        await at.ledger.wait_until_idle()
        assert len(series_requests(at)) == 1
        assert session.stats().requests <= 2 * 18 + 1  # the first ones show what they are like; each has metadata
        for image, path in zip(images, slices.series[0].files, strict=True):
            assert np.array_equal(image.pixels, dcmread(path).pixel_array)
        assert session._made is not None
        assert (len(session._made.resources.series), session.stats().open_requests) == (0, 0)


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> PhantomStudy:
    """The same, with codestreams."""
    folder = tmp_path_factory.mktemp("coded")
    return write_study(folder, slices=SLICES, size=64, cine_frames=0, syntaxes=CT_SYNTAXES[2:])


@pytest.mark.parametrize("kind", ["slices", "coded"])
async def test_what_the_answer_brings_needs_no_loader(request: pytest.FixtureRequest, kind: str) -> None:
    asked: list[str] = []

    def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        asked.append(str(image_id))
        return wadors.load(image_id, context)

    study = request.getfixturevalue(kind)
    registry = registry_of(wadors=load)
    async with nothing_left(), served(study) as at, fast_session(registry=registry) as session:
        images = [image async for image in session.stream(ids_of(at))]
        for image, path in zip(images, study.series[0].files, strict=True):
            assert np.array_equal(image.pixels, dcmread(path).pixel_array)
        assert len(asked) <= 18  # the first ones show what they are like
        stats = session.stats()
        assert (stats.images, stats.errors, session.cached(ids_of(at)[-1])) == (SLICES, 0, True)
        assert set(images[-1].timings) == {"fetch", "decompress"}


def riding(session: Session) -> list[Ride]:
    """Loads that wait for the answer and have asked no loader."""
    series = session._engine.resources.series._series.values()
    waiting = [one for of in series for waiters in of._waiting.values() for one in waiters]
    return [one for one in waiting if isinstance(one, Ride)]


@pytest.mark.parametrize("moment", ["coming", "decoding"])
async def test_leaving_in_the_middle_leaves_nothing(coded: PhantomStudy, moment: str) -> None:
    threads = HeldThreads(2)
    async with nothing_left(), served(coded) as at, fast_session(executor=threads) as session:
        ids = ids_of(at)
        if moment == "coming":
            at.faults[r"/series/[0-9.]+$"] = "hold-body:150000"  # a little more than half of it
        images: list[Image] = []
        subscription = session.stream(ids, order="arrival").subscribe(images.append)
        await turn_until(lambda: riding(session))
        if moment == "decoding":
            threads.hold()
            await turn_until(lambda: session.stats().queued_work)
        subscription.dispose()
        delivered = len(images)
        await turn_until(lambda: not session.stats().running)
        assert (riding(session), len(session._engine.resources.series)) == ([], 0)
        kept = {one for one in ids if session.cached(one)}
        threads.release()
        await at.ledger.wait_until_idle()
        await turn_until(lambda: not (session.stats().busy_workers or session.stats().tasks))
        stats = session.stats()
        assert (stats.running, stats.queued_work, stats.open_requests) == (0, 0, 0)
        assert len(images) == delivered
        assert {one for one in ids if session.cached(one)} == kept
    threads.shutdown()


async def test_in_the_order_of_the_stream_whatever_the_servers(slices: PhantomStudy) -> None:
    async with nothing_left(), served(slices) as at, fast_session() as session:
        ids = ids_of(at)
        backwards = [str(image.image_id) async for image in session.stream(ids[::-1])]
        assert backwards == ids[::-1]
        assert len(series_requests(at)) == 1


async def test_a_short_series_takes_requests(slices: PhantomStudy) -> None:
    async with nothing_left(), served(slices) as at, fast_session() as session:
        await taught(session, ids_of(at))
        assert len([image async for image in session.stream(ids_of(at)[20:35])]) == 15
        assert not series_requests(at)


async def test_whoever_looks_gets_the_image_while_the_answer_is_on_its_way(slices: PhantomStudy) -> None:
    async with nothing_left(), served(slices) as at, fast_session() as session:
        await taught(session, ids_of(at))
        at.faults[r"/series/[0-9.]+$"] = "hold-body:20000"
        prefetch = session.prefetch(ids_of(at))
        image = await session.load(ids_of(at)[40], lane=Lane.INTERACTION)
        assert image.pixels.shape == (64, 64)
        prefetch.dispose()


@pytest.mark.parametrize("fault", ["404", "406", "500", "cut:100", "cut:20000", "reset:20000", "boundary"])
async def test_a_server_without_it_costs_nothing_but_one_request(slices: PhantomStudy, fault: str) -> None:
    async with nothing_left(), served(slices) as at, fast_session() as session:
        at.faults[r"/series/[0-9.]+$"] = fault
        images = [image async for image in session.stream(ids_of(at), keep=False)]
        assert [str(image.image_id) for image in images] == ids_of(at)
        assert len(series_requests(at)) == 1
        assert session.stats().errors == 0
        async for _ in session.stream(ids_of(at)[:30], keep=False):
            pass
        assert len(series_requests(at)) == 1


@pytest.mark.parametrize("isolated", [False, True])
async def test_the_images_are_those_that_requests_bring(many_kinds: Path, isolated: bool) -> None:
    async with running_app(create_app(many_kinds)) as address, fast_session(isolated=isolated) as session:
        ids = [
            f"wadors:{address.dicomweb}/studies/1.2/series/1.2.3/instances/1.2.3.{number + 1}/frames/1"
            for number in range(TIMES * len(KINDS))
        ]
        expected = await as_requests(ids)
        await taught(session, ids)
        before = session.stats().requests
        images = [image async for image in session.stream(ids, keep=False)]
        assert session.stats().requests - before < len(ids)
        for image, other, name in zip(images, expected, KINDS * TIMES, strict=True):
            assert image.pixels.dtype == other.pixels.dtype, name
            assert np.array_equal(image.pixels, other.pixels), name
            assert np.array_equal(image.to_display(), other.to_display()), name
            assert (image.image_id, image.nbytes) == (other.image_id, other.nbytes)
            assert {one: getattr(image, one) for one in SAME} == {one: getattr(other, one) for one in SAME}, name
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_into_memory_of_the_callers(slices: PhantomStudy) -> None:
    async with nothing_left(), served(slices) as at, fast_session() as session:
        volume = np.zeros((SLICES, 64, 64), np.int32)
        async for _ in session.stream(ids_of(at), out=volume):
            pass
        expected = np.stack([dcmread(path).pixel_array for path in slices.series[0].files])
        assert np.array_equal(volume, expected)
        assert len(series_requests(at)) == 1


@pytest.mark.orthanc
@pytest.mark.parametrize("order", ["position", "arrival"])
async def test_orthanc_sends_a_series_in_its_own_order(orthanc: Orthanc, slices: PhantomStudy, order: Any) -> None:
    orthanc.upload(slices.series[0].files)
    base = f"{orthanc.dicomweb}/studies/{slices.study_instance_uid}/series/{slices.series[0].series_instance_uid}"
    ids = [f"wadors:{base}/instances/{uid}/frames/1" for uid in slices.series[0].sop_instance_uids]
    async with fast_session() as session:
        images = [image async for image in session.stream(ids, order=order)]
        images.sort(key=lambda image: ids.index(str(image.image_id)))
        for image, path in zip(images, slices.series[0].files, strict=True):
            assert np.array_equal(image.pixels, dcmread(path).pixel_array)
        assert session.stats().requests <= 2 * 18 + 1
