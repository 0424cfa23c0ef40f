"""Listing studies over DICOMweb."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pydicom
import pytest
from aiohttp import web

from cornerstream.images.errors import HttpStatusError, ImageLoadError, SplitError
from cornerstream.server.running import running_app
from cornerstream.session import Session
from tests.support.leaks import nothing_left
from tests.support.study import served

if TYPE_CHECKING:
    from cornerstream.phantom import PhantomStudy


async def test_series_in_the_order_of_space(small_study: PhantomStudy) -> None:
    async with nothing_left(), served(small_study) as at, Session() as session:
        series = await session.study(at.address.dicomweb, small_study.study_instance_uid)
        assert [one.series_instance_uid for one in series] == [one.series_instance_uid for one in small_study.series]
        for one, written in zip(series[:-1], small_study.series, strict=False):
            headers = {
                uid: pydicom.dcmread(path) for uid, path in zip(written.sop_instance_uids, written.files, strict=True)
            }
            listed = [image_id.address.rsplit("/", 1)[1] for image_id in one]
            heights = [float(headers[uid].ImagePositionPatient[2]) for uid in listed]
            assert heights == sorted(heights)
            assert (one.modality, one.rows, one.columns, len(one)) == ("CT", 64, 64, 6)
            assert one.series_description == headers[listed[0]].SeriesDescription
            assert one.image_bytes == 64 * 64 * 2
        cine = series[-1]
        assert [image_id.frame_number for image_id in cine] == list(range(1, 13))
        assert cine.image_bytes == 64 * 64 * 3


async def test_the_metadata_is_asked_for_once_a_series(small_study: PhantomStudy) -> None:
    async with served(small_study) as at, Session() as session:
        series = await session.study(at.address.dicomweb, small_study.study_instance_uid)
        _ = [image async for image in session.stream(series[0])]
        metadata = [one.url for one in at.ledger.served if one.url.endswith("/metadata")]
        assert len(metadata) == len(small_study.series)
        assert all("/instances/" not in url for url in metadata)


async def test_the_metadata_of_one_instance_is_asked_for_once(small_study: PhantomStudy) -> None:
    cine = small_study.series[-1]
    async with served(small_study) as at, Session() as session:
        _ = [image async for image in session.stream([at.wadors(cine, index) for index in range(12)])]
        assert sum(one.url.endswith("/metadata") for one in at.ledger.served) == 1


async def test_studies_and_what_matches(small_study: PhantomStudy) -> None:
    async with served(small_study) as at, Session() as session:
        (study,) = await session.studies(at.address.dicomweb + "/")
        assert study.study_instance_uid == small_study.study_instance_uid
        assert study.url == f"{at.address.dicomweb}/studies/{small_study.study_instance_uid}"
        assert "CT" in study.modalities
        assert await session.studies(at.address.dicomweb, PatientID="nobody") == []


async def test_a_study_that_is_not_there(small_study: PhantomStudy) -> None:
    async with served(small_study) as at, Session() as session:
        with pytest.raises(HttpStatusError) as caught:
            await session.study(at.address.dicomweb, "1.2.3")
        assert caught.value.status == 404
        with pytest.raises(HttpStatusError):
            await session.study(at.address.origin + "/nowhere", "1.2.3")


async def answering(series: object, metadata: object) -> web.Application:
    app = web.Application()

    async def answer_series(_: web.Request) -> web.Response:
        return web.Response(text=json.dumps(series), content_type="application/dicom+json")

    async def answer_metadata(_: web.Request) -> web.Response:
        return web.Response(text=json.dumps(metadata), content_type="application/dicom+json")

    app.add_routes(
        [web.get("/studies/1.2/series", answer_series), web.get("/studies/1.2/series/1.3/metadata", answer_metadata)]
    )
    return app


def uid(value: str) -> dict[str, object]:
    return {"vr": "UI", "Value": [value]}


SERIES = [{"0020000E": uid("1.3")}]


async def test_instances_without_images_are_left_out_and_broken_ones_told() -> None:
    report = {"00080018": uid("1.4")}
    broken = {"00080018": uid("1.5"), "00280010": {"vr": "US", "Value": [0]}}
    async with running_app(await answering(SERIES, [report, broken])) as at, Session() as session:
        listing = session.study(at.origin, "1.2")
        assert await listing == []
        assert list(listing.skipped) == [f"{at.origin}/studies/1.2/series/1.3/instances/1.5"]


@pytest.mark.parametrize("answer", ["text", [1, 2], {"a": 1}])
async def test_an_answer_that_is_no_dicom_json_is_one_typed_error(answer: object) -> None:
    async with running_app(await answering(answer, [])) as at, Session() as session:
        with pytest.raises(ImageLoadError):
            await session.study(at.origin, "1.2")


async def test_one_series_that_fails_fails_the_listing_with_its_own_error() -> None:
    async with running_app(await answering(SERIES * 3, "none")) as at, Session() as session:
        with pytest.raises(SplitError):
            await session.study(at.origin, "1.2")
        assert session.stats().open_requests == 0
