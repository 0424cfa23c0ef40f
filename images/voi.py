"""The formulas between stored values and a screen: look-up tables and windows (PS3.3 C.11.1 and C.11.2).

Windows map to the unit interval, so that a caller scales to whatever depth it shows. Every function is non-decreasing in
its values and silent about infinities; NaN stays NaN.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from cornerstream.images.metadata import LookupTable, VoiWindow

    WindowFunction = Callable[[NDArray[np.float64], float, float], NDArray[np.float64]]


def linear(values: NDArray[np.float64], center: float, width: float) -> NDArray[np.float64]:
    """LINEAR (PS3.3 C.11.2.1.2.1): the window's ends are pixel values, hence the half and the one; width from 1."""
    if width == 1:  # a threshold: the formula would divide by zero
        return np.where(np.isnan(values), values, (values > center - 0.5).astype(np.float64))
    return linear_exact(values, center - 0.5, width - 1)


def linear_exact(values: NDArray[np.float64], center: float, width: float) -> NDArray[np.float64]:
    """LINEAR_EXACT (PS3.3 C.11.2.1.3.2): `center - width / 2` becomes 0, `center + width / 2` becomes 1."""
    with np.errstate(over="ignore", invalid="ignore"):
        unit = (values - center) / width
        unit += 0.5
    return np.clip(unit, 0, 1, out=unit)


def sigmoid(values: NDArray[np.float64], center: float, width: float) -> NDArray[np.float64]:
    """SIGMOID (PS3.3 C.11.2.1.3.1): an S-curve with the slope of the window at its center."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        curve: NDArray[np.float64] = 1 / (1 + np.exp(-4 * ((values - center) / width)))
    return curve


_FUNCTIONS: Mapping[str, WindowFunction] = MappingProxyType(
    {"LINEAR": linear, "LINEAR_EXACT": linear_exact, "SIGMOID": sigmoid}
)


def apply_window(values: NDArray[np.float64], window: VoiWindow, function: str = "LINEAR") -> NDArray[np.float64]:
    """Map modality values to 0..1.

    Args:
        values: Modality values of any shape.
        window: Center and width in modality units.
        function: VOI LUT Function (0028,1056); empty means LINEAR.

    Raises:
        ValueError: The function is not one of the three, or the width is not allowed by it.
    """
    return _FUNCTIONS[check_window(window, function)](values, float(window.center), float(window.width))


def check_window(window: VoiWindow, function: str = "LINEAR") -> str:
    """The function's name as the standard writes it, if the window is allowed by it.

    Raises:
        ValueError: The function is not one of the three, or the width is not allowed by it.
    """
    name = function.strip().upper() or "LINEAR"
    if name not in _FUNCTIONS:
        raise ValueError(f"VOI LUT Function is {function!r}; PS3.3 C.11.2 defines {', '.join(_FUNCTIONS)}")
    if not (math.isfinite(window.center) and math.isfinite(window.width)):
        raise ValueError(f"a window is a finite center and width, not {window.center:g} and {window.width:g}")
    if name == "LINEAR" and window.width < 1:
        raise ValueError(f"Window Width of LINEAR is at least 1, not {window.width:g} (PS3.3 C.11.2.1.2.1)")
    if window.width <= 0:
        raise ValueError(f"Window Width of {name} is greater than 0, not {window.width:g} (PS3.3 C.11.2.1.3)")
    return name


def look_up(table: LookupTable, values: NDArray[np.generic]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Map values through a table: below its first value comes the first entry, beyond the last one the last.

    Args:
        table: A Modality or VOI LUT (PS3.3 C.11.1.1, C.11.2.1.1).
        values: Of any shape; fractions are rounded to the nearest entry, NaN takes the first.
    """
    last = len(table.values) - 1
    if values.dtype.kind == "f":
        indices: NDArray[np.generic] = np.nan_to_num(np.rint(values.astype(np.float64) - table.first_value), nan=0)
    else:
        indices = values.astype(np.int64) - table.first_value
    entries: NDArray[np.uint8] | NDArray[np.uint16] = table.values.take(np.clip(indices, 0, last).astype(np.intp))
    return entries
