from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image as Picture
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.pixels.processing import apply_rescale, apply_windowing

from cornerstream.server.rendered import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.pipeline.server.conftest import Served

CINE = 3


def windowed(served: Served, number: int, center: float, width: float, function: str) -> NDArray[np.float64]:
    dataset = dcmread(served.series(number).files[2])
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = center, width, function
    values = apply_windowing(apply_rescale(dataset.pixel_array, dataset), dataset)
    low, high = (-32768 - 1024, 32767 - 1024) if dataset.PixelRepresentation else (-1024, 4095 - 1024)
    return np.asarray((values - low) / (high - low) * 255)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
async def test_png_is_the_windowed_frame(served: Served, number: int, function: str) -> None:
    name = function.lower().replace("_", "-")
    answer = await served.get(f"{served.instance_url(number, 2)}/rendered?window=40,400,{name}", Accept="image/png")
    assert (answer.status, answer.content_type) == (200, "image/png")
    pixels = np.asarray(Picture.open(BytesIO(answer.body)))
    assert np.abs(pixels - windowed(served, number, 40, 400, function)).max() <= 1


async def test_the_file_s_own_window_is_the_default(served: Served) -> None:
    url = served.instance_url(0, 2) + "/frames/1/rendered"
    usual = await served.get(url, Accept="image/png")
    same = await served.get(url + "?window=50,450", Accept="image/png")
    other = await served.get(url + "?window=-500,1500,linear", Accept="image/png")
    assert usual.body == same.body != other.body


async def test_colour_frames_are_colour(served: Served) -> None:
    answer = await served.get(served.instance_url(CINE) + "/frames/5/rendered", Accept="image/png")
    pixels = np.asarray(Picture.open(BytesIO(answer.body))).astype(int)
    stored = list(generate_frames(dcmread(served.series(CINE).files[0]).PixelData, number_of_frames=12))[4]
    expected = np.asarray(Picture.open(BytesIO(stored)).convert("RGB")).astype(
        int
    )  # Pillow brings a decoder of its own
    assert pixels.shape == (64, 64, 3)
    assert np.abs(pixels - expected).max() <= 4
    assert pixels.std(axis=2).max() > 10


async def test_jpeg_is_what_everything_gets(served: Served) -> None:
    for accept in ("*/*", "image/jpeg", "image/*"):
        answer = await served.get(served.instance_url(0) + "/rendered", Accept=accept)
        assert answer.content_type == "image/jpeg"
        assert Picture.open(BytesIO(answer.body)).size == (64, 64)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/rendered?window=1", 400),
        ("/rendered?window=1,2,cubic", 400),
        ("/rendered?window=1,0", 400),
        ("/rendered?window=nan,400", 400),
        ("/rendered?window=1,inf", 400),
        ("/frames/1,1/rendered", 400),
        ("/frames/0/rendered", 400),
        ("/frames/2/rendered", 404),
    ],
)
async def test_nonsense(served: Served, path: str, status: int) -> None:
    assert (await served.get(served.instance_url(0) + path)).status == status


async def test_other_types_are_not_acceptable(served: Served) -> None:
    assert (await served.get(served.instance_url(0) + "/rendered", Accept="video/mp4")).status == 406


def test_window_parameter() -> None:
    assert Window.parse("40,400") == Window(40, 400, "LINEAR")
    assert Window.parse("-1.5,0.5,linear-exact") == Window(-1.5, 0.5, "LINEAR_EXACT")
