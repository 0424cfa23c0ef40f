"""`explain_refusal`: why a server refuses a frame, where the metadata of its instance say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import reactivex as rx
from reactivex import operators as ops

from cornerstream.images.errors import HttpStatusError, ImageLoadError, SplitError
from cornerstream.operators.concat_stage import concat_stage
from cornerstream.operators.or_else import or_else

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex import Observable

    from cornerstream.operators.metadata import InstanceMetadata

T = TypeVar("T")


def explain_refusal(metadata: Observable[InstanceMetadata]) -> Callable[[Observable[T]], Observable[T]]:
    """Put what the metadata say of the instance in the place of a status such as 404 or 500.

    ::

        source   ──404
        metadata ─────"no pixel data"
        result   ─────"no pixel data"

    Order and time are the source's; after a refusal it waits for the metadata; dispose leaves both.

    Args:
        metadata: Fails with a `SplitError` where the instance is no image; whatever else it does, the refusal stands.
    """

    def reason(_: object) -> Observable[Any]:
        """Nothing but an error, made when it is needed: most frames are not refused."""
        found: Observable[Any] = metadata
        refused = ImageLoadError("they are those of an image")
        return found.pipe(ops.last_or_default(None), concat_stage(lambda _: rx.throw(refused)))

    second: Observable[Any] = rx.defer(reason)
    return or_else(second, _is_refusal, _better)


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, HttpStatusError)


def _better(refusal: Exception, reason: Exception) -> Exception:
    return reason if isinstance(reason, SplitError) else refusal
