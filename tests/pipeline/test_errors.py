"""Whatever goes wrong ends in the right typed error that names the image, or in a retried success; nothing hangs."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

import pytest

from cornerstream.images.errors import (
    DecodeError,
    FetchError,
    HttpStatusError,
    ImageIdError,
    ImageLoadError,
    LimitError,
    SplitError,
    TruncatedError,
    UnknownSchemeError,
    UnsupportedTransferSyntaxError,
)
from cornerstream.images.limits import Limits
from cornerstream.ranks import RankCell
from cornerstream.session import Session
from tests.support.hostile import without_delays
from tests.support.leaks import nothing_left
from tests.support.study import Served, served

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from cornerstream.phantom import PhantomStudy


@pytest.fixture
async def at(small_study: PhantomStudy, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Served, None]:
    without_delays(monkeypatch)
    async with nothing_left(), served(small_study) as at:
        yield at


def image_id(at: Served, route: str, fault: str) -> str:
    series = at.study.series[0]
    return at.wadors(series, 0, f"?fault={fault}") if route == "wadors" else at.wadouri(series, 0, f"&fault={fault}")


@pytest.mark.parametrize("route", ["wadors", "wadouri"])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [("404", HttpStatusError), ("cut:200", TruncatedError), ("cut-chunked:200", TruncatedError), ("reset", FetchError)],
)
async def test_a_server_that_fails(at: Served, route: str, fault: str, kind: type[ImageLoadError]) -> None:
    text = image_id(at, route, fault)
    async with Session() as session:
        with pytest.raises(kind) as caught:
            await session.load(text)
        assert str(caught.value).startswith(text)
        assert not session.cached(text)
        assert session.stats().running == 0


@pytest.mark.parametrize("route", ["wadors", "wadouri"])
@pytest.mark.parametrize("fault", ["503:1:0", "503:2:0", "429:1:0"])
async def test_a_busy_server_is_asked_again(at: Served, route: str, fault: str) -> None:
    async with Session() as session:
        image = await session.load(image_id(at, route, fault))
        assert image.rows == 64
        plain = await session.load(image_id(at, route, fault).replace(fault, "gzip"))
        assert (plain.pixels == image.pixels).all()


async def test_a_wrong_boundary(at: Served) -> None:
    async with Session() as session:
        with pytest.raises((SplitError, TruncatedError)):
            await session.load(image_id(at, "wadors", "boundary"))


async def test_a_missing_content_type(at: Served) -> None:
    async with Session() as session:
        with pytest.raises(ImageLoadError, match="Content-Type"):
            await session.load(image_id(at, "wadors", "no-content-type"))
        image = await session.load(image_id(at, "wadouri", "no-content-type"))  # a Part 10 file speaks for itself
        assert image.rows == 64


@pytest.mark.parametrize("route", ["wadors", "wadouri"])
async def test_a_frame_that_is_not_there(at: Served, route: str) -> None:
    cine = at.study.series[-1]
    text = at.wadors(cine, 12) if route == "wadors" else at.wadouri(cine, 12)
    async with Session() as session:
        with pytest.raises((ImageIdError, HttpStatusError)) as caught:
            await session.load(text)
        assert str(caught.value).startswith(text)


async def test_frame_zero_and_no_frame_at_all() -> None:
    async with Session() as session:
        for text in ("wadouri:http://127.0.0.1/a?frame=0", "wadors:http://h/frames/zero", "nothing", ""):
            with pytest.raises(ImageIdError):
                session.load(text)


async def test_an_address_that_is_none(at: Served) -> None:
    async with Session() as session:
        for text in ("wadors:http://127.0.0.1/here", "wadouri:ftp://127.0.0.1/x", "wadouri:here"):
            with pytest.raises(ImageLoadError) as caught:
                await session.load(text)
            assert str(caught.value).startswith(text)


async def test_an_unknown_scheme() -> None:
    async with Session() as session:
        with pytest.raises(UnknownSchemeError, match="nosuch:x: no loader for the scheme 'nosuch'"):
            await session.load("nosuch:x")


async def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    without_delays(monkeypatch)
    async with Session() as session:
        with pytest.raises(FetchError, match=r"127\.0\.0\.1:9"):
            await session.load("wadouri:http://127.0.0.1:9/x")


async def test_limits_hold(at: Served) -> None:
    async with Session(limits=Limits(response_bytes=1000)) as session:
        with pytest.raises(LimitError):
            await session.load(image_id(at, "wadouri", "drip:500:0"))
    async with Session(limits=Limits(part_bytes=1000)) as session:
        with pytest.raises(LimitError):
            await session.load(image_id(at, "wadors", "drip:500:0"))


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"", SplitError), (b"not DICOM at all, but long enough to look at" * 9, SplitError), (bytes(300), SplitError)],
)
async def test_files_that_are_none(tmp_path: Path, content: bytes, kind: type[ImageLoadError]) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(content)
    async with Session() as session:
        with pytest.raises(kind) as caught:
            await session.load(f"dicomfile:{path}")
        assert str(caught.value).startswith(f"dicomfile:{path}")


async def test_a_file_with_an_unknown_transfer_syntax(tmp_path: Path, small_study: PhantomStudy) -> None:
    content = small_study.series[1].files[0].read_bytes()
    uid = small_study.series[1].transfer_syntax_uid.encode()
    path = tmp_path / "x.dcm"
    path.write_bytes(content.replace(uid, uid[:-1] + b"8", 1))
    async with Session() as session:
        with pytest.raises(UnsupportedTransferSyntaxError, match=r"1\.2\.840\.10008\.1\.2\.4\.98"):
            await session.load(f"dicomfile:{path}")


async def test_no_such_file(tmp_path: Path) -> None:
    async with Session() as session:
        with pytest.raises(FetchError, match="nowhere"):
            await session.load(f"dicomfile:{tmp_path}/nowhere.dcm")
        with pytest.raises(FetchError, match="nowhere"):
            await session.folder(tmp_path / "nowhere")


async def test_a_worker_that_dies() -> None:
    """The work it had ends in a typed error, and the next is done by a fresh worker."""
    async with Session(max_workers=1) as session:
        with pytest.raises(DecodeError, match="ended its process with status 3"):
            await session.workers.run(os._exit, 3, rank=RankCell(), holds_lock=True)
        assert await session.workers.run(abs, -3, rank=RankCell(), holds_lock=True) == 3


async def test_an_executor_that_is_shut_down(small_study: PhantomStudy) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        pass
    async with Session(executor=executor) as session:
        text = f"dicomfile:{small_study.series[0].files[0]}"
        with pytest.raises(DecodeError, match="no more work") as caught:
            await session.load(text)
        assert str(caught.value).startswith(text)
        assert session.stats().running == 0


async def test_processes_decode_as_well(small_study: PhantomStudy) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        async with Session(executor=executor) as session:
            for series in small_study.series:
                assert (await session.load(f"dicomfile:{series.files[0]}")).rows == 64
