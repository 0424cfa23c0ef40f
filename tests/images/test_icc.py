"""ICC profiles: Pillow's littlecms called directly, and profiles whose result a formula gives, are the oracles."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Picture
from PIL import ImageCms
from pydicom import Dataset, Sequence

from cornerstream.images import icc
from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import DecodedFrame
from cornerstream.images.image import Image
from cornerstream.images.image_id import ImageId
from cornerstream.images.metadata import LookupTable, Palette
from cornerstream.operators.decompress import decode_frame
from cornerstream.operators.metadata import read_dataset, read_json
from cornerstream.operators.part10 import parse_header
from cornerstream.operators.split_frames import split_part10
from cornerstream.operators.to_rgb import convert_to_rgb
from tests.support.corpus import corpus_root, expected
from tests.support.frames import EXPLICIT, describing
from tests.support.part10 import image_data_set, written
from tests.support.profiles import SRGB_COLORANTS, matrix_profile, matrix_to_srgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

ID = ImageId.parse("test:x")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SWAP = SRGB_COLORANTS[:, [2, 0, 1]]  # red is blue, green is red, blue is green


def colours(dtype: str = "u1", top: int = 255) -> NDArray[Any]:
    """A few hundred colours, greys and corners among them."""
    steps = np.linspace(0, top, 7).astype(dtype)
    return np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(49, 7, 3)


def image_of(pixels: NDArray[Any], profile: bytes | None, **attributes: Any) -> Image:
    described = describing(pixels, EXPLICIT, icc_profile=profile, **attributes)
    return Image.of(DecodedFrame(described, pixels, described.photometric_interpretation), ID)


def by_pillow(pixels: NDArray[np.uint8], profile: bytes, intent: int) -> NDArray[np.uint8]:
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    transform = ImageCms.buildTransform(opened, target, "RGB", "RGB", ImageCms.Intent(intent))
    return np.asarray(ImageCms.applyTransform(Picture.fromarray(pixels), transform))


def difference(one: NDArray[Any], other: NDArray[Any]) -> int:
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def test_srgb_is_the_identity() -> None:
    pixels = colours()
    kept = pixels.copy()
    shown = image_of(pixels, SRGB).to_srgb()
    assert shown.dtype == np.uint8
    assert difference(shown, pixels) <= 1
    np.testing.assert_array_equal(pixels, kept)


@pytest.mark.parametrize("colorants", [SRGB_COLORANTS, SWAP], ids=["same", "swapped"])
@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
def test_a_matrix_profile_does_what_its_formula_says(gamma: float, colorants: NDArray[np.float64]) -> None:
    pixels = colours()
    wanted = matrix_to_srgb(pixels, gamma, colorants)
    assert difference(image_of(pixels, matrix_profile(gamma, colorants)).to_srgb(), wanted) <= 2
    assert difference(pixels, wanted) > 2  # the profile changes something


@pytest.mark.parametrize("intent", [None, 0, 1, 2, 3])
def test_the_intent_is_the_headers_unless_another_is_asked_for(intent: int | None) -> None:
    for in_header in (0, 3):
        profile = matrix_profile(1.8, 0.9 * SWAP, intent=in_header)
        wanted = by_pillow(colours(), profile, in_header if intent is None else intent)
        np.testing.assert_array_equal(image_of(colours(), profile).to_srgb(intent), wanted)


def test_another_intent_is_refused() -> None:
    for profile in (None, SRGB):
        with pytest.raises(ValueError, match="0, 1, 2 or 3"):
            image_of(colours(), profile).to_srgb(4)


def test_without_a_profile_colour_is_srgb_already() -> None:
    np.testing.assert_array_equal(image_of(colours(), None).to_srgb(), colours())


def test_deep_colour_is_reduced_first() -> None:
    deep = colours("u2", 4095)
    reduced = (deep >> 4).astype(np.uint8)
    image = image_of(deep, matrix_profile(1.8), bits_stored=12)
    np.testing.assert_array_equal(image.to_srgb(), image_of(reduced, matrix_profile(1.8)).to_srgb())
    np.testing.assert_array_equal(replace(image, icc_profile=None).to_srgb(), reduced)


def test_grey_images_have_no_colour() -> None:
    with pytest.raises(ValueError, match="test:x is grey"):
        image_of(np.zeros((2, 2), np.uint8), SRGB).to_srgb()


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        (b"", "of 0 bytes is broken"),
        (b"no profile at all", "is broken"),
        (SRGB[:200], "broken|cannot be used"),
        (matrix_profile(1.8)[:132] + bytes(300), "broken|cannot be used"),
        (matrix_profile(1.8, space=b"GRAY"), "one of GRAY, not of RGB"),
        (matrix_profile(1.8, space=b"CMYK"), "one of CMYK, not of RGB"),
        (matrix_profile(1.8, intent=77), "cannot be used"),
    ],
)
def test_a_broken_profile_is_a_typed_error(profile: bytes, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        image_of(colours(), profile).to_srgb()


def test_the_profile_applies_behind_the_palette() -> None:
    tables = [LookupTable(np.array(entries, np.uint8), 0, 8) for entries in ([0, 255, 90], [0, 128, 91], [0, 7, 255])]
    indices = np.array([[0, 1, 2, 9]], np.uint8)
    described = describing(
        indices,
        EXPLICIT,
        photometric_interpretation="PALETTE COLOR",
        palette=Palette(*tables),
        icc_profile=matrix_profile(1.8),
    )
    image = Image.of(convert_to_rgb(DecodedFrame(described, indices, "PALETTE COLOR")), ID)
    assert difference(image.to_srgb(), matrix_to_srgb(image.pixels, 1.8)) <= 2


def test_transforms_are_made_once_and_few_are_kept() -> None:
    icc._transform.cache_clear()
    for gamma in (1.5, 1.5, 1.6):
        image_of(colours(), matrix_profile(gamma)).to_srgb()
    info = icc._transform.cache_info()
    assert (info.hits, info.misses) == (1, 2)
    assert info.maxsize is not None
    assert info.maxsize <= 16


def test_an_instance_has_its_profile_in_either_place_and_a_series_has_one() -> None:
    profile = matrix_profile(1.8)
    plain, slide = image_data_set(), image_data_set()
    for data_set in (plain, slide):
        data_set.PixelData = bytes(8)
    plain.ICCProfile = profile
    path = Dataset()
    path.ICCProfile = profile
    slide.OpticalPathSequence = Sequence([path, Dataset()])
    found = []
    for data_set in (plain, slide):
        found += [
            parse_header(written(data_set)).metadata,
            read_dataset(data_set),
            read_json(json.loads(data_set.to_json())),
        ]
    assert [metadata.shared.icc_profile for metadata in found] == [profile] * 6
    assert len({id(metadata.shared.icc_profile) for metadata in found}) == 1


def test_an_empty_profile_is_none() -> None:
    data_set = image_data_set(ICCProfile=b"")
    data_set.PixelData = bytes(8)
    assert parse_header(written(data_set)).metadata.shared.icc_profile is None


PROFILED = [
    name
    for name, one in expected()["files"].items()
    if (one.get("metadata") or {}).get("icc_profile") and one["category"] == "image" and one.get("rgb")
]


@pytest.mark.corpus
@pytest.mark.parametrize("name", PROFILED[:6] or [pytest.param("", id="no corpus")])
def test_profiles_of_real_files(name: str) -> None:
    frame = split_part10((corpus_root() / name).read_bytes())[0]
    image = Image.of(convert_to_rgb(decode_frame(frame)), ID)
    profile = image.icc_profile
    assert profile is not None
    intent = ImageCms.getDefaultIntent(io.BytesIO(profile))
    np.testing.assert_array_equal(image.to_srgb(), by_pillow(image.to_display(), profile, intent))
