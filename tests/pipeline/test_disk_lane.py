"""The disk cache in a session: what is trusted, what is asked for on condition, what is never stored."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from multidict import CIMultiDict

from cornerstream.disk import DiskCache, Stored
from cornerstream.disk_lane import DiskLane, DiskTransport, is_instance
from cornerstream.images.errors import HttpStatusError, TruncatedError
from cornerstream.operators.fetch import Body, read_whole
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.transport import AiohttpTransport
from cornerstream.session import Session
from tests.support.leaks import nothing_left
from tests.support.study import served

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
    from pathlib import Path

    from cornerstream.operators.protocols import HttpResponse
    from cornerstream.phantom import PhantomStudy

FILE = "http://127.0.0.1/file.dcm"
INSTANCE = "http://127.0.0.1/wado?requestType=WADO&objectUID=1.2.3"
BODY = b"the answer"


@dataclass
class Server:
    """Answers with these fields; remembers what it was asked with."""

    fields: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    unchanged: bool = False
    broken: bool = False
    body: bytes = BODY

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[Answer]:
        self.asked.append(dict(request.headers))
        if self.unchanged and {"If-None-Match", "If-Modified-Since"} & request.headers.keys():
            raise HttpStatusError("Not Modified", status=304)
        yield Answer(CIMultiDict(self.fields), self.body, self.broken)


@dataclass
class Answer:
    headers: Mapping[str, str]
    body: bytes
    broken: bool
    content_length: int | None = None

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        yield self.body[:4]
        if self.broken:
            raise TruncatedError("gone")
        yield self.body[4:]


class World:
    """A server, a disk, and what was reported."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.server = Server()
        self.disk = DiskCache(folder, **options)
        self.reports: list[str] = []
        self.lane = DiskLane(self.disk, lambda message, _: self.reports.append(message))

    async def get(self, url: str = FILE, accept: str = "*/*") -> bytes:
        transport = DiskTransport(self.server, self.lane)
        body = await read_whole(Body(HttpRequest(url, {"Accept": accept}), transport), 10**9)
        await self.lane.settled()
        return body


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World, None]:
    world = World(tmp_path / "kept")
    yield world
    await world.lane.aclose()


@pytest.mark.parametrize(
    ("fields", "condition"),
    [
        ({"ETag": '"1"'}, {"If-None-Match": '"1"'}),
        ({"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, {"If-Modified-Since": "Mon, 01 Jan 2024 00:00:00 GMT"}),
    ],
)
@pytest.mark.parametrize("url", [FILE, INSTANCE])
async def test_an_answer_with_a_validator_is_asked_for_on_condition(
    world: World, fields: dict[str, str], condition: dict[str, str], url: str
) -> None:
    world.server.fields = {**fields, "Content-Type": "a/b"}
    assert await world.get(url) == BODY
    world.server.unchanged = True
    assert await world.get(url) == BODY
    assert world.server.asked == [{"Accept": "*/*"}, {"Accept": "*/*", **condition}]
    assert world.lane.hits == 1
    world.server.unchanged, world.server.body = False, b"another answer"
    assert [await world.get(url), world.lane.hits] == [b"another answer", 1]
    world.server.unchanged = True
    assert await world.get(url) == b"another answer"


async def test_an_answer_without_a_validator_is_trusted_for_an_instance_only(world: World) -> None:
    for url in (INSTANCE, INSTANCE, FILE, FILE):
        assert await world.get(url) == BODY
    assert len(world.server.asked) == 3
    assert await world.get(INSTANCE, accept="another/type") == BODY
    assert len(world.server.asked) == 4


async def test_an_age_may_be_trusted(tmp_path: Path) -> None:
    world = World(tmp_path / "kept", valid_seconds=1000)
    await world.get()
    await world.get()
    assert len(world.server.asked) == 1
    for when in (0.0, 1e12):  # too old; from the future
        world.disk.put(f"body {FILE} */*", Stored({}, BODY, when))
        await world.get()
    assert len(world.server.asked) == 3
    await world.lane.aclose()


async def test_without_a_validator_there_is_no_condition(world: World) -> None:
    await world.get()
    assert await world.get() == BODY
    assert world.server.asked[-1] == {"Accept": "*/*"}


async def test_other_errors_are_the_servers(world: World) -> None:
    class Refusing(Server):
        @asynccontextmanager
        async def open(self, request: HttpRequest) -> AsyncIterator[Answer]:
            if self.asked:
                raise HttpStatusError("gone", status=404)
            async with super().open(request) as answer:
                yield answer

    world.server = Refusing({"ETag": "x"})
    await world.get()
    with pytest.raises(HttpStatusError, match="gone"):
        await world.get()


@pytest.mark.parametrize("value", ["no-store", "private, No-Store"])
async def test_what_the_server_forbids_is_not_stored(world: World, value: str) -> None:
    world.server.fields = {"cache-control": value}
    await world.get(INSTANCE)
    assert world.disk.nbytes == 0


async def test_a_broken_answer_is_not_stored(world: World) -> None:
    world.server.broken = True
    with pytest.raises(TruncatedError):
        await world.get(INSTANCE)
    await world.lane.settled()
    assert world.disk.nbytes == 0


async def test_a_damaged_entry_is_a_request(world: World, tmp_path: Path) -> None:
    await world.get(INSTANCE)
    for path in (tmp_path / "kept").iterdir():
        if path.name != "key":
            path.write_bytes(path.read_bytes()[:-1])
    assert await world.get(INSTANCE) == BODY
    assert len(world.server.asked) == 2


async def test_a_disk_that_fails_costs_requests_and_is_reported(world: World, tmp_path: Path) -> None:
    (tmp_path / "kept").chmod(0o755)
    assert [await world.get(INSTANCE), await world.get(INSTANCE)] == [BODY, BODY]
    assert len(world.server.asked) == 2
    assert set(world.reports) == {"the disk cache cannot be read", "the disk cache could not store an answer"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://pacs/dicom-web/studies/1/series/2/instances/3/metadata", True),
        ("https://pacs/dicom-web/studies/1/series/2/instances/3/frames/1", True),
        ("https://pacs/dicom-web/studies/1/series/2/instances/3", True),
        ("https://pacs/dicom-web/studies/1/series/2/instances", False),
        ("https://pacs/dicom-web/studies/1/series/2/metadata", False),
        ("https://pacs/dicom-web/studies?StudyInstanceUID=1", False),
        (INSTANCE, True),
        (FILE, False),
    ],
)
def test_what_names_an_instance(url: str, expected: bool) -> None:
    assert is_instance(url) is expected


# In sessions


@pytest.mark.parametrize("route", ["wadors", "wadouri"])
async def test_a_second_session_asks_for_nothing_again(small_study: PhantomStudy, tmp_path: Path, route: str) -> None:
    disk = DiskCache(tmp_path / "kept")
    async with nothing_left(), served(small_study) as at:
        addresses = [getattr(at, route)(series, 0) for series in small_study.series]
        async with Session(disk_cache=disk) as session:
            first = [await session.load(address) for address in addresses]
            assert (session.stats().requests > 0, session.stats().disk_hits) == (True, 0)
        async with Session(disk_cache=disk) as session:
            second = [await session.load(address) for address in addresses]
            # files have entity tags: the server is asked whether they are still the same, and sends nothing
            assert session.stats().requests == (len(addresses) if route == "wadouri" else 0)
            assert session.stats().bytes_received == 0
            assert session.stats().disk_hits >= len(addresses)
        assert all(np.array_equal(one.pixels, two.pixels) for one, two in zip(first, second, strict=True))
        disk.clear()
        async with Session(disk_cache=disk) as session:
            await session.load(addresses[0])
            assert session.stats().requests > 0


async def test_frames_that_travel_together_are_stored_each_for_itself(
    small_study: PhantomStudy, tmp_path: Path
) -> None:
    disk = DiskCache(tmp_path / "kept")
    (cine,) = [series for series in small_study.series if len(series.sop_instance_uids) == 1]
    async with nothing_left(), served(small_study) as at:
        addresses = [at.wadors(cine, index) for index in range(4)]
        async with Session(disk_cache=disk) as session:
            first = [image.pixels async for image in session.stream(addresses)]
        async with Session(disk_cache=disk) as session:
            third = await session.load(addresses[2])
            assert session.stats().requests == 0
        assert np.array_equal(third.pixels, first[2])


class NoStore:
    """A network on which every server forbids that its answers are stored."""

    def __init__(self) -> None:
        self._inner = AiohttpTransport()

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[HttpResponse]:
        async with self._inner.open(request) as response:
            fields = CIMultiDict({**response.headers, "Cache-Control": "no-store"})
            yield Forbidden(fields, response.content_length, response.chunks)

    async def aclose(self) -> None:
        await self._inner.aclose()


@dataclass
class Forbidden:
    headers: Mapping[str, str]
    content_length: int | None
    chunks: Callable[[], AsyncGenerator[bytes, None]]


@pytest.mark.parametrize("route", ["wadors", "wadouri"])
async def test_frames_that_the_server_forbids_are_not_stored(
    small_study: PhantomStudy, tmp_path: Path, route: str
) -> None:
    disk, transport = DiskCache(tmp_path / "kept"), NoStore()
    async with served(small_study) as at:
        async with Session(disk_cache=disk, transport=transport) as session:
            await session.load(getattr(at, route)(small_study.series[0], 0))
        await transport.aclose()
    assert disk.nbytes == 0


async def test_without_a_disk_cache_nothing_is_written(small_study: PhantomStudy, tmp_path: Path) -> None:
    disk = DiskCache(tmp_path / "kept")
    async with served(small_study) as at, Session() as session:
        await session.load(at.wadors(small_study.series[0], 0))
        assert session.stats().disk_hits == 0
    assert disk.nbytes == 0
