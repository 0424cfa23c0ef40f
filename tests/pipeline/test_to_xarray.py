"""A series as a DataArray: names, millimetres, DICOM keywords; lazy or here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cornerstream.images.errors import DecodeError
from cornerstream.session import Session
from tests.support.slices import write_slices

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cornerstream.phantom import PhantomStudy

REGULAR = {"image_id", "slice", "row", "column"}


@pytest.fixture
def session() -> Iterator[Session]:
    with Session() as session:
        yield session


@pytest.mark.parametrize("lazy", [False, True])
def test_names_coordinates_and_attributes(tmp_path: Path, session: Session, lazy: bool) -> None:
    write_slices(tmp_path, 4)
    (series,) = session.folder(tmp_path)
    array = series.to_xarray(lazy=lazy)
    assert (array.dims, array.shape, array.name) == (("slice", "row", "column"), (4, 6, 5), "CT")
    assert (array.chunks is not None) is lazy
    assert session.stats().images == (0 if lazy else 4)
    assert array.slice.values.tolist() == [0, 2.5, 5, 7.5]
    assert array.row.values.tolist() == [0, 0.5, 1, 1.5, 2, 2.5]
    assert array.column.values.tolist() == [0, 0.75, 1.5, 2.25, 3]
    assert {array[name].attrs["units"] for name in array.dims} == {"mm"}
    assert array.image_id.values.tolist() == list(map(str, series))
    assert array.attrs["modality"] == "CT"
    assert array.attrs["series_description"] == "Slices"
    assert array.attrs["pixel_spacing"] == (0.5, 0.75)
    assert array.attrs["image_position_patient"] == (-10, -20, 0)
    assert array.attrs["affine"] == [[0.75, 0, 0, -10], [0, 0.5, 0, -20], [0, 0, 2.5, 0], [0, 0, 0, 1]]
    assert "units" not in array.attrs
    assert None not in array.attrs.values()
    assert array.sel(slice=5.1, row=0.4, column=3, method="nearest").values == 200 + 5 + 4
    assert np.array_equal(array.values, series.to_array())


def test_modality_values_have_units(tmp_path: Path, session: Session) -> None:
    write_slices(tmp_path, 3, lambda index: {"RescaleSlope": index + 1})
    (series,) = session.folder(tmp_path)
    for lazy in (False, True):
        array = series.to_xarray(modality=True, lazy=lazy)
        assert array.attrs["units"] == "HU"
        assert array.dtype == np.float32
        assert array.isel(row=0, column=1).values.tolist() == [1 - 1024, 2 * 101 - 1024, 3 * 201 - 1024]


IRREGULAR: dict[str, tuple[Any, set[str]]] = {
    "uneven": (lambda index: {"ImagePositionPatient": [0, 0, index**2], "SliceThickness": 40}, REGULAR),
    "missing": (lambda index: {"ImagePositionPatient": [0, 0, index + (index > 2)]}, REGULAR),
    "tilt": (lambda index: {"ImagePositionPatient": [0, index, 2 * index]}, REGULAR),
    "duplicate": (lambda index: {"ImagePositionPatient": [0, 0, index // 2]}, {"image_id"}),
    "nowhere": (lambda _: {"ImagePositionPatient": None}, {"image_id"}),
}


@pytest.mark.parametrize("name", IRREGULAR)
@pytest.mark.parametrize("lazy", [False, True])
def test_what_is_not_regular(tmp_path: Path, session: Session, name: str, lazy: bool) -> None:
    change, coordinates = IRREGULAR[name]
    write_slices(tmp_path, 6, change)
    (series,) = session.folder(tmp_path)
    array = series.to_xarray(lazy=lazy)
    assert set(array.coords) == coordinates
    assert ("affine" in array.attrs) is (name == "tilt")
    if name == "uneven":
        assert array.slice.values.tolist() == [0, 1, 4, 9, 16, 25]
    if name == "missing":
        assert array.slice.values.tolist() == [0, 1, 2, 4, 5, 6]
    assert np.array_equal(array.values, series.to_array())


def test_colour_has_samples(small_study: PhantomStudy, session: Session) -> None:
    series = session.folder(small_study.folder)[3]
    array = series.to_xarray()
    assert array.dims == ("slice", "row", "column", "sample")
    assert array.shape == (12, 64, 64, 3)
    assert set(array.coords) == {"image_id"}


def test_mere_image_ids(tmp_path: Path, session: Session) -> None:
    paths = write_slices(tmp_path, 3)
    ids = [f"dicomfile:{path}" for path in paths]
    assert set(session.xarray(ids).coords) == {"image_id"}  # where they lie is known once they are loaded
    assert set(session.xarray(ids, lazy=False).coords) == REGULAR
    assert session.xarray(ids).attrs["pixel_spacing"] == (0.5, 0.75)
    assert set(session.xarray(ids[::-1], lazy=False).coords) == {"image_id"}  # not in the order of space


def test_a_slice_that_does_not_fit(tmp_path: Path, session: Session) -> None:
    write_slices(tmp_path, 3, lambda index: {"Rows": 5, "Columns": 6} if index == 1 else {})
    (series,) = session.folder(tmp_path)
    lazy = series.to_xarray()
    assert lazy[0].values.shape == (6, 5)
    with pytest.raises(DecodeError, match=r"0001\.dcm"):
        lazy.load()
    with pytest.raises(DecodeError, match=r"0001\.dcm"):
        series.to_xarray(lazy=False)


async def test_on_the_loop_of_the_session(tmp_path: Path) -> None:
    write_slices(tmp_path, 3)
    async with Session() as session:
        (series,) = await session.folder(tmp_path)
        assert series.to_xarray().shape == (3, 6, 5)
        with pytest.raises(RuntimeError, match="await"):
            series.to_xarray(lazy=False)


def test_without_xarray_it_says_what_to_install(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_slices(tmp_path, 2)
    (series,) = session.folder(tmp_path)
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match=r"pip install 'cornerstream\[xarray\]'"):
        series.to_xarray()
