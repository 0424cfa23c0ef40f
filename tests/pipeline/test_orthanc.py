"""What Orthanc does, as far as loaders rely on it; and the fixture that runs it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest
from pydicom import dcmread

from cornerstream.images.errors import HttpStatusError
from cornerstream.operators.transport import AiohttpTransport
from cornerstream.phantom import CT_SYNTAXES, write_study
from cornerstream.session import Session
from tests.support.cancelling import turn_until
from tests.support.leaks import nothing_left
from tests.support.multipart import mail_parts
from tests.support.orthanc import missing, running_orthanc
from tests.support.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from cornerstream.images.image_id import ImageId
    from cornerstream.operators.protocols import HttpRequest, HttpResponse
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


@dataclass
class Noting:
    """A transport that notes what is answered."""

    inner: AiohttpTransport
    answered: list[tuple[str, int]] = field(default_factory=list)

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[HttpResponse]:
        request = request.settled()
        what = "frames" if "/frames/" in request.url else request.url.rsplit("/", 2)[-2]
        try:
            async with self.inner.open(request) as response:
                self.answered.append((what, 200))
                yield response
        except HttpStatusError as error:
            self.answered.append((what, error.status))
            raise

    def take(self) -> Counter[tuple[str, int]]:
        counted = Counter(self.answered)
        self.answered.clear()
        return counted


@pytest.fixture(scope="module")
def htj2k(orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> PhantomStudy:
    """Two series of ten slices in HTJ2K, stored."""
    folder = tmp_path_factory.mktemp("htj2k")
    study = write_study(folder, slices=10, size=64, cine_frames=0, seed=5, syntaxes=[CT_SYNTAXES[2]] * 2)
    orthanc.upload(path for one in study.series for path in one.files)
    return study


@pytest.mark.parametrize("listed", [False, True])
async def test_htj2k_comes_by_wadors_and_what_is_refused_is_remembered(
    orthanc: Orthanc, htj2k: PhantomStudy, listed: bool
) -> None:
    async with nothing_left(), AiohttpTransport() as own:
        transport = Noting(own)
        async with Session(transport=transport) as session:
            counts = []
            for number, series in enumerate(htj2k.series):
                ids: Sequence[str | ImageId] = image_ids(orthanc, htj2k, number)
                if listed:
                    study = await session.study(orthanc.dicomweb, htj2k.study_instance_uid)
                    (found,) = [one for one in study if one.series_instance_uid == series.series_instance_uid]
                    ids = list(found)
                transport.take()
                images = [image async for image in session.stream(ids)]
                assert [str(image.image_id) for image in images] == [str(one) for one in ids]
                pixels = {one.SOPInstanceUID: one.pixel_array for one in map(dcmread, series.files)}
                for image in images:
                    np.testing.assert_array_equal(image.pixels, pixels[image.image_id.address.rpartition("/")[2]])
                counts.append(transport.take())
            assert session.stats().errors == 0
    assert 1 <= counts[0]["frames", 500] <= 8 + 3
    assert [count["instances", 200] for count in counts] == [10, 10]
    assert counts[1]["frames", 500] == counts[1]["frames", 200] == 0


async def test_an_htj2k_load_cancelled_while_its_instance_comes(orthanc: Orthanc, htj2k: PhantomStudy) -> None:
    ids = image_ids(orthanc, htj2k, 0)
    async with nothing_left():
        async with Session() as session:
            await session.load(ids[0])
            load = session.load(ids[1])
            heard = Recorder(load.observable)
            await turn_until(lambda: psutil.CONN_ESTABLISHED in sockets(orthanc) and session.stats().open_requests)
            load.cancel()
            await turn_until(lambda: not session.stats().tasks)
            stats = session.stats()
            assert (stats.running, stats.open_requests, stats.queued_requests, heard.values) == (0, 0, 0, [])
            assert session._made is not None
            assert (len(session._made.resources.files), len(session._made.resources.refusals)) == (0, 0)
        assert psutil.CONN_ESTABLISHED not in sockets(orthanc)
