"""`derived:`: difference, average, or fusion in colours of other images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.images.derived_address import DerivedAddress
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.operators.derive_images import combine, together

if TYPE_CHECKING:
    from cornerstream.images.image_id import ImageId
    from cornerstream.loaders.context import LoadContext


def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    """Load the images that an image id names, at once, and compute another from them."""
    address = DerivedAddress.of(image_id)
    return ImageLoadObject(
        image_id,
        together(context.load, address.image_ids).pipe(combine(image_id, address, context.workers)),
    )
