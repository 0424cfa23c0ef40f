"""Pixels against `expected.json`, by its own rules: exactly where lossless, within the tolerance it gives elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tests.corpus.files import sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cornerstream.images.image import Image
    from tests.corpus.files import CorpusFile

_YBR_FORMULA = "PS3.3 C.7.6.3.1.2"  # RGB that we calculate, rather than the codec


def stored_faults(facts: dict[str, Any], frame_index: int, pixels: NDArray[np.generic]) -> list[str]:
    """What is wrong with the stored values of a frame."""
    fact = facts["stored"][frame_index]
    faults = _form_faults(pixels, facts["stored_dtype"], fact["shape"])
    if not faults and sha256(pixels) != fact["sha256"]:
        if facts["lossless"]:
            faults.append("stored values differ")
        elif not close_to(pixels, fact, facts["tolerance_stored"]):
            faults.append("stored values are not within the tolerance")
    return faults


def rgb_faults(facts: dict[str, Any], frame_index: int, pixels: NDArray[np.generic]) -> list[str]:
    """What is wrong with the RGB of a frame.

    A conversion by the formula of PS3.3 may round otherwise; every other difference needs a lossy codec.
    """
    fact = facts["rgb"][frame_index]
    faults = _form_faults(pixels, fact["dtype"], fact["shape"])
    if not faults and sha256(pixels) != fact["sha256"]:
        if facts["lossless"] and _YBR_FORMULA not in facts["rgb_rule"]:
            faults.append("RGB differs")
        elif not close_to(pixels, fact, facts["tolerance_rgb"]):
            faults.append("RGB is not within the tolerance")
    return faults


def image_faults(file: CorpusFile, image: Image) -> list[str]:
    """What is wrong with the pixels of one image: stored values where they are grey, else RGB."""
    compare = rgb_faults if file.is_colour else stored_faults
    faults = compare(file.facts, image.frame_number - 1, image.pixels)
    found, wanted = image.photometric_interpretation, "RGB" if file.is_colour else file.facts["photometric"]
    if found != wanted:
        faults.append(f"photometric interpretation {found}, not {wanted}")
    if not image.pixels.flags.c_contiguous or image.pixels.flags.writeable:
        faults.append("pixels are not contiguous and read-only")
    return faults


def modality_faults(file: CorpusFile, images: Sequence[Image]) -> list[str]:
    """What is wrong with the modality values of all frames of a file."""
    values = [image.to_modality() for image in images]
    faults = [] if file.is_colour else _formula_faults(file, images, values)
    extremes = file.facts.get("modality_min_max")
    if extremes and len(images) == file.number_of_frames:
        found = [float(min(array.min() for array in values)), float(max(array.max() for array in values))]
        if found != extremes:
            faults.append(f"modality values go from {found[0]:g} to {found[1]:g}, not {extremes}")
    return faults + _cornerstone_faults(file, values[0])


def close_to(pixels: NDArray[np.generic], fact: dict[str, Any], tolerance: dict[str, float]) -> bool:
    """A frame that cannot be told from the expected one by extremes and means within the tolerance of lossy codecs."""
    means = np.atleast_1d(fact["mean"])
    found = pixels.reshape(-1, len(means)).mean(axis=0)
    extremes = [(pixels.min(), fact["min"]), (pixels.max(), fact["max"])] if "min" in fact else []
    return bool(np.all(np.abs(found - means) <= tolerance["mean_abs"])) and all(
        abs(float(value) - wanted) <= tolerance["max_abs"] for value, wanted in extremes
    )


def _form_faults(pixels: NDArray[np.generic], dtype: str, shape: list[int]) -> list[str]:
    if str(pixels.dtype) == dtype and list(pixels.shape) == shape:
        return []
    return [f"{pixels.dtype} {pixels.shape}, not {dtype} {tuple(shape)}"]


def _formula_faults(file: CorpusFile, images: Sequence[Image], values: Sequence[NDArray[np.generic]]) -> list[str]:
    """Slope × stored + intercept (what SimpleITK agreed with), exactly."""
    metadata = file.facts["metadata"]
    if "modality_lut" in metadata:
        return []  # compared with pydicom, among the display values
    slope, intercept = (metadata["rescale"][name] for name in ("slope", "intercept"))
    slope, intercept = 1.0 if slope is None else slope, 0.0 if intercept is None else intercept
    for image, modality in zip(images, values, strict=True):
        wanted = image.pixels.astype(np.float64) * slope + intercept
        if modality.dtype != np.float64 or not np.array_equal(modality, wanted, equal_nan=True):
            return [f"modality values are not {slope:g} × stored + {intercept:g}"]
    return []


def _cornerstone_faults(file: CorpusFile, values: NDArray[np.generic]) -> list[str]:
    """Cornerstone3D's own hashes, where `our_check` says which of our arrays has it."""
    facts = file.facts.get("cornerstone3D_expected", {})
    faults = []
    for name, meaning in (facts.get("our_check") or {}).items():
        if meaning == "no match":  # its 4.70 image is wrong in the last pixel, and its lossy ones are another decoder's
            continue
        dtype = next((dtype for dtype in ("int16", "float32") if meaning.startswith(dtype)), None)
        if sha256(values if dtype is None else values.astype(dtype)) != facts["hashes"][name]:
            faults.append(f"not Cornerstone's hash of the {meaning}")
    return faults
