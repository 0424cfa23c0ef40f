"""What the demonstration keeps of the images that stream past, for its montage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.images.image import Image

SOFT_TISSUE = (40.0, 400.0)
LUNG = (-500.0, 1200.0)
SOFT_TISSUE_LEVELS = (0.80, 0.62, 0.44, 0.14)  # places of the axial slices, of the series' length from the feet
LUNG_LEVELS = (0.88, 0.72, 0.56, 0.38)
VIEWS = (0.0, 0.12, 0.25, 0.38)  # places of the cine's frames, of its length


@dataclass(slots=True)
class Gallery:
    """Few pictures and three planes, so that memory stays small however long the series are.

    Attributes:
        soft_tissue: Axial slices, uint8, by place.
        lung: Likewise.
        cine: Colour frames by place.
        coronal: Rows of the frontal plane through the middle, in Hounsfield units, by height in millimetres.
        sagittal: Likewise from the side.
        projection: Mean values from front to back, by height.
        aspect: Millimetres between slices over millimetres between pixels.
    """

    soft_tissue: dict[float, NDArray[np.uint8]] = field(default_factory=dict)
    lung: dict[float, NDArray[np.uint8]] = field(default_factory=dict)
    cine: dict[float, NDArray[np.uint8]] = field(default_factory=dict)
    coronal: dict[float, NDArray[np.float32]] = field(default_factory=dict)
    sagittal: dict[float, NDArray[np.float32]] = field(default_factory=dict)
    projection: dict[float, NDArray[np.float32]] = field(default_factory=dict)
    aspect: float = 1.0

    def look(self, image: Image, index: int, count: int, series: int) -> None:
        """Take from an image what the montage shows of it.

        Args:
            image: One that streamed past.
            index: Its place in its series, from 0.
            count: Images of the series.
            series: Which series of the study, from 0.
        """
        if image.pixels.ndim == 3:
            self.cine.update((place, image.to_display()) for place in VIEWS if index == int(place * count))
            return
        if series == 0:
            self.soft_tissue.update(_at(SOFT_TISSUE_LEVELS, SOFT_TISSUE, image, index, count))
        elif series == 1:
            self.lung.update(_at(LUNG_LEVELS, LUNG, image, index, count))
        elif series == 2:
            self._cut(image)

    def _cut(self, image: Image) -> None:
        if image.image_position_patient is None:
            return
        height = image.image_position_patient[2]
        middle = image.rows // 2
        self.coronal[height] = _hounsfield(image, image.pixels[middle])
        self.sagittal[height] = _hounsfield(image, image.pixels[:, image.columns // 2])
        self.projection[height] = _hounsfield(image, image.pixels.mean(axis=0))
        if image.slice_thickness and image.pixel_spacing:
            self.aspect = image.slice_thickness / image.pixel_spacing[1]


def _at(
    levels: tuple[float, ...], window: tuple[float, float], image: Image, index: int, count: int
) -> dict[float, NDArray[np.uint8]]:
    """The image by its place, if it lies at one of the levels."""
    return {level: image.to_display(window) for level in levels if index == int(level * count)}


def plane(rows: dict[float, NDArray[np.float32]], window: tuple[float, float]) -> NDArray[np.uint8]:
    """Rows put together, the head above, as uint8 in a window of center and width (PS3.3 C.11.2.1.2.1)."""
    center, width = window
    return _shown(((_stacked(rows) - (center - 0.5)) / (width - 1) + 0.5) * 255)


def radiograph(rows: dict[float, NDArray[np.float32]]) -> NDArray[np.uint8]:
    """Mean values put together as a radiograph shows them: from the most transparent to all but the densest."""
    values = _stacked(rows)
    darkest, brightest = np.percentile(values, (20, 99.7))
    return _shown((values - darkest) / max(1.0, brightest - darkest) * 255)


def _stacked(rows: dict[float, NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.stack([rows[height] for height in sorted(rows, reverse=True)])


def _shown(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    shown: NDArray[np.uint8] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return shown


def _hounsfield(image: Image, values: NDArray[np.generic]) -> NDArray[np.float32]:
    return values.astype(np.float32) * np.float32(image.rescale_slope) + np.float32(image.rescale_intercept)
