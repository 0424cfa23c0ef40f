from __future__ import annotations

import shutil
import subprocess
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import get_frame, parse_basic_offsets

from cornerstream.phantom import CT_SYNTAXES, Phantom, PhantomStudy, write_study
from cornerstream.phantom.canvas import Canvas, Ellipse, Ellipsoid
from cornerstream.phantom.cine import rotating_view

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def volume() -> NDArray[np.int16]:
    return Phantom(slices=52, size=128).volume()


def at(volume: NDArray[np.int16], x: float, y: float, z: float) -> float:
    """Median of 3 × 3 pixels around a place in millimetres: a tissue without its noise."""
    slices, size, _ = volume.shape
    row, column = (round(value / 358 * size + (size - 1) / 2) for value in (y, x))
    return float(np.median(volume[round(z / 312 * slices), row - 1 : row + 2, column - 1 : column + 2]))


@pytest.mark.parametrize(
    ("tissue", "place", "low", "high"),
    [
        ("air", (0.0, -160.0, 100.0), -1024, -960),
        ("right lung", (-80.0, -30.0, 120.0), -950, -600),
        ("left lung", (80.0, 30.0, 120.0), -950, -600),
        ("windpipe", (-9.0, 8.0, 50.0), -1024, -850),
        ("aorta", (23.0, 38.0, 130.0), 250, 350),
        ("left ventricle", (46.0, -20.0, 163.0), 240, 350),
        ("liver", (-70.0, -10.0, 240.0), 60, 190),
        ("vertebra", (0.0, 52.0, 10.0), 120, 700),
        ("nodule", (-88.0, 22.0, 128.0), -20, 90),
    ],
)
def test_tissues_have_their_hounsfield_units(
    volume: NDArray[np.int16], tissue: str, place: tuple[float, float, float], low: int, high: int
) -> None:
    assert low <= at(volume, *place) <= high, tissue


def test_the_volume_changes_smoothly_from_slice_to_slice(volume: NDArray[np.int16]) -> None:
    steps = np.abs(np.diff(volume.astype(np.float32), axis=0)).mean((1, 2))
    apart = np.abs(volume[10].astype(np.float32) - volume[45]).mean()
    assert steps.min() > 1.0  # every slice is another
    assert steps.max() < apart / 1.5


def test_the_same_numbers_give_the_same_phantom(volume: NDArray[np.int16]) -> None:
    again = Phantom(slices=52, size=128)
    assert np.array_equal(again.volume(threads=1), volume)
    assert np.array_equal(again.slice(17), volume[17])
    assert not np.array_equal(Phantom(slices=52, size=128, seed=8).slice(17), volume[17])


def test_values_are_those_of_a_scanner(volume: NDArray[np.int16]) -> None:
    assert volume.dtype == np.int16
    assert volume.shape == (52, 128, 128)
    assert volume.min() == -1024
    assert 500 < volume.max() <= 3071


def test_the_view_turns_once(volume: NDArray[np.int16]) -> None:
    views = rotating_view(volume, frames=8, size=64)
    assert views.shape == (8, 64, 64, 3)
    assert views.dtype == np.uint8
    assert views[0].std(axis=2).max() > 20  # colour
    assert all(np.abs(one.astype(int) - other).mean() > 1 for one, other in pairwise(views))


@pytest.mark.parametrize("number", range(3))
def test_slices_decode_to_the_phantom_everywhere(small_study: PhantomStudy, number: int) -> None:
    series = small_study.series[number]
    assert series.transfer_syntax_uid == CT_SYNTAXES[number].transfer_syntax_uid
    for index, path in enumerate(series.files):
        dataset = dcmread(path)
        hu = dataset.pixel_array.astype(int) * int(dataset.RescaleSlope) + int(dataset.RescaleIntercept)
        assert np.array_equal(hu, Phantom(6, 64).slice(index))
        assert dataset.file_meta.TransferSyntaxUID == series.transfer_syntax_uid
        assert dataset.SOPInstanceUID == series.sop_instance_uids[index]


def test_geometry_says_where_a_slice_is(small_study: PhantomStudy) -> None:
    datasets = [dcmread(path, stop_before_pixels=True) for path in small_study.series[0].files]
    heights = [float(one.ImagePositionPatient[2]) for one in datasets]
    assert np.allclose(np.diff(heights), -312 / 6)
    assert [one.InstanceNumber for one in datasets] == list(range(1, 7))
    assert datasets[0].PixelSpacing == [358 / 64] * 2
    centre = np.array(datasets[0].ImagePositionPatient[:2], float) + 63 / 2 * 358 / 64
    assert np.allclose(centre, 0, atol=1e-5)


def test_file_names_do_not_tell_the_order(small_study: PhantomStudy) -> None:
    for series in small_study.series[:3]:
        assert sorted(series.files) != list(series.files)


def test_the_series_are_one_body(small_study: PhantomStudy) -> None:
    frames = {dcmread(one.files[0]).get("FrameOfReferenceUID") for one in small_study.series[:3]}
    assert len(frames) == 1
    headers = [dcmread(path) for one in small_study.series for path in one.files]
    assert {one.StudyInstanceUID for one in headers} == {small_study.study_instance_uid}
    assert len({one.SOPInstanceUID for one in headers}) == len(headers) == 19


def test_the_cine_is_jpeg_with_an_offset_table(small_study: PhantomStudy) -> None:
    dataset = dcmread(small_study.series[3].files[0])
    assert (dataset.NumberOfFrames, dataset.PhotometricInterpretation) == (12, "YBR_FULL_422")
    assert len(parse_basic_offsets(dataset.PixelData)) == 12
    assert dataset.pixel_array.shape == (12, 64, 64, 3)
    stream = get_frame(dataset.PixelData, 0, number_of_frames=12)
    start = stream.index(b"\xff\xc0")
    assert stream[start + 11] == 0x21  # luma has twice as many samples across, as many down: 4:2:2


@pytest.mark.skipif(shutil.which("dcmdump") is None, reason="DCMTK is not installed")
def test_dcmtk_reads_every_kind_of_file(small_study: PhantomStudy) -> None:
    for series in small_study.series:
        dump = subprocess.run(
            ["dcmdump", "+E", str(series.files[0])], capture_output=True, text=True, check=True, timeout=20
        )
        assert "SOPInstanceUID" in dump.stdout
        assert not [line for line in dump.stderr.splitlines() if line.startswith(("W:", "E:"))]


def test_a_study_is_written_the_same_again_and_sums_up(tmp_path: Path, small_study: PhantomStudy) -> None:
    again = write_study(tmp_path / "new" / "folder", slices=6, size=64, cine_frames=0, syntaxes=CT_SYNTAXES[:1])
    assert len(again.series) == 1
    assert again.frames == 6
    assert again.nbytes == sum(path.stat().st_size for path in again.series[0].files)
    for one, other in zip(again.series[0].files, small_study.series[0].files, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_shapes_lie_where_they_are_said_to() -> None:
    canvas = Canvas(100, 0.0)
    canvas.ellipse(Ellipse(60.0, -30.0, 30.0, 20.0), 500.0)
    canvas.ellipse(None, 900.0)
    canvas.ellipse(Ellipse(400.0, 400.0, 10.0, 10.0), 900.0)  # outside of the field
    inside = canvas.hu > 0
    rows, columns = np.nonzero(inside)
    assert np.allclose(((columns.mean() - 49.5) * 3.58, (rows.mean() - 49.5) * 3.58), (60, -30), atol=1.5)
    assert inside.sum() * 3.58**2 == pytest.approx(np.pi * 30 * 20, rel=0.08)
    assert Ellipsoid(0, 0, 10.0, 5, 5, 5).at(16.0) is None
    cut = Ellipsoid(0, 0, 10.0, 5, 4, 5).at(13.0)
    assert cut is not None
    assert (cut.rx, cut.ry) == pytest.approx((4.0, 3.2))
