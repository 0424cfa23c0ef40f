"""The whole phantom: a chest in contrast enhanced computed tomography, slice by slice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from os import cpu_count
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.phantom.canvas import FIELD_MM, Canvas, axis, float32
from cornerstream.phantom.organs import paint_organs, trees
from cornerstream.phantom.wall import paint_midline, paint_wall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.phantom.canvas import Array

HEIGHT_MM = 312.0
_NOISE_HU = 13.0
_OUTSIDE_HU = -1024


@dataclass(frozen=True, slots=True)
class Phantom:
    """A chest, the same for the same numbers; z runs from the apex of the lungs down to the liver.

    Attributes:
        slices: Number of slices over 312 mm.
        size: Rows and columns over 358 mm.
        seed: Of everything random.
    """

    slices: int = 208
    size: int = 512
    seed: int = 7

    @property
    def pixel_spacing(self) -> float:
        """Millimetres between pixels."""
        return FIELD_MM / self.size

    @property
    def slice_spacing(self) -> float:
        """Millimetres between slices."""
        return HEIGHT_MM / self.slices

    def slice(self, index: int) -> NDArray[np.int16]:
        """Hounsfield units of one slice, size × size; index 0 is the top."""
        canvas = Canvas(self.size, index * self.slice_spacing)
        random = np.random.default_rng((self.seed, index))
        paint_wall(canvas)
        paint_organs(canvas, self.seed, _texture(self.size, self.seed, canvas.z))
        paint_midline(canvas)
        canvas.hu += _noise(self.size, self.seed, random)
        canvas.hu[_outside(self.size)] = _OUTSIDE_HU
        return np.clip(np.rint(canvas.hu), _OUTSIDE_HU, 3071).astype(np.int16)

    def volume(self, threads: int | None = None) -> NDArray[np.int16]:
        """Hounsfield units of all slices: slices × size × size.

        Args:
            threads: Slices computed at once; as many as there are processors when it is `None`.
        """
        trees(self.seed)  # grown once, before the threads ask for them
        result = np.empty((self.slices, self.size, self.size), np.int16)

        def fill(index: int) -> None:
            result[index] = self.slice(index)

        with ThreadPoolExecutor(threads or cpu_count() or 1, thread_name_prefix="cornerstream-phantom") as pool:
            for _ in pool.map(fill, range(self.slices)):
                pass
        return result


def _noise(size: int, seed: int, random: np.random.Generator) -> Array:
    """Grain of a scanner: two of a few stored patterns, shifted at random, so that slices do not repeat."""
    patterns = _grain(size, seed)
    first, second = random.integers(len(patterns), size=2)
    shifts = random.integers(size, size=(2, 2))
    mixed = np.roll(patterns[first], shifts[0], (0, 1)) + np.roll(patterns[second], shifts[1], (0, 1))
    return float32(mixed * np.float32(_NOISE_HU / np.sqrt(2)))


@lru_cache(maxsize=2)
def _grain(size: int, seed: int) -> tuple[Array, ...]:
    random = np.random.default_rng((seed, size))
    return tuple(_blurred(random.standard_normal((size, size), np.float32), 0.6) for _ in range(4))


@lru_cache(maxsize=2)
def _tissue(size: int, seed: int) -> tuple[Array, ...]:
    random = np.random.default_rng((seed, size, 1))
    width = 4.0 / (FIELD_MM / size)
    return tuple(_blurred(random.standard_normal((size, size), np.float32), width) for _ in range(8))


def _texture(size: int, seed: int, z: float) -> Array:
    """Unevenness of tissue, changing smoothly along z."""
    patterns = _tissue(size, seed)
    place = z / 6.0
    part = np.float32(place % 1.0)
    low, high = patterns[int(place) % len(patterns)], patterns[(int(place) + 1) % len(patterns)]
    return float32(low * np.sqrt(1 - part) + high * np.sqrt(part))


def _blurred(noise: Array, width: float) -> Array:
    """Gaussian blur that wraps around, brought back to a standard deviation of 1."""
    frequency = np.fft.fftfreq(len(noise)).astype(np.float32)
    kernel = np.exp(-2 * (np.pi * frequency * width) ** 2)
    blurred = np.fft.ifft2(np.fft.fft2(noise) * kernel[:, None] * kernel[None, :]).real
    return float32(blurred / blurred.std())


@lru_cache(maxsize=2)
def _outside(size: int) -> NDArray[np.bool_]:
    x = axis(size)
    return np.hypot(x[None, :], x[:, None]) > FIELD_MM / 2
