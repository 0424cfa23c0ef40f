"""Volumes: where indices lie in the patient."""

from __future__ import annotations

import numpy as np
import pytest

from cornerstream.images.errors import GeometryError
from cornerstream.images.image_id import ImageId
from cornerstream.images.volume import Place, Volume, VolumeGeometry
from tests.support.resampler import sitk

IDS = tuple(ImageId.parse(f"test:{number}") for number in range(3))


def geometry(*positions: tuple[float, float, float]) -> VolumeGeometry:
    return VolumeGeometry(
        image_ids=IDS[: len(positions)],
        rows=4,
        columns=5,
        row_direction=(0.0, 1.0, 0.0),
        column_direction=(0.0, 0.0, -1.0),
        pixel_spacing=(2.0, 0.5),
        positions=positions,
    )


STRAIGHT = geometry((9.0, 1.0, 2.0), (6.0, 1.0, 2.0), (3.0, 1.0, 2.0))
TILTED = geometry((9.0, 1.0, 2.0), (6.0, 2.0, 2.0), (3.0, 3.0, 2.0))
UNEVEN = geometry((9.0, 1.0, 2.0), (6.0, 1.0, 2.0), (1.0, 1.0, 2.0))


def test_a_straight_volume_is_what_simpleitk_makes_of_its_parts() -> None:
    image = sitk.Image(5, 4, 3, sitk.sitkInt16)
    image.SetSpacing(STRAIGHT.spacing)
    image.SetOrigin(STRAIGHT.origin)
    image.SetDirection(STRAIGHT.direction.ravel().tolist())
    for index in ((0, 0, 0), (4, 0, 0), (0, 3, 0), (1, 2, 2)):
        assert image.TransformIndexToPhysicalPoint(index) == pytest.approx((STRAIGHT.affine @ (*index, 1))[:3])
    assert not STRAIGHT.is_sheared
    assert STRAIGHT.normal == (-1.0, 0.0, 0.0)
    assert STRAIGHT.distances == (0.0, 3.0, 6.0)


def test_gantry_tilt_is_a_shear_of_the_affine() -> None:
    assert TILTED.is_sheared
    assert TILTED.tilt_degrees == pytest.approx(np.degrees(np.arctan(1 / 3)))
    assert (TILTED.affine @ (0, 0, 2, 1))[:3] == pytest.approx((3.0, 3.0, 2.0))
    assert TILTED.distances == (0.0, 3.0, 6.0)
    assert TILTED.spacing[2] == pytest.approx(np.sqrt(10))


def test_uneven_slices_have_positions_and_no_affine() -> None:
    assert not UNEVEN.is_even
    assert UNEVEN.deviation == pytest.approx(1.0)
    with pytest.raises(GeometryError, match="not evenly spaced") as caught:
        _ = UNEVEN.affine
    assert (caught.value.reason, caught.value.image_ids) == ("uneven", IDS)
    assert UNEVEN.position_of(2, 1, 1.5) == pytest.approx((3.5, 2.0, 0.0))


@pytest.mark.parametrize("volume", [STRAIGHT, TILTED])
def test_positions_between_slices_are_those_of_the_affine(volume: VolumeGeometry) -> None:
    for index in ((0.0, 0.0, 0.0), (4.0, 3.0, 2.0), (1.25, 0.5, 1.75)):
        assert volume.position_of(*index) == pytest.approx((volume.affine @ (*index, 1))[:3])


@pytest.mark.parametrize("shape", [(3, 4), (2, 4, 5), (3, 5, 4), (3, 4, 5, 4)])
def test_an_array_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(GeometryError, match="no volume of") as caught:
        Volume(np.zeros(shape), STRAIGHT)
    assert caught.value.reason == "size"


def test_a_volume_tells_where_it_lies() -> None:
    volume = Volume(np.zeros((3, 4, 5), np.int16), STRAIGHT)
    assert volume.image_ids == IDS
    assert np.array_equal(volume.affine, STRAIGHT.affine)
    assert (volume.origin, volume.spacing) == (STRAIGHT.origin, STRAIGHT.spacing)
    assert np.array_equal(volume.direction, STRAIGHT.direction)
    assert Volume(np.zeros((3, 4, 5, 3), np.uint8), STRAIGHT).array.ndim == 4


def test_the_place_of_a_frame_is_its_own() -> None:
    place = Place(4, 5, (1.0, 2.0, 3.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (1.0, 1.0), 2.0, "1.2")
    assert Place.of(place) == place
