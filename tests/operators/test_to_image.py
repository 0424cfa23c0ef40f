"""`to_image`: the operator's case list."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Subject

from cornerstream.images.image_id import ImageId
from cornerstream.images.metadata import ImageQuality
from cornerstream.operators.to_image import to_image
from tests.support.frames import decoded

if TYPE_CHECKING:
    from cornerstream.images.image import Image

ID = ImageId.parse("dicomfile:/a.dcm?frame=3")


def frame(value: int) -> Any:
    return decoded(np.full((2, 3), value, np.int16), "MONOCHROME2")


@pytest.mark.parametrize("values", [[], [5], [1, 2, 3]])
def test_empty_one_and_many(values: list[int]) -> None:
    received: list[Image] = []
    completed: list[bool] = []
    rx.from_iterable([frame(value) for value in values]).pipe(to_image(ID)).subscribe(
        received.append, on_completed=lambda: completed.append(True)
    )
    assert [int(image.pixels[0, 0]) for image in received] == values
    assert completed == [True]


def test_an_image_is_complete_read_only_and_not_a_copy() -> None:
    source = replace(frame(7), timings={"decompress": 0.5})
    received: list[Image] = []
    rx.just(source).pipe(to_image(ID)).subscribe(received.append)
    (image,) = received
    assert image.image_id is ID
    assert image.quality is ImageQuality.COMPLETE
    assert np.shares_memory(image.pixels, source.pixels)
    assert not image.pixels.flags.writeable
    assert image.timings == {"decompress": 0.5}


def test_source_error_is_passed_on() -> None:
    errors: list[Exception] = []
    rx.throw(OSError("gone")).pipe(to_image(ID)).subscribe(on_error=errors.append)
    assert isinstance(errors[0], OSError)


def test_own_error_is_passed_on() -> None:
    errors: list[Exception] = []
    rx.just(object()).pipe(to_image(ID)).subscribe(on_error=errors.append)  # type: ignore[arg-type]  # no frame, on purpose
    assert isinstance(errors[0], AttributeError)


def test_disposed_midway_upstream_is_left() -> None:
    source: Subject[Any] = Subject()
    received: list[Image] = []
    subscription = source.pipe(to_image(ID)).subscribe(received.append)
    source.on_next(frame(1))
    subscription.dispose()
    assert not source.observers
    source.on_next(frame(2))
    assert len(received) == 1
