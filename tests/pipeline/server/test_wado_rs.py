from __future__ import annotations

import asyncio
import shutil
from io import BytesIO
from typing import TYPE_CHECKING

import aiohttp
import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames

from cornerstream.server import running_server
from tests.support.multipart import mail_parts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pipeline.server.conftest import Served

ANY_FRAME = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
EXPLICIT = "1.2.840.10008.1.2.1"
CINE = 3
FRAME_TYPES = ["application/octet-stream", "image/jp2", "image/jphc", "image/jpeg"]


def stored_frames(path: Path) -> list[bytes]:
    dataset = dcmread(path)
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return list(generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames", 1))))
    return [dataset.PixelData]


@pytest.mark.parametrize("number", range(4))
async def test_a_frame_comes_as_it_is_stored_and_says_how(served: Served, number: int) -> None:
    for index, path in enumerate(served.series(number).files[:2]):
        answer = await served.get(served.instance_url(number, index) + "/frames/1", Accept=ANY_FRAME)
        assert answer.status == 200
        assert int(answer.headers["Content-Length"]) == len(answer.body)
        syntax = served.series(number).transfer_syntax_uid
        expected = f"{FRAME_TYPES[number]}; transfer-syntax={syntax}"
        assert mail_parts(answer.content_type, answer.body) == [(expected, stored_frames(path)[0])]


@pytest.mark.parametrize("numbers", [[1], [12, 1, 5], list(range(1, 13)), [2, 2]])
async def test_frames_come_in_the_order_asked_for(served: Served, numbers: list[int]) -> None:
    stored = stored_frames(served.series(CINE).files[0])
    answer = await served.get(served.instance_url(CINE) + "/frames/" + ",".join(map(str, numbers)))
    parts = mail_parts(answer.content_type, answer.body)
    assert [body for _, body in parts] == [stored[number - 1] for number in numbers]


@pytest.mark.parametrize(
    ("frames", "status"),
    [("0", 400), ("x", 400), ("1,", 400), ("-1", 400), ("1;2", 400), ("13", 404), ("1,99", 404), ("9" * 12, 400)],
)
async def test_frames_that_are_not_there(served: Served, frames: str, status: int) -> None:
    assert (await served.get(f"{served.instance_url(CINE)}/frames/{frames}")).status == status


async def test_nothing_is_transcoded(served: Served) -> None:
    url = served.instance_url(1)
    wanted = f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT}'
    assert (await served.get(url + "/frames/1", Accept=wanted)).status == 406
    assert (
        await served.get(url, Accept=f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}')
    ).status == 406
    assert (await served.get(url + "/frames/1", Accept="application/json")).status == 406


@pytest.mark.parametrize("number", range(4))
async def test_instance_series_and_study_are_their_files(served: Served, number: int) -> None:
    one = await served.get(
        served.instance_url(number), Accept='multipart/related; type="application/dicom"; transfer-syntax=*'
    )
    syntax = served.series(number).transfer_syntax_uid
    content_type = f"application/dicom; transfer-syntax={syntax}"
    assert mail_parts(one.content_type, one.body) == [(content_type, served.series(number).files[0].read_bytes())]
    series = await served.get(served.series_url(number))
    assert int(series.headers["Content-Length"]) == len(series.body)
    bodies = {body for _, body in mail_parts(series.content_type, series.body)}
    assert bodies == {path.read_bytes() for path in served.series(number).files}
    if number == 0:
        study = await served.get(f"{served.address.dicomweb}/studies/{served.study.study_instance_uid}")
        assert len(mail_parts(study.content_type, study.body)) == 19


async def test_an_independent_client_retrieves(served: Served) -> None:
    client = DICOMwebClient(served.address.dicomweb)
    for series in served.study.series:
        uids = served.study.study_instance_uid, series.series_instance_uid, series.sop_instance_uids[0]
        path = series.files[0]
        frames = await asyncio.to_thread(client.retrieve_instance_frames, *uids, [1])
        assert frames == stored_frames(path)[:1]
        instance = await asyncio.to_thread(client.retrieve_instance, *uids, media_types=(("application/dicom", "*"),))
        assert instance == dcmread(path)
    assert (
        len(await asyncio.to_thread(client.retrieve_series, *uids[:2], media_types=(("application/dicom", "*"),))) == 1
    )


@pytest.mark.parametrize(
    "path",
    [
        "/studies/1",
        "/studies/1/series/2",
        "/studies/1/series/2/instances/3",
        "/studies/1/series/2/instances/3/frames/1",
    ],
)
async def test_unknown_uids_are_not_found(served: Served, path: str) -> None:
    assert (await served.get(served.address.dicomweb + path)).status == 404


@pytest.mark.parametrize("uid", ["..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "*", "%00"])
async def test_uids_are_no_paths(served: Served, uid: str) -> None:
    answer = await served.get(f"{served.address.dicomweb}/studies/{uid}")
    assert answer.status in (400, 404)


@pytest.mark.parametrize(
    ("name", "little"), [("MR_small_bigendian.dcm", "MR_small.dcm"), ("ExplVR_BigEnd.dcm", ""), ("image_dfl.dcm", "")]
)
async def test_native_frames_are_explicit_little_endian(tmp_path: Path, name: str, little: str) -> None:
    file = str(get_testdata_file(name, download=False))
    shutil.copy(file, tmp_path)
    dataset = dcmread(file)
    path = f"studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}/instances/{dataset.SOPInstanceUID}"
    async with (
        running_server(tmp_path) as address,
        aiohttp.ClientSession() as client,
        client.get(f"{address.dicomweb}/{path}/frames/1") as response,
    ):
        if response.status == 406:  # 8-bit samples in big endian words
            assert (dataset.BitsAllocated, dataset["PixelData"].VR) == (8, "OW")
            return
        assert response.status == 200
        ((content_type, body),) = mail_parts(response.headers["Content-Type"], await response.read())
    assert content_type == f"application/octet-stream; transfer-syntax={EXPLICIT}"
    length = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated // 8
    expected = np.frombuffer(dataset.PixelData, f">u{dataset.BitsAllocated // 8}" if little else "u1")
    assert body == expected.astype(expected.dtype.newbyteorder("<")).tobytes()[:length]
    if little:
        assert body == dcmread(str(get_testdata_file(little, download=False))).PixelData


async def test_a_damaged_file_is_an_error_of_the_server_without_its_path(served: Served, tmp_path: Path) -> None:
    shutil.copy(served.series(CINE).files[0], tmp_path / "cut.dcm")
    with (tmp_path / "cut.dcm").open("r+b") as file:
        file.truncate((tmp_path / "cut.dcm").stat().st_size // 2)
    async with (
        running_server(tmp_path) as address,
        served.client.get(
            served.instance_url(CINE).replace(served.address.origin, address.origin) + "/frames/12"
        ) as got,
    ):
        assert got.status == 500
        assert str(tmp_path) not in await got.text()


async def test_a_file_written_again_is_read_again(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    shutil.copy(served.series(0).files[0], path)
    async with running_server(tmp_path) as address:
        url = served.instance_url(0).replace(served.address.origin, address.origin) + "/frames/1"
        assert (await served.get(url)).status == 200
        dataset = dcmread(BytesIO(path.read_bytes()))
        dataset.PatientComments = "longer than before"
        dataset.PixelData = bytes(len(dataset.PixelData))
        dataset.save_as(path)
        answer = await served.get(url)
        ((_, body),) = mail_parts(answer.content_type, answer.body)
    assert not np.frombuffer(body, np.uint16).any()


async def test_head_has_the_length_and_no_body(served: Served) -> None:
    url = served.instance_url(0) + "/frames/1"
    length = len((await served.get(url)).body)
    async with served.client.head(url) as response:
        assert response.status == 200
        assert int(response.headers["Content-Length"]) == length


async def test_instances_say_where_they_are(served: Served) -> None:
    answer = await served.get(served.series_url(0), Accept='multipart/related; type="application/dicom"')
    uids = served.series(0).sop_instance_uids
    root = served.series_url(0).removeprefix(served.address.origin)
    for uid in uids:
        assert f"\r\nContent-Location: {root}/instances/{uid}\r\n".encode() in answer.body
    assert answer.body.count(b"Content-Location") == len(uids)
