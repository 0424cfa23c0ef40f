"""Difference, average and fusion: values, places, and what the image says of itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import reactivex as rx
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reactivex import Subject

from cornerstream.images.derived_address import DerivedAddress
from cornerstream.images.errors import GeometryError, ImageLoadError
from cornerstream.images.image_id import ImageId
from cornerstream.operators.derive_images import average, combine, combined, difference, fusion, together
from cornerstream.operators.workers import ExecutorWorkers
from tests.support.fakes import make_image
from tests.support.volumes import made_volume

if TYPE_CHECKING:
    from reactivex.abc import DisposableBase

    from cornerstream.images.derived_address import Operation
    from cornerstream.images.image import Image

MADE = made_volume()
A, B = MADE.image(0), MADE.image(0, image_id=ImageId.parse("slice:b"), pixels=MADE.array[3].copy(), rescale_slope=1.0)
ID = ImageId.parse("derived:it")
SHAPE = (4, 5)


def with_values(values: Any, **changes: Any) -> Image:
    pixels = np.asarray(values)
    rows, columns = pixels.shape[:2]
    return MADE.image(0, pixels=pixels, rows=rows, columns=columns, **changes)


def of(operation: Operation, *images: Image, opacity: float = 0.5) -> Image:
    return combined(ID, DerivedAddress(operation, tuple(image.image_id for image in images), opacity), images)


def test_the_difference_is_of_modality_units() -> None:
    image = of("difference", A, B)
    expected = A.to_modality().astype(np.float64) - B.to_modality().astype(np.float64)
    np.testing.assert_allclose(np.asarray(image.pixels, np.float64), expected, atol=1e-3)
    assert image.pixels.dtype == np.float32
    assert (len(image.windows), image.rescale_type, image.modality) == (0, "HU", "CT")
    assert image.image_position_patient == A.image_position_patient
    assert image.to_display().max() == 255  # over its full range


def test_the_average_of_several() -> None:
    image = of("average", A, B, B)
    expected = (A.to_modality().astype(np.float64) + 2 * B.to_modality().astype(np.float64)) / 3
    np.testing.assert_allclose(np.asarray(image.pixels, np.float64), expected, atol=1e-3)
    assert image.windows == A.windows


@given(hnp.arrays(np.int16, SHAPE), hnp.arrays(np.int16, SHAPE))
def test_what_is_known_of_differences_and_averages(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> None:
    first, second = with_values(a), with_values(b)
    np.testing.assert_array_equal(difference([first, second]), -difference([second, first]))
    np.testing.assert_array_equal(difference([first, first]), 0)
    np.testing.assert_array_equal(average([first, first]), first.to_modality().astype(np.float32))
    np.testing.assert_array_equal(average([first, second]), average([second, first]))


@given(hnp.arrays(np.int16, SHAPE), st.floats(0, 1))
def test_a_fusion_is_the_first_image_where_the_second_is_black(values: np.ndarray[Any, Any], opacity: float) -> None:
    below, black = with_values(values), with_values(np.zeros(SHAPE, np.int16))
    shown = below.to_display()
    fused = fusion([below, black], opacity)
    np.testing.assert_array_equal(fused, np.stack([shown] * 3, axis=-1))
    np.testing.assert_array_equal(fusion([black, below], 0.0), 0)


def test_a_fusion_covers_by_its_opacity() -> None:
    black, white = with_values(np.zeros((1, 1), np.int16)), with_values(np.full((1, 1), 3000, np.int16))
    middle = with_values(np.full((1, 1), 520, np.int16))  # 40 HU, in the middle of the window
    assert middle.to_display()[0, 0] in {127, 128}
    assert fusion([black, white], 1.0).tolist() == [[[255, 255, 255]]]
    assert fusion([black, white], 0.5).tolist() == [[[128, 128, 128]]]
    red, green, blue = fusion([black, middle], 1.0)[0, 0].tolist()
    assert red > green > 50
    assert blue == 0


def test_a_fusion_is_rgb_in_the_place_of_the_first() -> None:
    image = of("fusion", A, B, opacity=0.3)
    assert image.pixels.shape == (24, 30, 3)
    assert image.pixels.dtype == np.uint8
    assert (image.photometric_interpretation, image.samples_per_pixel, image.bits_stored) == ("RGB", 3, 8)
    assert image.image_position_patient == A.image_position_patient
    np.testing.assert_array_equal(image.to_display(), image.pixels)


def test_a_fusion_takes_colours_as_they_are() -> None:
    red = np.zeros((24, 30, 3), np.uint8)
    red[:12, :, 0] = 255
    above = replace(A, pixels=red, photometric_interpretation="RGB", samples_per_pixel=3, bits_stored=8)
    fused = fusion([A, above], 1.0)
    assert (fused[:12] == (255, 0, 0)).all()
    np.testing.assert_array_equal(fused[12:], np.repeat(A.to_display()[12:, :, None], 3, axis=-1))
    assert (fusion([above, A], 0.0) == red).all()


@pytest.mark.parametrize("operation", ["difference", "average"])
def test_values_are_computed_of_grey_images_only(operation: Operation) -> None:
    colour = with_values(np.zeros((24, 30, 3), np.uint8))
    with pytest.raises(ImageLoadError, match="is in colour"):
        of(operation, A, colour)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rows": 2, "columns": 2, "pixels": np.zeros((2, 2), np.int16)}, "size"),
        ({"image_position_patient": (0.0, 0.0, 0.0)}, "position"),
        ({"image_orientation_patient": (0.0, 1.0, 0.0, 1.0, 0.0, 0.0)}, "orientation"),
        ({"pixel_spacing": (9.0, 9.0)}, "spacing"),
        ({"frame_of_reference_uid": "9"}, "frame_of_reference"),
    ],
)
@pytest.mark.parametrize("operation", ["difference", "average", "fusion"])
def test_images_in_other_places_are_refused(operation: Operation, changes: dict[str, Any], reason: str) -> None:
    other = replace(B, **changes)
    with pytest.raises(GeometryError, match=r"slice:b differs from slice:0.*mpr_plane") as caught:
        of(operation, A, other)
    assert caught.value.reason == reason
    assert caught.value.image_ids == (A.image_id, other.image_id)


def test_images_that_do_not_say_where_they_lie_are_taken_as_they_are() -> None:
    nowhere = replace(
        B, image_position_patient=None, image_orientation_patient=None, pixel_spacing=None, frame_of_reference_uid=None
    )
    assert of("difference", A, nowhere).image_position_patient == A.image_position_patient


class Observed:
    """What a subscriber of an operator hears."""

    def __init__(self, source: rx.Observable[Any]) -> None:
        self.heard: list[object] = []
        self.subscription: DisposableBase = source.subscribe(
            self.heard.append, self.heard.append, lambda: self.heard.append("completed")
        )


def ids(count: int) -> list[ImageId]:
    return [ImageId("held", str(number)) for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_images_come_together_in_the_order_in_which_they_are_named(count: int) -> None:
    subjects: list[Subject[Image]] = [Subject() for _ in range(count)]
    observed = Observed(together(lambda image_id: subjects[int(image_id.address)], ids(count)))
    images = [make_image(image_id) for image_id in ids(count)]
    for subject, image in reversed(list(zip(subjects, images, strict=True))):
        assert observed.heard == []
        subject.on_next(make_image("held:partial"))
        subject.on_next(image)
        subject.on_completed()
    assert observed.heard == [images, "completed"]


def test_an_error_of_one_image_ends_it_and_leaves_the_others() -> None:
    subjects: list[Subject[Image]] = [Subject() for _ in range(3)]
    observed = Observed(together(lambda image_id: subjects[int(image_id.address)], ids(3)))
    error = ImageLoadError("it broke")
    subjects[1].on_error(error)
    assert observed.heard == [error]
    assert not any(subject.observers for subject in subjects)


def test_disposed_midway_all_images_are_left_at_once() -> None:
    subjects: list[Subject[Image]] = [Subject() for _ in range(3)]
    observed = Observed(together(lambda image_id: subjects[int(image_id.address)], ids(3)))
    subjects[0].on_next(make_image("held:0"))
    observed.subscription.dispose()
    assert not any(subject.observers for subject in subjects)
    assert observed.heard == []


async def test_images_are_combined_on_a_worker_and_its_error_is_the_sequence_s() -> None:
    address = DerivedAddress("difference", (A.image_id, B.image_id))
    with ThreadPoolExecutor(1) as executor:
        workers = ExecutorWorkers(executor)
        image = await rx.just([A, B]).pipe(combine(ID, address, workers))
        np.testing.assert_array_equal(image.pixels, difference([A, B]))
        with pytest.raises(GeometryError):
            await rx.just([A, replace(B, frame_of_reference_uid="9")]).pipe(combine(ID, address, workers))
