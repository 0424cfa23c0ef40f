"""`wadors:`: frames of a DICOMweb server (WADO-RS, PS3.18 section 10.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import reactivex as rx

from cornerstream.images.errors import ImageIdError
from cornerstream.images.instance_address import instance_address
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.images.stage import deferred
from cornerstream.operators.decompress import decompress
from cornerstream.operators.fetch import fetch
from cornerstream.operators.frame_part import join_metadata
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.read_metadata import read_metadata
from cornerstream.operators.retry_with_backoff import retry_with_backoff
from cornerstream.operators.split_instance import split_instance
from cornerstream.operators.split_instances import split_instances
from cornerstream.operators.split_multipart import split_multipart
from cornerstream.operators.to_image import to_image
from cornerstream.operators.to_rgb import to_rgb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reactivex import Observable

    from cornerstream.images.frames import EncodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.loaders.context import LoadContext
    from cornerstream.operators.metadata import InstanceMetadata
    from cornerstream.operators.parts import Part
    from cornerstream.operators.split_instances import RetrievedInstance

PIXELS = {"Accept": 'multipart/related; type="application/octet-stream"; transfer-syntax=*'}
INSTANCES = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
METADATA = {"Accept": "application/dicom+json"}


def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    """Load one frame of an instance, in the transfer syntax the server has it in.

    Frames of an instance that are wanted together come in one answer. The pixels and the metadata are asked for at the
    same time; the metadata once an instance. A series may come whole, as its files; an instance whose frames the server
    refuses to send by themselves is retrieved as its file.
    """

    def parts(shared: LoadContext, chosen: Callable[[], Sequence[int]]) -> Observable[Part]:
        return rx.just(HttpRequest(image_id.address, PIXELS, image_id, lambda: frames_url(image_id, chosen()))).pipe(
            fetch(shared.http), split_multipart(shared.limits)
        )

    def instances(shared: LoadContext) -> Observable[RetrievedInstance]:
        return rx.just(HttpRequest(series_url(image_id), INSTANCES, bulk=True)).pipe(
            fetch(shared.http), split_instances(shared.limits)
        )

    def frames(shared: LoadContext) -> Observable[EncodedFrame]:
        return rx.just(HttpRequest(resource_url(image_id, ""), INSTANCES, image_id)).pipe(
            fetch(shared.http), split_instance(shared.limits, shared.wish), retry_with_backoff()
        )

    def alone() -> Observable[EncodedFrame]:
        metadata = metadata_of(image_id, context)
        frame = resources.part(image_id, parts).pipe(join_metadata(metadata, image_id.number))
        instance = resources.frame(("part10", image_id.address), frames, image_id.number)
        return resources.either(image_id, metadata, frame, instance)

    resource_url(image_id, "/frames")  # refused before anything is asked for
    resources = context.resources
    return ImageLoadObject(
        image_id,
        resources.encoded(image_id, resources.of_series(image_id, instances, deferred(alone))).pipe(
            decompress(context.workers, prefer=context.prefer_decoder, limits=context.limits, target=context.target),
            to_rgb(context.workers),
            to_image(image_id, context.target),
        ),
    )


def metadata_of(image_id: ImageId, context: LoadContext) -> Observable[InstanceMetadata]:
    """The metadata of an image's instance, shared by all its frames."""
    url = resource_url(image_id, "/metadata")

    def fetch_it(shared: LoadContext) -> Observable[InstanceMetadata]:
        return rx.just(HttpRequest(url, METADATA, image_id)).pipe(
            fetch(shared.http), read_metadata(shared.http, shared.workers, shared.limits), retry_with_backoff()
        )

    return context.resources.once(("metadata", url), fetch_it, lambda metadata: metadata.nbytes)


def frames_url(image_id: ImageId, numbers: Sequence[int]) -> str:
    """Several frames of the image's instance, in that order (PS3.18 section 10.4.1.1.3)."""
    return resource_url(image_id, f"/frames/{','.join(map(str, numbers))}")


def series_url(image_id: ImageId) -> str:
    """The series of the image's instance.

    Raises:
        ImageIdError: As `resource_url`.
    """
    resource_url(image_id, "")
    address = instance_address(image_id)
    assert address is not None
    return address.series


def resource_url(image_id: ImageId, resource: str) -> str:
    """A resource of the image's instance: its path goes before the query.

    Raises:
        ImageIdError: The address is not `…/studies/{uid}/series/{uid}/instances/{uid}`.
    """
    path, question, query = image_id.address.partition("?")
    parts = path.rstrip("/").split("/")
    if len(parts) < 6 or parts[-6::2] != ["studies", "series", "instances"]:
        raise ImageIdError(
            "a wadors image id reads wadors:https://…/studies/{uid}/series/{uid}/instances/{uid}/frames/{number}",
            image_id=image_id,
        )
    return f"{path.rstrip('/')}{resource}{question}{query}"
