from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from cornerstream.server import running_server
from tests.support.multipart import mail_parts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pipeline.server.conftest import Served


@pytest.mark.parametrize("number", range(4))
async def test_an_instances_metadata_are_its_header(served: Served, number: int) -> None:
    answer = await served.get(served.instance_url(number) + "/metadata", Accept="application/dicom+json")
    assert (answer.status, answer.content_type) == (200, "application/dicom+json")
    (model,) = json.loads(answer.body)
    syntax = model.pop("00083002")
    header = dcmread(served.series(number).files[0], stop_before_pixels=True)
    assert syntax == {"vr": "UI", "Value": [header.file_meta.TransferSyntaxUID]}
    pixels = model.pop("7FE00010")
    assert Dataset.from_json(model) == header
    assert pixels == {"vr": "OW", "BulkDataURI": served.instance_url(number) + "/bulkdata/7FE00010"}


async def test_the_pixels_as_bulk_data_are_all_frames(served: Served) -> None:
    (model,) = json.loads((await served.get(served.instance_url(3) + "/metadata")).body)
    answer = await served.get(model["7FE00010"]["BulkDataURI"])
    numbers = ",".join(str(number) for number in range(1, 13))
    frames = await served.get(f"{served.instance_url(3)}/frames/{numbers}")
    assert [body for _, body in mail_parts(answer.content_type, answer.body)] == [
        body for _, body in mail_parts(frames.content_type, frames.body)
    ]


async def test_series_and_study_have_one_entry_an_instance(served: Served) -> None:
    series = json.loads((await served.get(served.series_url(1) + "/metadata")).body)
    assert {one["00080018"]["Value"][0] for one in series} == set(served.series(1).sop_instance_uids)
    study = f"{served.address.dicomweb}/studies/{served.study.study_instance_uid}/metadata"
    assert len(json.loads((await served.get(study)).body)) == 19


async def test_what_is_not_there_or_not_json(served: Served) -> None:
    assert (await served.get(served.address.dicomweb + "/studies/1.2/metadata")).status == 404
    assert (await served.get(served.instance_url(0) + "/metadata", Accept="image/png")).status == 406


async def test_large_values_are_referred_to_wherever_they_are(tmp_path: Path) -> None:
    dataset = with_bulk_data()
    dataset.save_as(tmp_path / "bulk.dcm", enforce_file_format=True)
    async with running_server(tmp_path) as address, aiohttp.ClientSession() as client:
        path = (
            f"studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}/instances/{dataset.SOPInstanceUID}"
        )
        async with client.get(f"{address.dicomweb}/{path}/metadata") as response:
            (model,) = await response.json(content_type=None)
        top, nested = model["00282000"], model["0040A730"]["Value"][1]["00282000"]
        assert await bulk_data(client, top) == dataset.ICCProfile
        assert await bulk_data(client, nested) == dataset.ContentSequence[1].ICCProfile
        assert "InlineBinary" in model["0040A730"]["Value"][0]["00282000"]
        async with client.get(f"{address.dicomweb}/{path}/bulkdata/00100010") as response:
            assert response.status == 404


def with_bulk_data() -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (generate_uid() for _ in range(3))
    dataset.ICCProfile = bytes(range(256)) * 8
    items = [Dataset(), Dataset()]
    items[0].ICCProfile = b"small!"
    items[1].ICCProfile = bytes(range(256)) * 5
    dataset.ContentSequence = items
    dataset.ensure_file_meta()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


async def bulk_data(client: aiohttp.ClientSession, element: dict[str, Any]) -> bytes:
    async with client.get(element["BulkDataURI"]) as response:
        assert response.status == 200
        ((content_type, body),) = mail_parts(response.headers["Content-Type"], await response.read())
    assert content_type == "application/octet-stream"
    return body
