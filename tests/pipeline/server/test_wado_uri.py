from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornerstream.server import running_server
from cornerstream.server.wado_uri import byte_range, file_below, validators

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.pipeline.server.conftest import Served


def wado(served: Served, number: int = 0, changes: Mapping[str, str] | None = None) -> str:
    series = served.series(number)
    query = {
        "requestType": "WADO",
        "studyUID": served.study.study_instance_uid,
        "seriesUID": series.series_instance_uid,
        "objectUID": series.sop_instance_uids[0],
        "contentType": "application%2Fdicom",
    } | dict(changes or {})
    return f"{served.address.wado}?" + "&".join(f"{name}={value}" for name, value in query.items() if value)


@pytest.mark.parametrize("number", range(4))
async def test_the_file_itself(served: Served, number: int) -> None:
    answer = await served.get(wado(served, number))
    assert (answer.status, answer.content_type) == (200, "application/dicom")
    assert answer.body == served.series(number).files[0].read_bytes()
    assert int(answer.headers["Content-Length"]) == len(answer.body)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"requestType": ""}, 400),
        ({"objectUID": ""}, 400),
        ({"anonymize": "yes"}, 400),
        ({"objectUID": "1.2.3"}, 404),
        ({"studyUID": "1.2.3"}, 404),
        ({"studyUID": "", "seriesUID": ""}, 200),
        ({"contentType": "text/html"}, 406),
        ({"transferSyntax": "1.2.840.10008.1.2.1"}, 200),
        ({"transferSyntax": "1.2.840.10008.1.2.4.90"}, 406),
        ({"contentType": "image/png"}, 200),
        ({"contentType": "image/png", "frameNumber": "2"}, 404),
        ({"contentType": "image/png", "windowCenter": "40", "windowWidth": "x"}, 400),
        ({"contentType": "", "windowCenter": "40", "windowWidth": "400"}, 200),
    ],
)
async def test_parameters(served: Served, changes: dict[str, str], status: int) -> None:
    assert (await served.get(wado(served, 0, changes))).status == status


async def test_any_file_by_its_path(served: Served) -> None:
    path = served.series(2).files[3]
    answer = await served.get(served.address.file(str(path.relative_to(served.study.folder))))
    assert (answer.status, answer.body) == (200, path.read_bytes())


@pytest.mark.parametrize(
    ("asked", "status", "bounds"),
    [
        ("bytes=0-9", 206, (0, 10)),
        ("bytes=100-", 206, (100, None)),
        ("bytes=-7", 206, (-7, None)),
        ("bytes=0-99999999", 206, (0, None)),
        ("bytes=5-4", 200, (0, None)),
        ("bytes=0-1,4-5", 200, (0, None)),
        ("lines=1-2", 200, (0, None)),
    ],
)
async def test_ranges(served: Served, asked: str, status: int, bounds: tuple[int, int | None]) -> None:
    path = served.series(0).files[0]
    answer = await served.get(served.address.file(str(path.relative_to(served.study.folder))), Range=asked)
    assert (answer.status, answer.body) == (status, path.read_bytes()[slice(*bounds)])
    if status == 206:
        first, last, _ = slice(*bounds).indices(path.stat().st_size)
        assert answer.headers["Content-Range"] == f"bytes {first}-{last - 1}/{path.stat().st_size}"


async def test_a_range_behind_the_end(served: Served) -> None:
    path = served.series(0).files[0]
    answer = await served.get(served.address.file(str(path.relative_to(served.study.folder))), Range="bytes=99999999-")
    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{path.stat().st_size}"


RFC_FILE = 10_000  # the representation of RFC 9110's examples
EXAMPLES = {  # sections 14.1.2 and 14.4
    "bytes=0-499": range(500),
    "bytes=500-999": range(500, 1000),
    "bytes=-500": range(9500, 10_000),
    "bytes=9500-": range(9500, 10_000),
    "bytes=0-0": range(1),
    "bytes=-10001": range(10_000),
    "bytes=0-0,-1": None,
    "bytes= 0-999, 4500-5499, -1000": None,
    "bytes=500-600,601-999": None,
    "bytes=": None,
    "bytes=-": None,
    "bytes=a-b": None,
}


@pytest.mark.parametrize("asked", EXAMPLES)
def test_the_examples_of_the_standard(asked: str) -> None:
    assert byte_range(asked, RFC_FILE) == EXAMPLES[asked]


@pytest.mark.parametrize("route", ["wado", "file"])
async def test_a_range_of_the_version_that_is_meant(served: Served, route: str) -> None:
    path = served.series(0).files[0]
    url = wado(served) if route == "wado" else served.address.file(str(path.relative_to(served.study.folder)))
    whole = await served.get(url)
    etag, content = whole.headers["ETag"], path.read_bytes()
    assert (etag[0], etag[-1], whole.headers["Accept-Ranges"]) == ('"', '"', "bytes")
    part = await served.get(url, Range="bytes=5-9", **{"If-Range": etag})
    assert (part.status, part.body, part.headers["ETag"]) == (206, content[5:10], etag)
    assert part.headers["Content-Length"] == "5"
    for other in ('"other"', f"W/{etag}", whole.headers["Last-Modified"]):
        answer = await served.get(url, Range="bytes=5-9", **{"If-Range": other})
        assert (answer.status, answer.body) == (200, content)
    behind = await served.get(url, Range=f"bytes={len(content)}-", **{"If-Range": '"other"'})
    assert behind.status == 200  # the condition comes first
    same = await served.get(url, **{"If-None-Match": etag})
    assert (same.status, same.body, same.headers["ETag"]) == (304, b"", etag)


async def test_a_file_that_is_written_again_is_another_version(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    found = []
    for content in (b"one", b"two", b"three"):
        path.write_bytes(content)
        found.append(validators(path.stat()))
        os.utime(path, ns=(len(found), len(found)))  # a clock that stands still would be no fault of the server's
    assert len({one["ETag"] for one in found}) == 3


@settings(max_examples=80)
@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 40))
def test_a_range_is_what_slicing_takes(first: int, last: int, size: int) -> None:
    content = bytes(range(size))
    if first >= size:
        with pytest.raises(ValueError, match="bytes"):
            byte_range(f"bytes={first}-{last}", size)
    elif first <= last:
        taken = byte_range(f"bytes={first}-{last}", size)
        assert taken is not None
        assert content[taken.start : taken.stop] == content[first : last + 1]
    else:
        assert byte_range(f"bytes={first}-{last}", size) is None


OUTSIDE = [
    "../secret.txt",
    "a/../../secret.txt",
    "/etc/passwd",
    "//etc/passwd",
    "..",
    ".",
    "a/./b.txt",
    "link.txt",
    "linked/secret.txt",
    ".hidden",
    "a/.hidden/b.txt",
    "a",
    "",
    "a/b.txt\0",
    "..\\secret.txt",
    "missing.txt",
]


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    root = tmp_path / "served"
    for path in ("served/a/b.txt", "served/.hidden", "served/a/.hidden/b.txt", "secret.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("secret" if "b.txt" not in path or "hidden" in path else "open")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "linked").symlink_to(tmp_path)
    return root


@pytest.mark.parametrize("wanted", OUTSIDE)
def test_nothing_outside_is_found(trap: Path, wanted: str) -> None:
    assert file_below(trap, wanted) is None
    assert file_below(trap, "a/b.txt") == trap / "a" / "b.txt"


@pytest.mark.parametrize("wanted", OUTSIDE)
async def test_nothing_outside_is_sent(served: Served, trap: Path, wanted: str) -> None:
    from yarl import URL  # noqa: PLC0415 - only here: a URL that nobody tidies up

    async with running_server(trap) as address:
        for path in (quote(wanted, safe=""), quote(wanted), quote(wanted).replace(".", "%2e")):
            async with served.client.get(URL(f"{address.origin}/files/{path}", encoded=True)) as response:
                assert response.status in (400, 404)
                assert b"secret" not in await response.read()
