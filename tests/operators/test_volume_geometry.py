"""From images to a volume, or to the reason why they are none."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from cornerstream.images.errors import GeometryError
from cornerstream.images.image_id import ImageId
from cornerstream.images.volume import Place
from cornerstream.operators.metadata import read_dataset
from cornerstream.operators.volume_geometry import missing_after, volume_geometry
from tests.support.volumes import made_volume

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def stack(*heights: float, shift: float = 0.0, thickness: float | None = None) -> list[Place]:
    return [Place(8, 6, (0.0, shift * z, z), AXIAL, (0.5, 0.75), thickness, "1.2.3") for z in heights]


def ids(count: int) -> list[ImageId]:
    return [ImageId.parse(f"test:{number}") for number in range(count)]


def refusal(places: list[Place]) -> tuple[str, list[str]]:
    with pytest.raises(GeometryError) as caught:
        volume_geometry(ids(len(places)), places)
    return caught.value.reason, [one.address for one in caught.value.image_ids]


def test_slices_in_any_order_become_a_volume_in_order() -> None:
    geometry = volume_geometry(ids(4), stack(6, 0, 4, 2))
    assert [one.address for one in geometry.image_ids] == ["1", "3", "2", "0"]
    assert geometry.shape == (4, 8, 6)
    assert geometry.spacing == (0.75, 0.5, 2.0)
    assert geometry.frame_of_reference_uid == "1.2.3"


def test_gantry_tilt_is_represented() -> None:
    geometry = volume_geometry(ids(3), stack(0, 2, 4, shift=math.tan(math.radians(20))))
    assert geometry.tilt_degrees == pytest.approx(20)
    assert geometry.is_even
    assert geometry.is_sheared


def test_uneven_spacing_is_represented() -> None:
    geometry = volume_geometry(ids(7), stack(0, 4, 8, 12, 19, 26, 33))
    assert list(geometry.distances) == [0, 4, 8, 12, 19, 26, 33]
    assert not geometry.is_even


@pytest.mark.parametrize(
    ("places", "reason", "concerned"),
    [
        (stack(0), "single", ["0"]),
        ([*stack(0, 2), replace(stack(4)[0], image_position_patient=None)], "position", ["2"]),
        ([*stack(0, 2), replace(stack(4)[0], image_position_patient=(0, 0, math.nan))], "position", ["2"]),
        ([*stack(0, 2), replace(stack(4)[0], image_orientation_patient=None)], "orientation", ["2"]),
        ([*stack(0, 2), replace(stack(4)[0], image_orientation_patient=(1, 0, 0, 1, 0, 0))], "orientation", ["2"]),
        ([*stack(0, 2), replace(stack(4)[0], image_orientation_patient=(0, 0, 0, 0, 0, 0))], "orientation", ["2"]),
        ([*stack(0, 2), replace(stack(4)[0], image_orientation_patient=(0, 1, 0, 0, 0, 1))], "orientation", ["2"]),
        ([*stack(0, 2), replace(stack(4)[0], pixel_spacing=None)], "spacing", ["2"]),
        ([*stack(0, 2), replace(stack(4)[0], pixel_spacing=(0.0, 1.0))], "spacing", ["2"]),
        ([*stack(0, 2), replace(stack(4)[0], pixel_spacing=(0.5, 0.8))], "spacing", ["2"]),
        ([*stack(0, 2), replace(stack(4)[0], rows=9)], "size", ["2"]),
        ([*stack(0, 2), replace(stack(4)[0], columns=9)], "size", ["2"]),
        ([*stack(0, 2), replace(stack(4)[0], frame_of_reference_uid="9")], "frame_of_reference", ["2"]),
        (stack(0, 2, 2, 4), "duplicate", ["1", "2"]),
        (stack(0, 2, 4, 0, 2, 4), "duplicate", ["0", "3", "1", "4", "2", "5"]),
        (stack(0, 2, 4, 8, 10), "missing", ["2", "3"]),
        (stack(0, 2, 4, 6, shift=2.0), "tilt", ["0", "1", "2", "3"]),
    ],
)
def test_what_is_no_volume_is_refused_with_the_reason_and_the_images(
    places: list[Place], reason: str, concerned: list[str]
) -> None:
    assert refusal(places) == (reason, concerned)


def test_missing_slices_are_bridged_on_request() -> None:
    geometry = volume_geometry(ids(5), stack(0, 2, 4, 8, 10), allow_missing=True)
    assert list(geometry.distances) == [0, 2, 4, 8, 10]


@pytest.mark.parametrize(
    ("steps", "gaps"),
    [
        ([2, 2, 2, 2], []),
        ([2], []),
        ([2, 4], [1]),
        ([4, 2, 2], [0]),
        ([2, 2, 6, 2], [2]),
        ([1, 1, 2, 2, 1, 1], [2, 3]),
        ([4, 4, 4, 1, 7, 7, 7], []),
        ([2.5, 2.5, 2.5, 5, 5, 5], []),
        ([5, 5, 1, 1, 1, 5, 5], []),
        ([1, 1, 1, 2, 2, 2, 1, 1], []),
        ([7.07, 6.96, 6.97, 7.06], []),
    ],
)
def test_gaps_are_told_from_other_spacings(steps: list[float], gaps: list[int]) -> None:
    distances = np.concatenate([[0], np.cumsum(steps)]).tolist()
    assert missing_after(distances, [None] * len(distances)) == gaps


def test_a_thick_slice_is_no_gap() -> None:
    assert missing_after([0, 2, 4, 8, 10], [4.0] * 5) == []
    assert missing_after([0, 2, 4, 8, 10], [2.0] * 5) == [2]


@given(st.integers(5, 40), st.data())
def test_any_one_slice_that_is_taken_out_is_missed(count: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(1, count - 2))
    heights = [1.25 * number for number in range(count) if number != lost]
    assert missing_after(heights, [1.25] * len(heights)) == [lost - 1]


@given(st.data())
def test_any_stack_in_any_order_is_the_volume_that_it_is(data: st.DataObject) -> None:
    steps = data.draw(st.lists(st.floats(1.0, 1.3), min_size=1, max_size=12))
    made = made_volume(
        np.cumsum([0, *steps]).tolist(),
        shape=(2, 3),
        shear=(data.draw(st.floats(-0.5, 0.5)), data.draw(st.floats(-0.5, 0.5))),
        turned=data.draw(st.floats(-3, 3)),
    )
    slices = data.draw(st.permutations(made.images))
    geometry = volume_geometry([image.image_id for _, image in slices], [image for _, image in slices])
    assert geometry.image_ids == made.geometry.image_ids
    assert geometry.positions == made.geometry.positions
    np.testing.assert_allclose(geometry.distances, np.cumsum([0, *steps]), atol=1e-9)
    for index in range(len(steps) + 1):
        assert geometry.position_of(0, 0, index) == pytest.approx(made.geometry.positions[index])


def test_an_error_says_what_to_do() -> None:
    with pytest.raises(GeometryError, match=r"2 of 3 images share their place.*pass one of each place"):
        volume_geometry(ids(3), stack(0, 2, 2))


def test_nobody_needs_all_places_for_one_image() -> None:
    with pytest.raises(ValueError, match="zip"):
        volume_geometry(ids(3), stack(0, 2))


def test_frames_of_an_enhanced_instance_are_a_volume() -> None:
    dataset = Dataset()
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = 8, 6, 3
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.SharedFunctionalGroupsSequence = [group(orientation=AXIAL)]
    dataset.PerFrameFunctionalGroupsSequence = [group(height=height) for height in (4.0, 0.0, 2.0)]
    metadata = read_dataset(dataset, ExplicitVRLittleEndian)
    frames = [metadata.frame(number) for number in (1, 2, 3)]
    geometry = volume_geometry([ImageId.parse("test:it").with_frame(number) for number in (1, 2, 3)], frames)
    assert [image_id.number for image_id in geometry.image_ids] == [2, 3, 1]
    assert geometry.spacing == (0.75, 0.5, 2.0)


def group(*, orientation: tuple[float, ...] | None = None, height: float = 0.0) -> Dataset:
    """A functional group of all frames, or of one (PS3.3 C.7.6.16)."""
    one, inner = Dataset(), Dataset()
    if orientation is not None:
        inner.ImageOrientationPatient = list(orientation)
        measures = Dataset()
        measures.PixelSpacing = [0.5, 0.75]
        one.PlaneOrientationSequence, one.PixelMeasuresSequence = [inner], [measures]
    else:
        inner.ImagePositionPatient = [0.0, 0.0, height]
        one.PlanePositionSequence = [inner]
    return one
