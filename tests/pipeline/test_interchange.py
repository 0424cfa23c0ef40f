"""Volumes of series, in order and with their place in space; and the link from a series to its session."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK

import cornerstream as cs
from cornerstream.images.errors import GeometryError
from cornerstream.images.image_id import ImageId
from cornerstream.series import Series
from cornerstream.session import Session
from tests.support.corpus import corpus_root
from tests.support.leaks import nothing_left
from tests.support.slices import write_slices
from tests.support.study import served

if TYPE_CHECKING:
    from pathlib import Path

    from cornerstream.phantom import PhantomStudy


async def test_a_volume_is_where_simpleitk_has_it(tmp_path: Path) -> None:
    """Oblique, and written in another order than that of space."""
    order = [3, 0, 4, 1, 2]
    row, column = np.array([0.8, 0.6, 0]), np.array([-0.6, 0.8, 0]) * 0.6 + np.array([0, 0, 0.8])
    normal = np.cross(row, column)

    def oblique(index: int) -> dict[str, Any]:
        position = np.array([-10, 20, 5]) + 2.5 * order[index] * normal
        return {
            "ImageOrientationPatient": [*row, *column],
            "ImagePositionPatient": list(position),
            "InstanceNumber": 9 - index,
        }

    paths = write_slices(tmp_path, 5, oblique)
    ordered = [str(paths[order.index(place)]) for place in range(5)]
    oracle: Any = SimpleITK.ReadImage(ordered)
    async with nothing_left(), Session() as session:
        (series,) = await session.folder(tmp_path)
        volume = await session.volume(series, modality=True)
        assert np.array_equal(volume.array, SimpleITK.GetArrayFromImage(oracle))
        for index in ((0, 0, 0), (4, 5, 4), (1, 2, 3)):  # column, row, slice
            point = volume.affine @ (*index, 1)
            np.testing.assert_allclose(point[:3].tolist(), oracle.TransformIndexToPhysicalPoint(index), atol=1e-4)
        handed_on: Any = SimpleITK.GetImageFromArray(volume.array)
        handed_on.SetOrigin(volume.origin)
        handed_on.SetSpacing(volume.spacing)
        handed_on.SetDirection(volume.direction.ravel())
        for there in ((0, 0, 0), (4, 5, 4)):
            wanted = oracle.TransformIndexToPhysicalPoint(there)
            np.testing.assert_allclose(handed_on.TransformIndexToPhysicalPoint(there), wanted, atol=1e-4)


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["mr_structural_t1w_120of384", "mr_tfl_96_jpegll_fragmented"])
async def test_a_volume_of_a_real_scanner_is_where_simpleitk_has_it(name: str) -> None:
    async with Session() as session:
        (series,) = await session.folder(corpus_root() / "series" / name)
        volume = await session.volume(series)
        oracle: Any = SimpleITK.ReadImage([image_id.address for image_id in series])
        assert np.array_equal(volume.array, SimpleITK.GetArrayFromImage(oracle))
        far = volume.array.shape[2] - 1, volume.array.shape[1] - 1, volume.array.shape[0] - 1
        point = volume.affine @ (*far, 1)
        np.testing.assert_allclose(point[:3].tolist(), oracle.TransformIndexToPhysicalPoint(far), atol=0.01)


async def test_mere_image_ids_are_put_in_order(tmp_path: Path) -> None:
    paths = write_slices(tmp_path, 7)
    shuffled = [f"dicomfile:{paths[index]}" for index in (4, 2, 6, 0, 5, 1, 3)]
    async with Session() as session:
        volume = await session.volume(shuffled)
        assert volume.array[:, 0, 0].tolist() == [0, 100, 200, 300, 400, 500, 600]
        assert [image_id.address for image_id in volume.image_ids] == [str(path) for path in paths]
        assert (await session.array(shuffled))[:, 0, 0].tolist() == [400, 200, 600, 0, 500, 100, 300]


REFUSED: dict[str, tuple[Any, str]] = {
    "missing": (lambda index: {"ImagePositionPatient": [0, 0, 2.5 * (index + (index > 2))]}, "missing"),
    "duplicate": (lambda index: {"ImagePositionPatient": [0, 0, 2.5 * (index // 2)]}, "duplicate"),
    "no position": (lambda index: {"ImagePositionPatient": None if index == 3 else [0, 0, index]}, "position"),
    "orientation": (
        lambda index: {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1] if index == 2 else [1, 0, 0, 0, 1, 0]},
        "orientation",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_no_volume_is_refused_before_anything_is_loaded(tmp_path: Path, name: str) -> None:
    change, reason = REFUSED[name]
    write_slices(tmp_path, 6, change)
    async with nothing_left(), Session() as session:
        (series,) = await session.folder(tmp_path)
        with pytest.raises(GeometryError) as caught:
            await session.volume(series)
        assert caught.value.reason == reason
        assert session.stats().images == 0
        with pytest.raises(GeometryError):
            await session.volume(list(series))  # of mere image ids that is known once they are here
        assert session.stats().images == 6
        assert (await session.array(series)).shape == (6, 6, 5)
        if name == "missing":
            volume = await session.volume(series, allow_missing=True)
            with pytest.raises(GeometryError, match="evenly spaced"):
                volume.affine  # noqa: B018 - the property raises


async def test_one_image_is_no_volume(tmp_path: Path) -> None:
    write_slices(tmp_path, 1)
    async with Session() as session:
        (series,) = await session.folder(tmp_path)
        with pytest.raises(GeometryError, match="one slice"):
            await session.volume(series)
        assert (await session.array(series)).shape == (1, 6, 5)


async def test_every_way_to_list_gives_a_link(small_study: PhantomStudy) -> None:
    async with served(small_study) as at, Session() as session:
        dicomweb = at.address.dicomweb
        listed = [
            *await session.folder(small_study.folder),
            *await session.study(dicomweb, small_study.study_instance_uid),
        ]
        (study,) = await session.studies(dicomweb)
        listed += [placed.place.series async for placed in session.stream(study).placed]
        for series in listed:
            assert series.home.session() is session
            assert len(series.places) == len(series)
            assert series.metadata is not None
            assert (series.metadata.rows, series.metadata.columns) == (series.rows, series.columns)
            with pytest.raises(RuntimeError, match=r"use `await session\.volume\(series\)`"):
                series.to_array()


def test_a_series_knows_its_session(tmp_path: Path) -> None:
    write_slices(tmp_path, 3)
    with Session() as session:
        (series,) = session.folder(tmp_path)
        assert series.to_array().dtype == np.int16
        assert series.to_array(modality=True).dtype == np.float32
        volume = series.to_volume(dtype=np.int32)
        assert (volume.array.dtype, volume.spacing) == (np.dtype(np.int32), (0.75, 0.5, 2.5))
    for ask in (series.to_array, series.to_volume, series.to_dask, series.to_xarray):
        with pytest.raises(RuntimeError, match="closed"):
            ask()


def test_a_series_does_not_keep_its_session(tmp_path: Path) -> None:
    write_slices(tmp_path, 3)
    with Session() as session:
        (series,) = session.folder(tmp_path)
        gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None
    with pytest.raises(RuntimeError, match="is gone"):
        series.to_array()


def test_the_link_is_no_part_of_the_value(tmp_path: Path) -> None:
    write_slices(tmp_path, 3)
    with Session() as session:
        (series,) = session.folder(tmp_path)
        (other,) = session.folder(tmp_path)
        assert series == other
        assert hash(series) == hash(other)
        assert "home" not in repr(series)
        for same in (copy.copy(series), copy.deepcopy(series)):
            assert same == series
            assert np.array_equal(same.to_array(), series.to_array())
        sent = pickle.loads(pickle.dumps(series))
        assert sent == series
        assert sent.places == series.places
        with pytest.raises(RuntimeError, match=r"no session has listed this series.*session\.volume"):
            sent.to_array()
        assert np.array_equal(session.array(sent).result(), series.to_array())


def test_notebooks_show_what_a_series_is_without_loading_it() -> None:
    series = Series(
        (ImageId.parse("held:1"),), modality="CT", series_description="<script>alert(1)</script>", image_bytes=10
    )
    shown = series._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "<tr><th>images</th><td>1</td></tr>" in shown


def test_names_of_the_package() -> None:
    for name in ("GeometryError", "Volume", "VolumeLoad"):
        assert getattr(cs, name).__name__ == name
