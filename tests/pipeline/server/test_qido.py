from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset

if TYPE_CHECKING:
    from tests.pipeline.server.conftest import Served


async def search(served: Served, path: str) -> list[dict[str, Any]]:
    answer = await served.get(served.address.dicomweb + path)
    assert answer.status == 200
    assert answer.content_type == "application/dicom+json"
    found: list[dict[str, Any]] = json.loads(answer.body)
    return found


async def test_an_independent_client_finds_study_series_and_instances(served: Served) -> None:
    client = DICOMwebClient(served.address.dicomweb)
    uid = served.study.study_instance_uid
    (study,) = [Dataset.from_json(one) for one in await asyncio.to_thread(client.search_for_studies)]
    assert (study.StudyInstanceUID, study.PatientName, study.NumberOfStudyRelatedInstances) == (
        uid,
        "Phantom^Thora",
        19,
    )
    assert list(study.ModalitiesInStudy) == ["CT", "OT"]
    series = [Dataset.from_json(one) for one in await asyncio.to_thread(client.search_for_series, uid)]
    assert {one.SeriesInstanceUID: one.NumberOfSeriesRelatedInstances for one in series} == {
        one.series_instance_uid: len(one.files) for one in served.study.series
    }
    first = served.series(0)
    instances = await asyncio.to_thread(client.search_for_instances, uid, first.series_instance_uid)
    assert {Dataset.from_json(one).SOPInstanceUID for one in instances} == set(first.sop_instance_uids)
    fuzzy = await asyncio.to_thread(client.search_for_studies, search_filters={"PatientName": "PHANTOM*"})
    assert len(fuzzy) == 1


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("/studies?PatientID=PHANTOM-1", 1),
        ("/studies?PatientID=phantom-1", 0),
        ("/studies?00100020=PHANTOM-?", 1),
        ("/studies?StudyDate=20250101-20261231", 1),
        ("/studies?StudyDate=-20250101", 0),
        ("/studies?ModalitiesInStudy=OT", 1),
        ("/series?Modality=CT", 3),
        ("/series?Modality=CT&SeriesNumber=2", 1),
        ("/series?limit=2", 2),
        ("/series?limit=2&offset=3", 1),
        ("/series?limit=0", 0),
        ("/series?PatientName=phantom*", 4),
        ("/instances", 19),
        ("/instances?InstanceNumber=1", 4),
        ("/instances?SOPInstanceUID=1.2.3", 0),
    ],
)
async def test_matching(served: Served, path: str, count: int) -> None:
    assert len(await search(served, path)) == count


async def test_pages_of_a_search_make_up_the_whole(served: Served) -> None:
    whole = await search(served, "/instances")
    pages = [await search(served, f"/instances?limit=5&offset={offset}") for offset in range(0, 20, 5)]
    assert [one for page in pages for one in page] == whole


async def test_fields_are_returned_when_asked_for(served: Served) -> None:
    (usual, *_), (more, *_), (everything, *_) = [
        await search(served, f"/instances{fields}")
        for fields in ("", "?includefield=ImagePositionPatient", "?includefield=all")
    ]
    assert "00200032" not in usual
    assert "00200032" in more
    assert set(more) < set(everything)
    assert usual["00083002"]["Value"] == ["1.2.840.10008.1.2.1"]


async def test_retrieve_urls_lead_there(served: Served) -> None:
    for path in ("/studies", "/series", "/instances", f"/studies/{served.study.study_instance_uid}/series"):
        for one in await search(served, path):
            answer = await served.get(one["00081190"]["Value"][0] + "/metadata")
            assert answer.status == 200


@pytest.mark.parametrize("query", ["?Nonsense=1", "?limit=-1", "?offset=x", "?includefield=Nonsense", "?limit=1.5"])
async def test_nonsense_is_a_bad_request(served: Served, query: str) -> None:
    assert (await served.get(served.address.dicomweb + "/studies" + query)).status == 400


async def test_an_unknown_study_is_not_found(served: Served) -> None:
    assert (await served.get(served.address.dicomweb + "/studies/1.2.3/series")).status == 404


async def test_xml_is_not_acceptable(served: Served) -> None:
    url = served.address.dicomweb + "/studies"
    assert (await served.get(url, Accept='multipart/related; type="application/dicom+xml"')).status == 406
    assert (await served.get(url, Accept="application/json")).status == 200
