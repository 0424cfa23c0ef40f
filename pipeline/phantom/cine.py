"""A rotating view of the phantom in colour: bones ivory, vessels red, the body a blue glow."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import cos, pi, sin
from os import cpu_count
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.phantom.canvas import FIELD_MM, float32
from cornerstream.phantom.volume import HEIGHT_MM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.phantom.canvas import Array

_RIM = np.float32(6.0)  # grid pixels
_GRID = 256  # pixels across, before the picture is enlarged
_BONE_HU, _VESSEL_HU, _BODY_HU = 420, 215, -400
_IVORY = np.array([1.0, 0.94, 0.82], np.float32)
_RED = np.array([0.86, 0.20, 0.16], np.float32)
_BLUE = np.array([0.14, 0.30, 0.50], np.float32)
_LIGHT = np.array([-0.42, -0.45, 0.79], np.float32)  # from above, left and the front


@dataclass(frozen=True, slots=True)
class _Cloud:
    """Points to project: x and y from the axis of rotation in grid pixels, z by slice."""

    x: Array
    y: Array
    z: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Scene:
    """What is looked at, on a picture of so many slices × columns."""

    bone: _Cloud
    vessel: _Cloud
    body: _Cloud
    slices: int
    columns: int


def rotating_view(volume: NDArray[np.int16], frames: int = 60, size: int = 512) -> NDArray[np.uint8]:
    """Look at a volume from all around.

    Args:
        volume: Hounsfield units, slices × rows × columns.
        frames: Views over one turn.
        size: Rows and columns of a view.

    Returns:
        frames × size × size × 3, RGB.
    """
    step = max(1, volume.shape[1] // _GRID)
    small = volume[:, ::step, ::step]
    columns = small.shape[2]
    scene = _Scene(
        _cloud(small > _BONE_HU, columns),
        _cloud((small > _VESSEL_HU) & (small <= _BONE_HU), columns),
        _cloud(small[:, ::3, ::3] > _BODY_HU, columns, 3),
        len(small),
        columns,
    )
    with ThreadPoolExecutor(cpu_count() or 1, thread_name_prefix="cornerstream-phantom") as pool:
        return np.stack(list(pool.map(lambda index: _view(scene, 2 * pi * index / frames, size), range(frames))))


def _cloud(chosen: NDArray[np.bool_], columns: int, step: int = 1) -> _Cloud:
    z, y, x = np.nonzero(chosen)
    middle = (columns - 1) / 2
    return _Cloud((x * step - middle).astype(np.float32), (y * step - middle).astype(np.float32), z)


def _view(scene: _Scene, angle: float, size: int) -> NDArray[np.uint8]:
    from PIL import Image as Picture  # noqa: PLC0415 - heavy

    place, _ = _project(scene.body, angle, scene)
    thickness = np.bincount(place, minlength=scene.slices * scene.columns).reshape(scene.slices, scene.columns)
    glow = _smooth(np.minimum(thickness / (scene.columns / 5), 1.0).astype(np.float32), 5)
    picture = glow[:, :, None] * _BLUE
    bone, vessel = _surface(scene.bone, angle, scene), _surface(scene.vessel, angle, scene)
    # Bone has a rim of partial volume that looks like contrast: it wins where both are close together.
    for surface, seen, colour in (
        (vessel, (vessel > 0) & (vessel > bone + _RIM), _RED),
        (bone, (bone > 0) & (bone + _RIM >= vessel), _IVORY),
    ):
        picture[seen] = (_shade(surface, scene.columns)[:, :, None] * colour)[seen]
    pixels = Picture.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))
    height = max(1, round(size * HEIGHT_MM / FIELD_MM))
    result = np.zeros((size, size, 3), np.uint8)
    top = (size - height) // 2
    result[top : top + height] = np.asarray(pixels.resize((size, height), Picture.Resampling.BICUBIC))
    return result


def _project(cloud: _Cloud, angle: float, scene: _Scene) -> tuple[NDArray[np.intp], Array]:
    """Where the points fall in the picture (flat index), and how near they are, in grid pixels above 0."""
    c, s = np.float32(cos(angle)), np.float32(sin(angle))
    across = cloud.x * c + cloud.y * s
    column = np.clip(np.rint(across + (scene.columns - 1) / 2), 0, scene.columns - 1).astype(np.intp)
    return cloud.z * scene.columns + column, cloud.x * s - cloud.y * c + np.float32(scene.columns)


def _surface(cloud: _Cloud, angle: float, scene: _Scene) -> Array:
    """Nearness of the first point along every ray; 0 where there is none."""
    place, near = _project(cloud, angle, scene)
    nearest = np.zeros(scene.slices * scene.columns, np.float32)
    np.maximum.at(nearest, place, near)
    picture = nearest.reshape(scene.slices, scene.columns)
    # Turned points leave single gaps between columns: the neighbours fill them.
    gaps = picture == 0
    neighbours = np.minimum(np.roll(picture, 1, 1), np.roll(picture, -1, 1))
    picture[gaps] = neighbours[gaps]
    return picture


def _shade(surface: Array, columns: int) -> Array:
    """Brightness of a surface under one lamp, less the further away it is."""
    smooth = np.where(surface > 0, _smooth(surface, 2), 0)
    down, across = np.gradient(smooth)
    normal = np.stack([-np.clip(across, -3, 3), -np.clip(down, -3, 3), np.ones_like(smooth)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    lit = np.clip(normal @ _LIGHT, 0, 1)
    far = np.clip((surface / columns - np.float32(0.5)) * np.float32(0.75) + np.float32(0.35), 0.15, 1.0)
    return float32((np.float32(0.25) + np.float32(0.85) * lit) * far)


def _smooth(picture: Array, width: int) -> Array:
    for axis_number in (0, 1):
        shifted = [np.roll(picture, shift, axis_number) for shift in range(-width, width + 1)]
        picture = np.mean(shifted, axis=0, dtype=np.float32)
    return picture
