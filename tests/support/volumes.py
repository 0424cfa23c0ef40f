"""Volumes made in code, and series of their slices."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cornerstream.images.frames import DecodedFrame
from cornerstream.images.image import Image
from cornerstream.images.image_id import ImageId
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.images.metadata import FrameMetadata, VoiWindow
from cornerstream.images.volume import Place, VolumeGeometry
from cornerstream.operators.bridge import from_coroutine
from cornerstream.registry import LoaderRegistry
from cornerstream.series import Series
from cornerstream.session import Session
from tests.support.under_way import UnderWay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cornerstream.loaders.context import LoadContext


@dataclass(frozen=True, slots=True)
class MadeVolume:
    """Stored values and where they lie."""

    array: NDArray[np.int16]
    geometry: VolumeGeometry

    def image(self, number: int, **changes: Any) -> Image:
        """One slice; slope 2 and intercept -1000."""
        geometry = self.geometry
        metadata = FrameMetadata(
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            rows=geometry.rows,
            columns=geometry.columns,
            photometric_interpretation="MONOCHROME2",
            bits_allocated=16,
            bits_stored=16,
            high_bit=15,
            pixel_representation=1,
            rescale_slope=2.0,
            rescale_intercept=-1000.0,
            rescale_type="HU",
            modality="CT",
            windows=(VoiWindow(40.0, 400.0),),
            pixel_spacing=geometry.pixel_spacing,
            image_position_patient=geometry.positions[number],
            image_orientation_patient=(*geometry.row_direction, *geometry.column_direction),
            frame_of_reference_uid=geometry.frame_of_reference_uid,
            study_instance_uid="1.2.3",
            instance_number=number + 1,
        )
        frame = DecodedFrame(metadata, self.array[number].copy(), "MONOCHROME2")
        image = Image.of(frame, geometry.image_ids[number])
        return replace(image, **changes) if changes else image

    @property
    def images(self) -> list[tuple[int, Image]]:
        """All slices with their numbers."""
        return [(number, self.image(number)) for number in range(len(self.array))]

    @property
    def hounsfield(self) -> NDArray[np.float32]:
        """Modality units."""
        return 2 * self.array.astype(np.float32) - 1000


def made_volume(
    heights: Sequence[float] = (0, 2.5, 5, 7.5, 10, 12.5, 15, 17.5, 20, 22.5, 25),
    *,
    shape: tuple[int, int] = (24, 30),
    shear: tuple[float, float] = (0.0, 0.0),
    turned: float = 0.0,
    seed: int = 1,
    scheme: str = "slice",
) -> MadeVolume:
    """Soft values with an edge and some noise, in slices at these heights along the normal.

    Args:
        heights: Of the slices.
        shape: Rows and columns.
        shear: Millimetres along rows and columns that a slice is shifted by, a millimetre of height.
        turned: Radians about the axis (1, 1, 1).
        seed: Of the noise.
        scheme: Of the image ids.
    """
    random = np.random.default_rng(seed)
    rows, columns = shape
    z, y, x = np.meshgrid(np.asarray(heights) / 8, np.arange(rows) / 5, np.arange(columns) / 6, indexing="ij")
    array = 400 * np.sin(x) * np.cos(y + z) + 300 * (x > 2.5) + random.normal(0, 20, x.shape)
    turn = _rotation(turned)
    row, column, normal = (turn @ axis for axis in np.eye(3))
    origin = turn @ np.array([-11.0, 7.0, 3.0])
    positions = [origin + height * (normal + shear[0] * row + shear[1] * column) for height in heights]
    geometry = VolumeGeometry(
        image_ids=tuple(ImageId.parse(f"{scheme}:{number}") for number in range(len(heights))),
        rows=rows,
        columns=columns,
        row_direction=_vector(row),
        column_direction=_vector(column),
        pixel_spacing=(0.8, 0.6),
        positions=tuple(_vector(position) for position in positions),
        frame_of_reference_uid="1.2.3.4",
    )
    return MadeVolume(array.astype(np.int16), geometry)


def _vector(values: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _rotation(angle: float) -> NDArray[np.float64]:
    """About (1, 1, 1), by Rodrigues' formula."""
    axis = np.ones(3) / np.sqrt(3)
    cross = np.cross(np.eye(3), axis)
    result: NDArray[np.float64] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return result


class HeldSlices(UnderWay[int]):
    """A loader of a made volume's slices (`slice:0` …), each of which waits until the test lets it go; the keys are numbers."""

    def __init__(self, made: MadeVolume, *, held: bool = True) -> None:
        super().__init__()
        self.made = made
        self.errors: dict[int, Exception] = {}
        self._gates = [asyncio.Event() for _ in made.array]
        if not held:
            self.release(*range(len(made.array)))

    @property
    def series(self) -> Series:
        """The series as a listing has it."""
        places = tuple(Place.of(image) for _, image in self.made.images)
        return Series(self.made.geometry.image_ids, modality="CT", series_description="made", places=places)

    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        return ImageLoadObject(image_id, from_coroutine(lambda: self._load(int(image_id.address))))

    def release(self, *numbers: int) -> None:
        """Let slices come."""
        for number in numbers:
            self._gates[number].set()

    async def _load(self, number: int) -> Image:
        async with self.under_way(number):
            await self._gates[number].wait()
            if number in self.errors:
                raise self.errors[number]
            return self.made.image(number)


def session_of(slices: HeldSlices, **options: Any) -> Session:
    """A session that loads slices by this loader."""
    registry = LoaderRegistry()
    registry.register("slice", slices)
    return Session(registry=registry, **options)
