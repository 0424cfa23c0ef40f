"""`explain_refusal`: why a server refuses a frame, where the metadata of its instance say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import reactivex as rx
from reactivex import operators as ops

from cornerstream.images.errors import HttpStatusError, SplitError

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

    def explained(refusal: Exception, _source: Observable[T]) -> Observable[T]:
        if not isinstance(refusal, HttpStatusError):
            return rx.throw(refusal)

        def better(error: Exception, _metadata: Observable[T]) -> Observable[T]:
            return rx.throw(error if isinstance(error, SplitError) else refusal)

        nothing = cast("Observable[T]", metadata.pipe(ops.filter(lambda _: False)))
        return nothing.pipe(ops.catch(better), ops.concat(rx.throw(refusal)))

    def operator(source: Observable[T]) -> Observable[T]:
        return source.pipe(ops.catch(explained))

    return operator
