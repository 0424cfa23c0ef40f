"""Attributes that a caller gives an image of its own, in snake case, checked where they are given."""

from __future__ import annotations

from difflib import get_close_matches
from math import isfinite
from operator import index
from typing import TYPE_CHECKING, Any

from cornerstream.images.metadata import VoiWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PIXEL_ATTRIBUTES = frozenset({"bits_stored", "photometric_interpretation", "samples_per_pixel"})
"""They describe pixels; a file says them itself."""

_VOI_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
_SHAPES = ("", "IDENTITY", "INVERSE")


def check_attributes(given: Mapping[str, Any], *, of_pixels: bool) -> dict[str, Any]:
    """The attributes as `FrameMetadata` has them.

    Args:
        given: By name; a window may be (center, width), and `windows` one of them or several.
        of_pixels: Those that describe pixels are allowed as well.

    Raises:
        TypeError: There is no such attribute, or it cannot be given.
        ValueError: Its value is not one.
    """
    checked = {}
    for name, value in given.items():
        if name not in _CHECKS or (name in PIXEL_ATTRIBUTES and not of_pixels):
            raise TypeError(_no_attribute(name))
        try:
            checked[name] = _CHECKS[name](value)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}: {error}") from error
    return checked


def _no_attribute(name: str) -> str:
    if name in PIXEL_ATTRIBUTES:
        return f"{name} is what the file says; it is given for arrays only"
    near = get_close_matches(name, _CHECKS, 1)
    return f"no attribute {name!r} can be given" + (f"; did you mean {near[0]!r}?" if near else "")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _one_of(*words: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        if value not in words:
            raise ValueError(f"{value!r} is not one of {', '.join(map(repr, words))}")
        return _text(value)

    return check


def _number(value: Any) -> float:
    number = float(value)
    if not isfinite(number):
        raise ValueError(f"{value!r} is not finite")
    return number


def _vector(length: int, *, positive: bool = False) -> Callable[[Any], tuple[float, ...]]:
    def check(value: Any) -> tuple[float, ...]:
        numbers = tuple(_number(one) for one in value)
        if len(numbers) != length or (positive and min(numbers) <= 0):
            raise ValueError(f"{numbers} are not {length} {'positive ' if positive else ''}numbers")
        return numbers

    return check


def _windows(value: Any) -> tuple[VoiWindow, ...]:
    if isinstance(value, VoiWindow) or (len(value) == 2 and not isinstance(value[0], (tuple, list, VoiWindow))):
        value = (value,)
    return tuple(_window(one) for one in value)


def _window(value: Any) -> VoiWindow:
    if isinstance(value, VoiWindow):
        return value
    center, width = _vector(2)(value)
    return VoiWindow(center, width)


def _as_it_is(value: Any) -> Any:
    return value


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "bits_stored": index,
    "frame_of_reference_uid": _text,
    "icc_profile": bytes,
    "image_orientation_patient": _vector(6),
    "image_position_patient": _vector(3),
    "instance_number": index,
    "modality": _text,
    "modality_lut": _as_it_is,
    "overlays": tuple,
    "photometric_interpretation": _text,
    "pixel_padding_range_limit": _number,
    "pixel_padding_value": _number,
    "pixel_presentation": _text,
    "pixel_spacing": _vector(2, positive=True),
    "presentation_lut_shape": _one_of(*_SHAPES),
    "rescale_intercept": _number,
    "rescale_slope": _number,
    "rescale_type": _text,
    "samples_per_pixel": index,
    "series_description": _text,
    "series_instance_uid": _text,
    "series_number": index,
    "slice_thickness": _number,
    "sop_class_uid": _text,
    "sop_instance_uid": _text,
    "study_instance_uid": _text,
    "supplemental_palette": _as_it_is,
    "voi_lut_function": _one_of(*_VOI_FUNCTIONS),
    "voi_luts": tuple,
    "windows": _windows,
}
