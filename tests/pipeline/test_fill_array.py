"""A series as one array: every route, straight into place, each slice's own rescale, memory, and what does not fit."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.pixels.processing import apply_modality_lut

from cornerstream import fill_array
from cornerstream.fill_array import ArrayWish, array_for, put, reorder
from cornerstream.images import pixel_target
from cornerstream.images.display import to_modality
from cornerstream.images.errors import DecodeError, GeometryError, LimitError, SplitError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.server import server_process
from cornerstream.session import Session
from tests.support.corpus import corpus_root, expected
from tests.support.fakes import make_image
from tests.support.leaks import nothing_left
from tests.support.memory import MIB, growth_of
from tests.support.part10 import EXPLICIT
from tests.support.slices import write_slices
from tests.support.study import served

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from cornerstream.images.image import Image
    from cornerstream.phantom import PhantomStudy
    from cornerstream.series import Series


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each time that pixels were put where they are wanted: whether they had to be copied there."""
    found: list[bool] = []
    is_same = pixel_target._is_same

    def look(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
        found.append(not is_same(one, other))
        return not found[-1]

    monkeypatch.setattr(pixel_target, "_is_same", look)
    return found


@pytest.mark.parametrize("route", ["folder", "dicomweb"])
async def test_every_series_of_a_study(small_study: PhantomStudy, route: str) -> None:
    async with nothing_left(), served(small_study) as at, Session() as session:
        listed: list[Series]
        if route == "folder":
            listed = await session.folder(small_study.folder)
        else:
            listed = await session.study(at.address.dicomweb, small_study.study_instance_uid)
        assert len(listed) == 4
        for series in listed:
            array = await session.array(series)
            assert session.stats().cached_bytes == 0
            usual = [image.pixels async for image in session.stream(series, keep=False)]
            assert array.dtype == usual[0].dtype
            assert np.array_equal(array, usual)
            assert array.flags.writeable
            assert array.flags.c_contiguous


def copies_needed(series: Series) -> int:
    """Native pixels go from the bytes of their file into the array, others straight from their decoder."""
    assert series.metadata is not None
    return len(series) if series.metadata.transfer_syntax_uid == EXPLICIT else 0


async def test_decoders_write_straight_into_it(small_study: PhantomStudy, copies: list[bool]) -> None:
    """Native, JPEG 2000, HTJ2K and JPEG in colour: the first image alone is copied, since it tells what is needed."""
    async with Session() as session:
        for series in await session.folder(small_study.folder):
            copies.clear()
            await session.array(series)
            assert sum(copies) == max(1, copies_needed(series))


async def test_a_stream_into_a_volume_copies_nothing(small_study: PhantomStudy, copies: list[bool]) -> None:
    async with Session() as session:
        for series in await session.folder(small_study.folder):
            usual = (await session.load(series[0], keep=False)).pixels
            out = np.empty((len(series), *usual.shape), usual.dtype)
            copies.clear()
            assert len([image async for image in session.stream(series, out=out)]) == len(series)
            assert sum(copies) == copies_needed(series)


def slopes(index: int) -> dict[str, Any]:
    return {"RescaleSlope": [0.1, 3, 1e-3, 7.25, 1.7][index], "RescaleIntercept": [-1, 0, 1e4, -1024.5, 0.3][index]}


@pytest.mark.parametrize("dtype", [None, np.float32, np.float64])
@pytest.mark.parametrize("on_loop", [False, True])
async def test_each_slice_has_its_own_rescale(
    tmp_path: Path, dtype: type[np.floating[Any]] | None, on_loop: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not on_loop:
        monkeypatch.setattr(fill_array, "_AT_ONCE", 0)
    files = [dcmread(path) for path in write_slices(tmp_path, 5, slopes)]
    wanted = np.stack([apply_modality_lut(one.pixel_array, one) for one in files])
    async with nothing_left(), Session() as session:
        (series,) = await session.folder(tmp_path)
        array = await session.array(series, modality=True, dtype=dtype)
        assert array.dtype == (dtype or np.float32)
        assert np.array_equal(array, wanted.astype(array.dtype))
        assert np.array_equal(await session.array(series), [one.pixel_array for one in files])


async def test_modality_values_are_computed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    heights: list[int] = []

    def noted(image: Image, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
        heights.append(len(pixels))
        return to_modality(image, pixels)

    monkeypatch.setattr(fill_array, "to_modality", noted)
    monkeypatch.setattr(fill_array, "_BLOCK", 3 * 64 * 4)
    image = make_image("held:1", size=64)
    out = np.ones((64, 64), np.float32)
    assert put(image, out, modality=True) is out
    assert not out.any()
    assert heights == [3] * 21 + [1]
    with pytest.raises(DecodeError, match=r"held:1: `out` has the shape \(64, 63\)"):
        put(image, np.ones((64, 63), np.float32), modality=True)


async def test_a_process_fills_a_copy_which_is_copied_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 - slow to import, and needed here alone

    monkeypatch.setattr(fill_array, "_AT_ONCE", 0)
    write_slices(tmp_path, 2, slopes)
    with ProcessPoolExecutor(1) as pool:
        async with Session() as session:
            (series,) = await session.folder(tmp_path)
            wanted = await session.array(series, modality=True)
        async with Session(executor=pool) as session:
            assert np.array_equal(await session.array(series, modality=True), wanted)


async def test_dtype_and_out(tmp_path: Path) -> None:
    write_slices(tmp_path, 4)
    async with Session() as session:
        (series,) = await session.folder(tmp_path)
        stored = await session.array(series)
        assert (await session.array(series, dtype="int32")).dtype == np.int32
        out = np.zeros((4, 6, 5), np.float32)
        assert await session.array(series, out=out) is out
        assert np.array_equal(out, stored)
        with pytest.raises(DecodeError, match="do not fit uint8") as caught:
            await session.array(series, dtype=np.uint8)
        assert str(caught.value.image_id) in map(str, series)
        with pytest.raises(ValueError, match=r"`out` has the shape \(4, 6, 6\), the series needs \(4, 6, 5\)"):
            await session.array(series, out=np.zeros((4, 6, 6), np.int16))
        with pytest.raises(ValueError, match="read-only"):
            session.array(series, out=np.broadcast_to(np.int16(0), (4, 6, 5)))
        with pytest.raises(ValueError, match="is of int16, not of int32"):
            session.volume(series, out=np.zeros((4, 6, 5), np.int16), dtype=np.int32)
        with pytest.raises(ValueError, match="without images"):
            await session.array([])


async def test_one_slice_that_differs_is_named(tmp_path: Path) -> None:
    def larger(index: int) -> dict[str, Any]:
        return {"Rows": 5, "Columns": 6} if index == 3 else {}

    write_slices(tmp_path, 5, larger)
    async with nothing_left(), Session() as session:
        (series,) = await session.folder(tmp_path)
        with pytest.raises(DecodeError, match=r"0003\.dcm.*shape"):
            await session.array(series)
        with pytest.raises(GeometryError, match="of another size"):
            await session.volume(series)
        with pytest.raises(DecodeError, match=r"0003\.dcm.*shape"):
            await session.array(series, modality=True)
        await session.load(series[3])
        with pytest.raises(DecodeError, match=r"0003\.dcm.*shape"):  # out of the cache as well
            await session.array(series)


async def test_a_broken_slice_is_named_and_nothing_goes_on(tmp_path: Path) -> None:
    paths = write_slices(tmp_path, 30)
    async with nothing_left(), Session() as session:
        (series,) = await session.folder(tmp_path)
        session._engine.resources.kept.clear()  # else the headers are believed as they were listed
        paths[17].write_bytes(paths[17].read_bytes()[:-20])
        with pytest.raises((SplitError, OSError), match=r"0017\.dcm"):
            await session.volume(series)
        assert session.stats().running == 0


async def test_dtype_that_a_later_slice_does_not_fit(tmp_path: Path) -> None:
    def unsigned(index: int) -> dict[str, Any]:
        return {"PixelRepresentation": 0, "PixelData": np.full(30, 40000, "<u2").tobytes()} if index == 2 else {}

    write_slices(tmp_path, 3, unsigned)
    async with Session() as session:
        (series,) = await session.folder(tmp_path)
        with pytest.raises(DecodeError, match=r"0002\.dcm.*do not fit int16"):
            await session.array(series)
        assert (await session.array(series, dtype=np.int32)).max() == 40000


async def test_an_array_above_the_limit_is_refused_before_it_is_made(tmp_path: Path) -> None:
    write_slices(tmp_path, 4)
    async with Session(limits=Limits(volume_bytes=4 * 30 * 2)) as session:
        (series,) = await session.folder(tmp_path)
        assert (await session.array(series)).nbytes == 240
        with pytest.raises(LimitError, match="is 480 bytes, above the limit volume_bytes=240"):
            await session.array(series, modality=True)


async def test_modality_values_that_do_not_fit_are_named(tmp_path: Path) -> None:
    write_slices(tmp_path, 3, lambda index: {"RescaleSlope": "1e60" if index == 1 else 1})
    async with Session() as session:
        (series,) = await session.folder(tmp_path)
        with pytest.raises(DecodeError, match=r"0001\.dcm.*do not fit float32"):
            await session.array(series, modality=True)
        assert (await session.array(series, modality=True, dtype=np.float64)).max() > 1e61


def test_more_than_memory_is_a_typed_error() -> None:
    with pytest.raises(LimitError, match="more than there is memory"):
        array_for(1 << 45, make_image("held:1", size=64), ArrayWish(), Limits(volume_bytes=1 << 62))
    with pytest.raises(LimitError, match="volume_bytes"):
        array_for(1 << 45, make_image("held:1", size=64), ArrayWish(), DEFAULT_LIMITS)


@given(st.integers(0, 9).flatmap(lambda count: st.permutations(range(count))))
def test_reorder(order: list[int]) -> None:
    array = np.arange(len(order) * 2).reshape(-1, 2)
    wanted = array[order]
    reorder(array, order)
    assert np.array_equal(array, wanted)


def fill(mark: Callable[[], None], folder: str, origin: str, modality: bool) -> list[int]:
    """Fill an array in a process of its own; the bytes of the array."""
    with Session(cache_bytes=1 << 30) as session:
        listing = session.study(f"{origin}/dicom-web", "1.2.3") if origin else session.folder(folder)
        (series,) = listing
        session.load(series[0], keep=False).result()  # what is imported at the first load is none of the array's
        mark()
        array = session.array(series, modality=modality).result()
        assert float(array[-1].max()) == 100 * (len(array) - 1) + 99 - 1024 * modality
        return [array.nbytes]


@pytest.mark.parametrize(("route", "modality"), [("folder", True), ("dicomweb", False)])
def test_memory_is_the_array_and_a_little(tmp_path: Path, route: str, modality: bool) -> None:
    write_slices(tmp_path, 80, size=(1024, 512))
    if route == "folder":
        growth = growth_of(fill, str(tmp_path), "", modality)
    else:
        with server_process(tmp_path) as address:
            growth = growth_of(fill, "", address.origin, modality)
    (nbytes,) = growth.result
    assert nbytes == 80 * MIB * (2 if modality else 1)
    assert growth.nbytes < nbytes + 64 * MIB


@pytest.mark.corpus
@pytest.mark.parametrize(
    "name", ["ct_ge_head_28", "mr_brain_21", "mr_structural_t1w_120of384", "mr_tfl_96_jpegll_fragmented"]
)
async def test_series_of_real_scanners(name: str) -> None:
    wanted = expected("series")[name]
    async with Session() as session:
        (series,) = await session.folder(corpus_root() / "series" / name)
        array = await session.array(series)
        assert array.dtype == wanted["volume_dtype"]
        assert list(array.shape) == wanted["volume_shape"]
        assert hashlib.sha256(array.tobytes()).hexdigest() == wanted["volume_sha256"]
