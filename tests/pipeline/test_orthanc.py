"""What Orthanc does, as far as loaders rely on it; and the fixture that runs it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import psutil
import pytest

from cornerstream.session import Session
from tests.support.cancelling import turn_until
from tests.support.leaks import nothing_left
from tests.support.multipart import mail_parts
from tests.support.orthanc import missing, running_orthanc
from tests.support.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable
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


def image_ids(orthanc: Orthanc, study: PhantomStudy, number: int) -> list[str]:
    """Of a CT series, by WADO-RS."""
    series = study.series[number]
    base = f"wadors:{orthanc.dicomweb}/studies/{study.study_instance_uid}/series/{series.series_instance_uid}"
    return [f"{base}/instances/{uid}/frames/1" for uid in series.sop_instance_uids]


def sockets(orthanc: Orthanc) -> list[str]:
    """States of this process's connections to it."""
    port = int(orthanc.origin.rpartition(":")[2])
    return [one.status for one in psutil.Process().net_connections("tcp") if one.raddr[1:] == (port,)]


@pytest.mark.parametrize("how", ["stream", "prefetch", "scroll"])
async def test_what_is_left_of_a_stream_a_prefetch_and_a_scroll(
    stored: Orthanc, small_study: PhantomStudy, how: str
) -> None:
    """Stopped while requests are open: Orthanc's sockets are closed with the session's last task, and nothing comes late."""
    ids = image_ids(stored, small_study, 1)
    async with nothing_left():
        async with Session() as session:
            heard = Recorder(session.events)
            stop = STARTS[how](session, ids)
            await heard.count(1)
            await turn_until(lambda: session.stats().open_requests)
            assert psutil.CONN_ESTABLISHED in sockets(stored) or psutil.CONN_SYN_SENT in sockets(stored)
            stop()
            await turn_until(lambda: not session.stats().tasks)
            stats, kept = session.stats(), [session.cached(one) for one in ids]
            assert (stats.running, stats.open_requests, stats.queued_requests, stats.queued_work) == (0, 0, 0, 0)
            assert stats.cancelled
            assert [type(image.rows) async for image in session.stream(ids)] == [int] * len(ids)  # and it goes on
            assert kept.count(True) <= session.stats().images
        assert psutil.CONN_ESTABLISHED not in sockets(stored)


def _scrolled(session: Session, ids: list[str]) -> Callable[[], object]:
    scroll = session.scroll(ids)
    scroll.to(2)
    return scroll.dispose


STARTS: dict[str, Callable[[Session, list[str]], Callable[[], object]]] = {
    "stream": lambda session, ids: session.stream(ids).subscribe(lambda _: None).dispose,
    "prefetch": lambda session, ids: session.prefetch(ids).dispose,
    "scroll": _scrolled,
}


async def test_a_jump_during_a_prefetch(stored: Orthanc, small_study: PhantomStudy) -> None:
    ids = image_ids(stored, small_study, 1)
    async with nothing_left(), Session() as session:
        prefetch = session.prefetch(ids)
        with session.scroll(ids) as scroll:
            shown = Recorder(scroll.images)
            scroll.to(1)
            scroll.to(5)
            await shown.count(1)
            assert [str(image.image_id) for image in shown.values] == [ids[5]]
            await prefetch
        assert (prefetch.failures, all(session.cached(one) for one in ids)) == ({}, True)
        assert session.stats().errors == 0
