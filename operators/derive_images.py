"""Images that are computed from others pixel by pixel: difference, average, fusion; and what each says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import reactivex as rx
from reactivex import operators as ops

from cornerstream.images.errors import GeometryError, ImageLoadError
from cornerstream.images.frames import DecodedFrame
from cornerstream.images.image import Image
from cornerstream.images.metadata import FrameMetadata, ImageQuality
from cornerstream.operators.map_ordered import map_ordered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from reactivex import Observable

    from cornerstream.images.derived_address import DerivedAddress
    from cornerstream.images.image_id import ImageId
    from cornerstream.operators.protocols import Workers

_TOLERANCES = {"image_position_patient": 1e-2, "image_orientation_patient": 1e-4, "pixel_spacing": 1e-4}
_REASONS = {
    "image_position_patient": "position",
    "image_orientation_patient": "orientation",
    "pixel_spacing": "spacing",
}


def difference(images: Sequence[Image]) -> NDArray[np.float32]:
    """The first image minus the second: rows × columns, in modality units."""
    first, second = images
    return _values(first) - _values(second)


def average(images: Sequence[Image]) -> NDArray[np.float32]:
    """The mean of images: rows × columns, in modality units."""
    total = np.zeros((images[0].rows, images[0].columns), np.float32)
    for image in images:
        total += _values(image)
    return total / np.float32(len(images))


def fusion(images: Sequence[Image], opacity: float) -> NDArray[np.uint8]:
    """The second image in colours over the first, both through their windows: rows × columns × 3, RGB.

    A grey image over another is coloured from black over red and yellow to white. It covers the other by `opacity` where it
    is brightest, less where it is darker, and not at all where it is black.
    """
    below, above = (image.to_display() for image in images)
    base = below if below.ndim == 3 else np.repeat(below[..., None], 3, axis=-1)
    brightness = above.max(axis=-1) if above.ndim == 3 else above
    colours = above if above.ndim == 3 else _HOT[above]
    share = (np.float32(opacity / 255) * brightness)[..., None]
    fused: NDArray[np.uint8] = np.rint(base * (1 - share) + colours * share).astype(np.uint8)
    return fused


def combined(image_id: ImageId, address: DerivedAddress, images: Sequence[Image]) -> Image:
    """The image of an address, from its sources.

    Raises:
        GeometryError: They differ in size or in place.
        ImageLoadError: One is in colour where values are computed with.
    """
    need_one_place(images)
    first = images[0]
    if address.operation == "fusion":
        return computed_image(image_id, first, fusion(images, address.opacity), {})
    if address.operation == "average":
        return computed_image(image_id, first, average(images), {})
    return computed_image(image_id, first, difference(images), {"windows": ()})  # a window of values is none of theirs


def need_one_place(images: Sequence[Image]) -> None:
    """Images are of one size, and lie in one place as far as they say.

    Raises:
        GeometryError: One differs from the first; names both.
    """
    first = images[0]
    for image in images[1:]:
        reason = _other_place(first, image)
        if reason:
            raise GeometryError(
                f"{image.image_id} differs from {first.image_id} in {reason}: pixels of both do not lie in one place; "
                "Session.mpr_plane brings both to one grid",
                reason=reason,
                image_ids=[first.image_id, image.image_id],
            )


def computed_image(
    image_id: ImageId,
    like: Image,
    pixels: NDArray[np.float32] | NDArray[np.uint8],
    changes: Mapping[str, Any],
    quality: ImageQuality = ImageQuality.COMPLETE,
) -> Image:
    """An image of computed pixels: RGB of uint8, or grey of float32 in modality units with the windows of another.

    Args:
        image_id: What it is called.
        like: Of the patient, in the place, and with the windows that it has.
        pixels: Rows × columns, or rows × columns × 3.
        changes: Attributes that differ.
        quality: COMPLETE, or less on the way.
    """
    photometric_interpretation = "RGB" if pixels.ndim == 3 else like.photometric_interpretation
    attributes: dict[str, Any] = {
        "transfer_syntax_uid": "",
        "rows": pixels.shape[0],
        "columns": pixels.shape[1],
        "photometric_interpretation": photometric_interpretation,
        **(_COLOUR_SAMPLES if pixels.ndim == 3 else _VALUE_SAMPLES),
        **{name: getattr(like, name) for name in (_SAME if pixels.ndim == 3 else (*_SAME, *_SAME_VALUES))},
        **changes,
    }
    return Image.of(DecodedFrame(FrameMetadata(**attributes), pixels, photometric_interpretation), image_id, quality)


def together(load: Callable[[ImageId], Observable[Image]], image_ids: Sequence[ImageId]) -> Observable[list[Image]]:
    """Complete images, once all are there.

    ::

        a        ──a─A|
        b        ─────────B|
        result   ─────────[A,B]|

    In the order of `image_ids`; all are loaded at once; the first error ends the sequence; dispose leaves all of them.
    """
    return rx.fork_join(*map(load, image_ids)).pipe(ops.map(list))


def combine(
    image_id: ImageId, address: DerivedAddress, workers: Workers
) -> Callable[[Observable[list[Image]]], Observable[Image]]:
    """Compute an image from others.

    ::

        source   [A,B]────|
        result   ────────C|

    Order is the source's; on a worker; dispose drops what a worker has.
    """
    return map_ordered(lambda images: workers.run(combined, image_id, address, images))


def _values(image: Image) -> NDArray[np.float32]:
    if image.pixels.ndim == 3:
        raise ImageLoadError(f"{image.image_id} is in colour: values are computed of grey images only")
    return image.to_modality().astype(np.float32)


def _other_place(first: Image, image: Image) -> str:
    """In which respect another image lies in another place; empty if in none."""
    if (image.rows, image.columns) != (first.rows, first.columns):
        return "size"
    frames = {image.frame_of_reference_uid, first.frame_of_reference_uid}
    if None not in frames and len(frames) == 2:
        return "frame_of_reference"
    for name, tolerance in _TOLERANCES.items():
        a, b = getattr(first, name), getattr(image, name)
        if a is not None and b is not None and max(abs(x - y) for x, y in zip(a, b, strict=True)) > tolerance:
            return _REASONS[name]
    return ""


_SAME = (
    "pixel_spacing",
    "slice_thickness",
    "image_position_patient",
    "image_orientation_patient",
    "frame_of_reference_uid",
    "modality",
    "study_instance_uid",
    "series_description",
)
_SAME_VALUES = ("rescale_type", "windows", "voi_lut_function", "presentation_lut_shape")
_COLOUR_SAMPLES = {"samples_per_pixel": 3}
_VALUE_SAMPLES = {"bits_allocated": 32, "bits_stored": 32, "high_bit": 31, "pixel_keyword": "FloatPixelData"}
_RAMP = np.arange(256)[:, None] * 3 - (0, 255, 510)
_HOT = np.clip(_RAMP, 0, 255).astype(np.uint8)  # black, red, yellow, white
