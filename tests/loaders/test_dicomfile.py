"""The loader of local files, with resources and workers held in hand."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pydicom.data
import pytest
import reactivex as rx
from pydicom import dcmread
from reactivex import operators as ops

from cornerstream.images.errors import FetchError, ImageIdError, SplitError
from cornerstream.images.image_id import ImageId
from cornerstream.loaders.context import LoadContext
from cornerstream.loaders.dicomfile import load, local_path
from cornerstream.operators.workers import ExecutorWorkers
from tests.support.leaks import open_descriptors
from tests.support.part10 import native

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from reactivex import Observable

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.operators.parts import Part
    from cornerstream.operators.protocols import HttpRequest, HttpResponse

T = TypeVar("T")
FILES = Path(pydicom.data.__file__).parent / "test_files"


class KeptResources:
    """Keeps every value for ever; counts how often each was made."""

    def __init__(self) -> None:
        self.context: LoadContext | None = None
        self.made: Counter[Hashable] = Counter()
        self._kept: dict[Hashable, Any] = {}  # one type a key

    def once(
        self, key: Hashable, fetch: Callable[[LoadContext], Observable[T]], nbytes: Callable[[T], int]
    ) -> Observable[T]:
        return rx.defer(lambda _: self._once(key, fetch, nbytes))

    def _once(
        self, key: Hashable, fetch: Callable[[LoadContext], Observable[T]], nbytes: Callable[[T], int]
    ) -> Observable[T]:
        if key in self._kept:
            return rx.just(self._kept[key])
        assert self.context is not None
        self.made[key] += 1

        def keep(value: T) -> None:
            assert nbytes(value) > 0
            self._kept[key] = value

        return fetch(self.context).pipe(ops.do_action(keep))

    def frame(
        self, key: Hashable, frames: Callable[[LoadContext], Observable[EncodedFrame]], frame_number: int
    ) -> Observable[EncodedFrame]:
        raise AssertionError("a local file is not streamed")

    def encoded(
        self, image_id: ImageId, source: Observable[EncodedFrame], *, with_its_file: bool = False
    ) -> Observable[EncodedFrame]:
        raise AssertionError("a local file is read again")

    def part(
        self, image_id: ImageId, parts: Callable[[LoadContext, Callable[[], Sequence[int]]], Observable[Part]]
    ) -> Observable[Part]:
        raise AssertionError("a local file has no parts")

    def either(self, *_: object) -> Observable[EncodedFrame]:
        raise AssertionError("nobody refuses a local file")

    def of_series(self, *_: object) -> Observable[EncodedFrame]:
        raise AssertionError("a local file comes alone")


class NoTransport:
    def open(self, request: HttpRequest) -> AbstractAsyncContextManager[HttpResponse]:
        raise AssertionError("a local file needs no network")


@pytest.fixture
def context() -> Iterator[LoadContext]:
    before = open_descriptors()
    resources = KeptResources()
    with ThreadPoolExecutor(1) as executor:
        resources.context = LoadContext(NoTransport(), ExecutorWorkers(executor), resources)
        yield resources.context
    assert not open_descriptors() - before


def made(context: LoadContext) -> Counter[Hashable]:
    assert isinstance(context.resources, KeptResources)
    return context.resources.made


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_RLE.dcm", "examples_palette.dcm", "rtdose.dcm"])
async def test_an_image_is_the_files(name: str, context: LoadContext) -> None:
    image = await load(ImageId.parse(f"dicomfile:{FILES / name}"), context)
    data_set = dcmread(FILES / name)
    assert image.sop_instance_uid == data_set.SOPInstanceUID
    if data_set.PhotometricInterpretation == "MONOCHROME2":
        wanted = data_set.pixel_array if data_set.get("NumberOfFrames", 1) == 1 else data_set.pixel_array[0]
        np.testing.assert_array_equal(image.pixels, wanted)
    assert set(image.timings) >= {"fetch", "decompress"}


async def test_frames_of_one_file_share_its_index(context: LoadContext) -> None:
    wanted = dcmread(FILES / "rtdose.dcm").pixel_array
    for number in (1, 7, 15):
        image = await load(ImageId.parse(f"dicomfile:{FILES / 'rtdose.dcm'}?frame={number}"), context)
        assert image.frame_number == number
        np.testing.assert_array_equal(image.pixels, wanted[number - 1])
    assert list(made(context).values()) == [1]


async def test_a_changed_file_is_looked_at_anew(context: LoadContext, tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    for value in (3, 5):
        path.write_bytes(native(bytes([value]) * 8) + bytes(value))
        image = await load(ImageId("dicomfile", str(path)), context)
        assert (image.pixels == value).all()


async def test_a_relative_path_and_a_tilde_are_taken_as_they_stand(
    context: LoadContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~").mkdir()
    (tmp_path / "~" / "100%25 ü.dcm").write_bytes(native(bytes(8)))
    image = await load(ImageId.parse("dicomfile:~/100%25 ü.dcm"), context)
    assert image.rows == 2


async def test_errors_name_what_is_wrong(context: LoadContext, tmp_path: Path) -> None:
    (tmp_path / "text.dcm").write_bytes(b"no dicom" * 100)
    cases: list[tuple[str, type[Exception], str]] = [
        (f"dicomfile:{tmp_path}/none.dcm", FetchError, r"none\.dcm: No such file"),
        (f"dicomfile:{tmp_path}", FetchError, "a folder"),
        (f"dicomfile:{tmp_path}/text.dcm", SplitError, "not a DICOM file"),
        (f"dicomfile:{FILES}/CT_small.dcm?frame=2", ImageIdError, "no frame 2"),
        ("dicomfile:file://elsewhere/x.dcm", ImageIdError, "not a local file"),
    ]
    for text, error, message in cases:
        with pytest.raises(error, match=message):
            await load(ImageId.parse(text), context)


async def test_it_is_cold_and_cancel_is_silent(context: LoadContext) -> None:
    loading = load(ImageId.parse(f"dicomfile:{FILES / 'CT_small.dcm'}"), context)
    assert not made(context)
    signals: list[object] = []
    loading.observable.subscribe(signals.append, signals.append, lambda: signals.append("completed"))
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    assert signals == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("dicomfile:/a/b.dcm", "/a/b.dcm"),
        ("dicomfile:a/b.dcm?frame=2", str(Path("a/b.dcm").absolute())),
        ("dicomfile:/a/b%20c.dcm", "/a/b%20c.dcm"),
        ("dicomfile:file:///a/b%20c%3Fd%23.dcm?frame=2", "/a/b c?d#.dcm"),
        ("dicomfile:FILE://localhost/a/%C3%BC.dcm", "/a/ü.dcm"),
        ("dicomfile:file:/a/b.dcm", "/a/b.dcm"),
    ],
)
def test_paths_and_file_urls(text: str, path: str) -> None:
    assert local_path(ImageId.parse(text)) == path


@pytest.mark.parametrize(
    "text", ["dicomfile:file://host/a", "dicomfile:file:a/b", "dicomfile:file:///a?b=1", "dicomfile:file:///a#b"]
)
def test_other_urls_are_refused(text: str) -> None:
    with pytest.raises(ImageIdError) as caught:
        local_path(ImageId.parse(text))
    assert str(caught.value.image_id) == text
