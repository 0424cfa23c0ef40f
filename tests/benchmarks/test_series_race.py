"""Whole series from servers: prepared bodies, both static servers, Orthanc, and what becomes of the times."""

from __future__ import annotations

import json
from io import StringIO
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from rich.console import Console

from benchmarks.bench_series import fastest, figures, orthanc_floor, report, slower_floor
from benchmarks.coded import COLOUR, EXPLICIT, HTJ2K, JPEG_2000, NAMES, coded_series, one_coded
from benchmarks.common import OURS, Bench
from benchmarks.machine import cores
from benchmarks.prepared import prepare
from benchmarks.series_race import (
    DECODE_ALONE,
    EIGHT_AT_ONCE,
    FRAMES_ALONE,
    ITER_SERIES,
    SERIES_ALONE,
    SINGLE_FRAMES,
    Span,
    frame_urls,
    race_series,
)
from benchmarks.served import ORTHANC, Served
from benchmarks.static_server import nginx_binary, static_server
from tests.support.multipart import mail_parts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.orthanc import Orthanc


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("series"), Console(file=StringIO(), width=160), quick=True)


def get(url: str) -> tuple[str, bytes]:
    with urlopen(url, timeout=30) as answer:
        return answer.headers["Content-Type"], answer.read()


@pytest.mark.parametrize("nginx", [None, nginx_binary()])
def test_a_static_server_sends_what_was_prepared(bench: Bench, tmp_path: Path, nginx: str | None) -> None:
    coded = one_coded(bench, HTJ2K)
    uids = coded.series.sop_instance_uids
    prepare(tmp_path, coded)
    with static_server(tmp_path, quick=True, nginx=nginx) as served:
        root = f"{served.dicomweb}/studies/{coded.study_uid}/series"
        series = f"{root}/{coded.series.series_instance_uid}"
        frames = [mail_parts(*get(url)) for url in frame_urls(series, coded)]
        files = mail_parts(*get(series))
        content_type, metadata = get(f"{series}/metadata")
        assert len(json.loads(get(root)[1])) == 1
        assert mail_parts(*get(f"{series}/instances/{uids[1]}")) == [files[1]]
        with pytest.raises(HTTPError, match="404"):
            get(f"{series}/instances/{uids[0]}/frames/1,2")
    syntax = f"transfer-syntax={coded.series.transfer_syntax_uid}"
    assert frames == [[(f"application/octet-stream; {syntax}", frame)] for frame in coded.frames()]
    assert files == [(f"application/dicom; {syntax}", path.read_bytes()) for path in coded.series.files]
    assert content_type == "application/dicom+json"
    assert [model["00080018"]["Value"][0] for model in json.loads(metadata)] == list(uids)


@pytest.mark.orthanc
@pytest.mark.filterwarnings("default")  # the peers' own warnings are not ours to answer for
@pytest.mark.parametrize("name", [name for name in NAMES if name != JPEG_2000])  # slow
def test_everybody_reads_the_same_pixels_from_orthanc(bench: Bench, orthanc: Orthanc, name: str) -> None:
    pytest.importorskip("dicomweb_client", reason="dicomweb-client is not installed: pip install .[bench]")
    coded = one_coded(bench, name)
    orthanc.clear()
    orthanc.upload(coded.series.files)
    served = Served(ORTHANC, orthanc.dicomweb, lambda: 0.0)
    spans = race_series(served, coded, 1)
    report(bench, ORTHANC, served, coded, spans)
    frames = set() if name == HTJ2K else {FRAMES_ALONE, EIGHT_AT_ONCE}  # Orthanc 1.10 answers 500
    assert {OURS, SERIES_ALONE, DECODE_ALONE, ITER_SERIES, *frames} <= set(spans)
    assert all(len(found) == 1 and found[0].wall > 0 for found in spans.values())


def test_every_syntax_is_a_series_of_its_own(bench: Bench) -> None:
    series = list(coded_series(bench))
    assert [coded.name for coded in series] == list(NAMES)
    assert len({coded.series.transfer_syntax_uid for coded in series}) == len(NAMES)
    assert [coded.images for coded in series] == [4 if name == COLOUR else 8 for name in NAMES]
    assert all(len(list(coded.folder.iterdir())) == len(coded.series.files) for coded in series)


def spans(**walls: list[float]) -> dict[str, list[Span]]:
    names = {
        "ours": OURS,
        "series": SERIES_ALONE,
        "frames": FRAMES_ALONE,
        "decode": DECODE_ALONE,
        "iter": ITER_SERIES,
        "eight": EIGHT_AT_ONCE,
        "single": SINGLE_FRAMES,
    }
    return {names[name]: [Span(wall, wall / 2, 6.0, wall) for wall in found] for name, found in walls.items()}


def test_the_floor_is_the_slower_of_decoding_and_of_the_faster_download() -> None:
    times = {SERIES_ALONE: [1.0, 2.0, 9.0], FRAMES_ALONE: [3.0, 3.0, 3.0], DECODE_ALONE: [1.5, 1.5, 1.5]}
    assert slower_floor(times) == [1.5, 2.0, 9.0]
    assert fastest(times) == [1.5, 1.5, 1.5]


def test_the_floor_of_orthanc_shares_all_work_among_the_cores() -> None:
    found = orthanc_floor(spans(series=[1.0, 90.0], decode=[8.0, 8.0]))
    assert found == [max(8.0, (6.0 + 4.0) / cores()), 90.0]


def test_the_figures_of_a_static_server_and_of_orthanc() -> None:
    runs = spans(ours=[2.0], series=[1.0], frames=[3.0], decode=[0.5], iter=[6.0], eight=[30.0], single=[50.0])
    static = {one.what: (one.measured, one.reached) for one in figures("static", EXPLICIT, runs)}
    assert static == {
        "wall over the slower floor": (2.0, False),
        "processor time over the bare decode's": (4.0, False),
        "the fastest peer's wall over ours": (3.0, True),
    }
    orthanc = {one.what: one.measured for one in figures(ORTHANC, EXPLICIT, runs)}
    assert orthanc["the fastest peer's wall over ours"] == 3.0
    assert orthanc["the fastest peer of single objects over ours"] == 15.0
    assert orthanc["wall over the slowest of three"] == 2.0 / max(1.0, 6.25 / cores())
