"""Planes through a volume: refined while its slices come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reactivex.disposable import CompositeDisposable, Disposable

from cornerstream.images.metadata import ImageQuality
from cornerstream.images.stage import Stage, follow
from cornerstream.operators.bridge import from_async_generator
from cornerstream.operators.concat_stage import concat_stage
from cornerstream.operators.derive_images import computed_image
from cornerstream.operators.derive_sources import Sources
from cornerstream.operators.resample_points import voxel_along
from cornerstream.operators.resample_slices import add_slices, begin_plane, pixels_of, spline_pixels_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    import numpy as np
    from numpy.typing import NDArray
    from reactivex import Observable
    from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase

    from cornerstream.images.image import Image
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.limits import Limits
    from cornerstream.images.plane import Plane, Sampling
    from cornerstream.images.volume import VolumeGeometry
    from cornerstream.operators.protocols import Workers

_PARTIALS = 16  # at most so many images of a plane before the complete one


@dataclass(frozen=True, slots=True)
class PlaneRequest:
    """One plane of one volume.

    Attributes:
        image_id: What the image is called.
        geometry: Of the volume.
        plane: Where its pixels lie.
        sampling: How their values are had.
        count: Of the planes that the image id counts through.
    """

    image_id: ImageId
    geometry: VolumeGeometry
    plane: Plane
    sampling: Sampling
    count: int = 1


def resample(
    load: Callable[[ImageId], Observable[Image]], workers: Workers, limits: Limits
) -> Callable[[Observable[PlaneRequest]], Observable[Image]]:
    """Compute planes of a volume out of its slices, one plane after the other.

    ::

        request   r──────────────────|
        slices    ──c────a─b────d──|      those first that give most of the plane
        result    ──p────p──────P────|    partial ones, then the complete one

    Qualities rise; a few slices are loaded at a time, and one call of a worker at a time adds those that are there;
    the first error of a slice ends the sequence; dispose leaves all slices at once, and drops what a worker has.

    Args:
        load: Loads a slice, shared with others that want it.
        workers: Where slices are added.
        limits: Bounds for the number of points.
    """

    def refined(request: PlaneRequest) -> Observable[Image]:
        def subscribe(observer: ObserverBase[Image], _: SchedulerBase | None = None) -> DisposableBase:
            sources = Sources(load)
            images = from_async_generator(lambda: _refine(request, sources, workers, limits))
            return CompositeDisposable(Disposable(sources.release), follow(images, observer))

        return Stage(subscribe)

    return concat_stage(refined)


async def _refine(
    request: PlaneRequest, sources: Sources, workers: Workers, limits: Limits
) -> AsyncGenerator[Image, None]:
    geometry = request.geometry
    sampled = await workers.run(begin_plane, geometry, request.plane, request.sampling, limits)
    left, step = len(sampled.order), -(-len(sampled.order) // _PARTIALS)
    shown, like, first = left + step, None, sampled.order[0]
    with sources:
        async for batch in sources.batches((number, geometry.image_ids[number]) for number in sampled.order):
            sampled = await workers.run(add_slices, sampled, batch)
            like = next((image for number, image in batch if number == first), like or batch[0][1])
            left -= len(batch)
            if left and shown - left >= step:
                shown = left
                yield plane_image(request, like, await workers.run(pixels_of, sampled), ImageQuality.PARTIAL)
    assert like is not None
    yield plane_image(request, like, await workers.run(spline_pixels_of, sampled), ImageQuality.COMPLETE)


def plane_image(request: PlaneRequest, like: Image, pixels: NDArray[np.float32], quality: ImageQuality) -> Image:
    """The image of a plane: float32 in modality units, placed in the patient, with the windows of its slices.

    Args:
        request: What was asked for.
        like: One of the slices.
        pixels: Rows × columns.
        quality: COMPLETE when all slices are in it.
    """
    plane = request.plane
    changes = {
        "frame_number": request.image_id.number,
        "number_of_frames": request.count,
        "instance_number": request.image_id.number,
        "pixel_spacing": plane.pixel_spacing,
        "slice_thickness": request.sampling.slab or voxel_along(request.geometry, plane.normal),
        "image_position_patient": plane.origin,
        "image_orientation_patient": (*plane.row_direction, *plane.column_direction),
    }
    return computed_image(request.image_id, like, pixels, changes, quality)
