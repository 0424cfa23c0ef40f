from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from PIL import Image as Pillow
from pydicom.pixels.processing import apply_rescale, apply_windowing

from tests.support.hostile import without_delays

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from cornerstream.phantom import PhantomStudy
    from cornerstream.server import ServerAddress
    from tests.pipeline.cli.conftest import Typed


def displayed(path: Path, center: float, width: float) -> NDArray[np.float64]:
    """What pydicom makes of a file in a window, 0 … 255."""
    data_set = pydicom.dcmread(path)
    data_set.WindowCenter, data_set.WindowWidth = center, width
    shown: NDArray[np.float64] = apply_windowing(apply_rescale(data_set.pixel_array, data_set), data_set)
    lowest, highest = -1024.0, -1024.0 + 2**data_set.BitsStored - 1
    if data_set.PixelRepresentation:
        lowest, highest = -(2.0**15) - 1024, 2.0**15 - 1025
    grey: NDArray[np.float64] = (shown - lowest) / (highest - lowest) * 255
    return grey


@pytest.mark.parametrize("series", [0, 1, 2])
def test_stored_values_are_pydicoms(typed: Typed, small_study: PhantomStudy, tmp_path: Path, series: int) -> None:
    file = small_study.series[series].files[2]
    result = typed("load", file, "-o", tmp_path / "out", "--format", "npy")
    assert (result.exit_code, result.stdout) == (0, f"1 image written to {tmp_path / 'out'}\n")
    data_set = pydicom.dcmread(file)
    pixels = np.load(tmp_path / "out" / f"{data_set.SOPInstanceUID}.npy")
    np.testing.assert_array_equal(pixels, data_set.pixel_array)
    assert pixels.dtype == data_set.pixel_array.dtype


def test_png_is_displayed_in_the_window(typed: Typed, small_study: PhantomStudy, tmp_path: Path) -> None:
    file = small_study.series[0].files[3]
    assert typed("load", f"dicomfile:{file}", "-o", tmp_path, "--window", "-500,1200").exit_code == 0
    (path,) = tmp_path.glob("*.png")
    with Pillow.open(path) as picture:
        np.testing.assert_allclose(np.asarray(picture), displayed(file, -500, 1200), atol=1)


def test_several_at_once_by_every_route(
    typed: Typed, pacs: ServerAddress, small_study: PhantomStudy, tmp_path: Path
) -> None:
    series = small_study.series[1]
    url = f"{pacs.dicomweb}/studies/{small_study.study_instance_uid}/series/{series.series_instance_uid}/instances/"
    wadouri = f"wadouri:{pacs.file(str(series.files[1].relative_to(small_study.folder)))}"
    ids = [f"wadors:{url}{series.sop_instance_uids[0]}/frames/1", wadouri, str(series.files[2])]
    result = typed("load", *ids, "-o", tmp_path, "--format", "npy")
    assert (result.exit_code, result.stderr) == (0, "")
    for file, uid in zip(series.files[:3], series.sop_instance_uids, strict=False):
        np.testing.assert_array_equal(np.load(tmp_path / f"{uid}.npy"), pydicom.dcmread(file).pixel_array)
    assert len(list(tmp_path.iterdir())) == 3


def test_the_same_image_twice_is_written_once(typed: Typed, small_study: PhantomStudy, tmp_path: Path) -> None:
    file = small_study.series[0].files[0]
    result = typed("load", file, f"dicomfile:{file}", "-o", tmp_path)
    assert (result.exit_code, result.stdout) == (0, f"1 image written to {tmp_path}\n")


def test_a_frame_of_a_cine(typed: Typed, small_study: PhantomStudy, tmp_path: Path) -> None:
    (file,) = small_study.series[3].files
    assert typed("load", f"{file}?frame=7", "-o", tmp_path, "--format", "tiff").exit_code == 0
    (path,) = tmp_path.iterdir()
    assert path.name.endswith("_frame0007.tiff")
    with Pillow.open(path) as picture:
        assert (picture.mode, picture.size) == ("RGB", (64, 64))


def test_one_that_fails_does_not_stop_the_others(
    typed: Typed, pacs: ServerAddress, small_study: PhantomStudy, tmp_path: Path
) -> None:
    good = small_study.series[0].files[:2]
    url = f"{pacs.dicomweb}/studies/1.2/series/1.3/instances/1.4/frames/1"
    unknown = "gopher:somewhere"
    result = typed("load", good[0], f"wadors:{url}", unknown, good[1], f"{good[0]}?frame=9", "-o", tmp_path)
    assert result.exit_code == 1
    assert len(list(tmp_path.iterdir())) == 2
    lines = result.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "HttpStatusError",
        "UnknownSchemeError",
        "ImageIdError",
        "3 images failed",
    ]
    assert url in lines[0]
    assert unknown in lines[1]
    assert str(good[0]) in lines[2]
    assert result.stdout == f"2 images written to {tmp_path}\n"


def test_files_that_are_there_are_named_and_kept(typed: Typed, small_study: PhantomStudy, tmp_path: Path) -> None:
    files = small_study.series[0].files[:2]
    assert typed("load", files[0], "-o", tmp_path).exit_code == 0
    result = typed("load", *files, "-o", tmp_path)
    assert result.exit_code == 1
    assert result.stderr.startswith("FileExistsError: ")
    assert str(files[0]) in result.stderr
    assert len(list(tmp_path.iterdir())) == 2
    assert typed("load", *files, "-o", tmp_path, "--force").exit_code == 0


def test_credentials_of_an_image_id_are_not_said(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_delays(monkeypatch)
    result = typed("load", "wadouri:http://me:hush@127.0.0.1:9/x?token=hush2", "-o", tmp_path)
    assert result.exit_code == 1
    assert "hush" not in result.stderr + result.stdout


@pytest.mark.parametrize("source", ["folder", "server"])
def test_a_series_streams_to_numbered_files_in_order(
    typed: Typed, pacs: ServerAddress, small_study: PhantomStudy, tmp_path: Path, source: str
) -> None:
    series = small_study.series[2]
    where = str(small_study.folder) if source == "folder" else pacs.dicomweb
    arguments = ["--series", series.series_instance_uid, "--format", "npy", "--ahead", "2", "-o", tmp_path]
    result = typed("stream", where, *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"6 images written to {tmp_path}\n", "")
    upwards = list(reversed(list(zip(series.files, series.sop_instance_uids, strict=True))))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"{number:04}_{uid}.npy" for number, (_, uid) in enumerate(upwards, 1)]
    for name, (file, _) in zip(names, upwards, strict=True):
        np.testing.assert_array_equal(np.load(tmp_path / name), pydicom.dcmread(file).pixel_array)


def test_stream_asks_which_series(typed: Typed, small_study: PhantomStudy, tmp_path: Path) -> None:
    result = typed("stream", small_study.folder, "-o", tmp_path)
    assert result.exit_code == 2
    assert all(one.series_instance_uid in result.stderr for one in small_study.series)
    assert typed("stream", small_study.folder, "--series", "1.2", "-o", tmp_path).exit_code == 2


def test_a_stream_goes_on_behind_an_image_that_fails(typed: Typed, small_study: PhantomStudy, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    series = small_study.series[0]
    shutil.copytree(series.files[0].parent, folder)
    broken = folder / series.files[2].name
    broken.write_bytes(broken.read_bytes()[:-100])
    result = typed("stream", folder, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "TruncatedError: " in result.stderr
    assert str(broken) in result.stderr
    assert len(list((tmp_path / "out").iterdir())) == 5
