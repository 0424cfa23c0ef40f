"""Colour through an ICC profile to sRGB, with littlecms as Pillow has it (PS3.3 C.11.15, ICC.1:2022)."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.images.errors import DecodeError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.ImageCms import ImageCmsProfile, ImageCmsTransform

_TRANSFORMS = 8  # profiles in use at the same time: those of a few scanners


def to_srgb(rgb: NDArray[np.uint8], profile: bytes | None, intent: int | None = None) -> NDArray[np.uint8]:
    """RGB pixels through a profile to sRGB.

    Args:
        rgb: Rows × columns × 3.
        profile: An ICC profile of RGB; without one the pixels come back as they are.
        intent: Rendering intent, 0 to 3; `None` takes the one in the profile's header.

    Raises:
        ValueError: The intent is another number.
        DecodeError: The profile is broken, or not one of RGB.
    """
    if intent is not None and intent not in range(4):
        raise ValueError(f"a rendering intent is 0, 1, 2 or 3 (ICC.1 section 7.2.15), not {intent}")
    if profile is None:
        return rgb
    from PIL import Image  # noqa: PLC0415 - only who asks for sRGB pays for importing it

    return np.array(_transform(profile, intent).apply(Image.fromarray(np.ascontiguousarray(rgb))))


@lru_cache(maxsize=_TRANSFORMS)
def _transform(profile: bytes, intent: int | None) -> ImageCmsTransform:
    from PIL import ImageCms  # noqa: PLC0415 - as above

    opened = _opened(profile)
    try:
        chosen = ImageCms.Intent(opened.profile.rendering_intent if intent is None else intent)
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        return ImageCms.ImageCmsTransform(opened, srgb, "RGB", "RGB", chosen)
    except (OSError, ValueError) as error:
        raise DecodeError(f"the ICC profile of {len(profile)} bytes cannot be used: {error}") from error


def _opened(profile: bytes) -> ImageCmsProfile:
    from PIL import ImageCms  # noqa: PLC0415 - as above

    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = opened.profile.xcolor_space.strip()
    except OSError as error:
        raise DecodeError(f"the ICC profile of {len(profile)} bytes is broken: {error}") from error
    if space != "RGB":
        raise DecodeError(f"the ICC profile is one of {space or 'no known colour space'}, not of RGB")
    return opened
