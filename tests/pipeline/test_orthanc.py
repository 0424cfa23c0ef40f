"""What Orthanc does, as far as loaders rely on it; and the fixture that runs it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.support.multipart import mail_parts
from tests.support.orthanc import missing, running_orthanc

if TYPE_CHECKING:
    from pathlib import Path

    from cornerstream.phantom import PhantomSeries, PhantomStudy
    from tests.support.orthanc import Orthanc

pytestmark = pytest.mark.orthanc
ANY_FRAME = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'


@pytest.fixture
def stored(orthanc: Orthanc, small_study: PhantomStudy) -> Orthanc:
    orthanc.upload(path for one in small_study.series for path in one.files)
    return orthanc


def get(url: str, **headers: str) -> tuple[int, str, bytes]:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=fields), timeout=30) as response:
            return response.status, response.headers.get("Content-Type", ""), response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, "", error.read()


def instance_url(orthanc: Orthanc, study: PhantomStudy, series: PhantomSeries) -> str:
    path = f"studies/{study.study_instance_uid}/series/{series.series_instance_uid}"
    return f"{orthanc.dicomweb}/{path}/instances/{series.sop_instance_uids[0]}"


@pytest.mark.parametrize(
    ("number", "content_type"),
    [
        (0, "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"),
        (1, "image/jp2; transfer-syntax=1.2.840.10008.1.2.4.90"),
        (3, "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50"),
    ],
)
def test_frames_come_as_stored(stored: Orthanc, small_study: PhantomStudy, number: int, content_type: str) -> None:
    url = instance_url(stored, small_study, small_study.series[number])
    status, outer, body = get(url + "/frames/1", Accept=ANY_FRAME, Accept_Encoding="identity")
    assert status == 200
    assert [part for part, _ in mail_parts(outer, body)] == [content_type]


def test_htj2k_frames_do_not_come(stored: Orthanc, small_study: PhantomStudy) -> None:
    url = instance_url(stored, small_study, small_study.series[2])
    status, _, body = get(url + "/frames/1", Accept=ANY_FRAME)
    assert (status, b"Unknown transfer syntax" in body) == (500, True)


def test_metadata_do_not_name_the_transfer_syntax(stored: Orthanc, small_study: PhantomStudy) -> None:
    status, _, body = get(instance_url(stored, small_study, small_study.series[1]) + "/metadata")
    (model,) = json.loads(body)
    assert status == 200
    assert not {"00083002", "7FE00010"} & set(model)


@pytest.mark.parametrize("number", range(4))
def test_wado_uri_gives_the_file(stored: Orthanc, small_study: PhantomStudy, number: int) -> None:
    series = small_study.series[number]
    query = f"requestType=WADO&studyUID={small_study.study_instance_uid}&seriesUID={series.series_instance_uid}"
    url = f"{stored.wado}?{query}&objectUID={series.sop_instance_uids[0]}&contentType="
    status, content_type, body = get(url + "application/dicom", Accept_Encoding="identity")
    assert (status, content_type, body) == (200, "application/dicom", series.files[0].read_bytes())
    assert get(url + "application%2Fdicom")[0] == 400  # it does not decode its query


def test_a_password_is_asked_for_and_nothing_is_left_running(tmp_path: Path) -> None:
    if reason := missing():
        pytest.skip(reason)
    with running_orthanc(tmp_path, credentials=("user", "secret")) as server:
        assert server.request("/system")["Name"] == "tests"
        assert get(server.dicomweb + "/studies")[0] == 401
        assert get(server.dicomweb + "/studies", **server.headers)[0] == 200
    with pytest.raises(urllib.error.URLError):
        server.request("/system")


def test_it_can_be_emptied(tmp_path: Path, small_study: PhantomStudy) -> None:
    if reason := missing():
        pytest.skip(reason)
    with running_orthanc(tmp_path) as server:
        assert len(server.upload(small_study.series[0].files)) == 6
        server.clear()
        assert server.request("/instances") == []


def test_an_orthanc_that_cannot_start_says_why(tmp_path: Path) -> None:
    if reason := missing():
        pytest.skip(reason)
    with (
        pytest.raises(RuntimeError, match="did not start"),
        running_orthanc(tmp_path, options={"IndexDirectory": "/dev/null/index"}),
    ):
        pytest.fail("it started")
