"""`mpr:`: planes through a volume, computed from the images of a series while they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import reactivex as rx

from cornerstream.images.errors import ImageIdError
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.images.plane_address import PlaneAddress
from cornerstream.operators.resample import PlaneRequest, resample

if TYPE_CHECKING:
    from cornerstream.images.image_id import ImageId
    from cornerstream.loaders.context import LoadContext


def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    """Load the slices that a plane needs, those first that give most of it, and compute it from them.

    Partial images come on the way. Pixels are float32 in modality units (HU for CT).
    """
    address = PlaneAddress.of(image_id)
    geometry = context.volumes.get(address.volume)
    if geometry is None:
        raise ImageIdError("this session knows no such volume; Session.mpr makes one", image_id=image_id)
    request = PlaneRequest(image_id, geometry, address.at(image_id.number), address.sampling, address.count)
    return ImageLoadObject(image_id, rx.just(request).pipe(resample(context.load, context.workers, context.limits)))
