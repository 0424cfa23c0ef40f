"""Overlays and ICC profiles are the same by every route, also where the server leaves them as bulk data."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydicom import Dataset, Sequence, dcmread

from cornerstream.images.errors import DecodeError
from cornerstream.server.running import running_server
from cornerstream.session import Session
from tests.support.corpus import corpus_root, expected
from tests.support.frames import bundled
from tests.support.images import data_set_of
from tests.support.overlays import add_overlay, embedded_data_set, random_bits
from tests.support.part10 import BIG_ENDIAN, written
from tests.support.profiles import matrix_profile

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import FileDataset

    from cornerstream.images.image import Image

UIDS = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.1", "SOPInstanceUID": "1.2.3"}


async def by_every_route(path: Path, frame_number: int = 1) -> list[Image]:
    """The image from disk, by WADO-URI as a file, and by WADO-RS; `path` is alone in its folder."""
    header = dcmread(path, stop_before_pixels=True)
    instance = f"studies/{header.StudyInstanceUID}/series/{header.SeriesInstanceUID}/instances/{header.SOPInstanceUID}"
    async with running_server(path.parent) as at, Session() as session:
        routes = [
            f"dicomfile:{path}?frame={frame_number}",
            f"wadouri:{at.file(path.name)}?frame={frame_number}",
            f"wadors:{at.dicomweb}/{instance}/frames/{frame_number}",
        ]
        return [await session.load(route) for route in routes]


def filed(data_set: FileDataset, folder: Path) -> Path:
    for keyword, uid in UIDS.items():
        setattr(data_set, keyword, uid)
    (folder / "x.dcm").write_bytes(written(data_set))
    return folder / "x.dcm"


@pytest.mark.parametrize("size", [(9, 13), (120, 100)], ids=["inline", "bulk data"])
@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.1", BIG_ENDIAN])
async def test_separate_overlays(size: tuple[int, int], uid: str, tmp_path: Path) -> None:
    data_set = data_set_of(np.arange(48, dtype=np.uint16).reshape(3, 4, 4), uid, NumberOfFrames=3)
    bits = random_bits(3, *size)
    add_overlay(data_set, bits, 0x6004, e1500=("LO", "marks"))
    for image in await by_every_route(filed(data_set, tmp_path), 2):
        (overlay,) = image.overlays
        assert (overlay.group, overlay.label) == (0x6004, "marks")
        np.testing.assert_array_equal(overlay.mask, bits[1])


async def test_embedded_overlays(tmp_path: Path) -> None:
    words = np.random.default_rng(1).integers(0, 1 << 16, (20, 30), np.uint16)
    for image in await by_every_route(filed(embedded_data_set(words, 12, {0x6000: 14}), tmp_path)):
        np.testing.assert_array_equal(image.pixels, words & 0xFFF)
        np.testing.assert_array_equal(image.overlays[0].mask, words >> 14 & 1)
        assert image.to_display(overlays=True)[words >> 14 & 1 == 1].min() == 255


async def test_a_bad_overlay_harms_no_image(tmp_path: Path) -> None:
    data_set = data_set_of(np.arange(16, dtype=np.uint16).reshape(4, 4))
    add_overlay(data_set, random_bits(100, 100), e0010=("US", 60000), e0011=("US", 60000))
    for image in await by_every_route(filed(data_set, tmp_path)):
        np.testing.assert_array_equal(image.pixels, np.arange(16).reshape(4, 4))
        with pytest.raises(DecodeError, match="overlay 6000"):
            _ = image.overlays[0].mask


@pytest.mark.parametrize("deep", [False, True], ids=["data set", "optical path"])
async def test_profiles(deep: bool, tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (6, 7, 3), np.uint8)
    data_set = data_set_of(pixels, SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="RGB")
    profile = matrix_profile(1.8) + bytes(1000)  # too long to be sent inline
    if deep:
        path = Dataset()
        path.ICCProfile = profile
        data_set.OpticalPathSequence = Sequence([path])
    else:
        data_set.ICCProfile = profile
    images = await by_every_route(filed(data_set, tmp_path))
    assert [image.icc_profile for image in images] == [profile] * 3
    assert len({image.to_srgb().tobytes() for image in images}) == 1
    assert not np.array_equal(images[0].to_srgb(), pixels)


async def test_a_bundled_file(tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    shutil.copy(bundled("examples_overlay"), path)
    data_set = dcmread(path)
    for image in await by_every_route(path):
        for overlay in image.overlays:
            np.testing.assert_array_equal(overlay.mask, data_set.overlay_array(overlay.group))


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["dicom/dcm4che__ovly_p01.dcm", "dicom/pydicom__examples_overlay.dcm"])
async def test_the_corpus(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    shutil.copy(corpus_root() / name, path)
    wanted = [one["set_bits"] for one in expected()["files"][name]["overlays"]]
    first, *others = await by_every_route(path)
    assert [int(overlay.mask.sum()) for overlay in first.overlays] == wanted
    for image in others:
        assert [overlay.mask.tobytes() for overlay in image.overlays] == [
            overlay.mask.tobytes() for overlay in first.overlays
        ]
