"""Image ids of planes: `mpr:` and the key of a volume, and as a query all that says which plane of it.

`mpr:5f0c…?origin=-125,-10,80&row=1,0,0&column=0,0,-1&spacing=0.5,0.5&size=300,512&step=0.5&count=400&frame=17` is the
17th of 400 planes, each half a millimetre further along the normal. `slab`, `combine`, `interpolation` and `fill` are as in
`Sampling`, and left out where they are as usual.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from cornerstream.images.errors import GeometryError, ImageIdError
from cornerstream.images.image_id import ImageId
from cornerstream.images.plane import Plane, Sampling

if TYPE_CHECKING:
    from collections.abc import Iterable

_LENGTHS = {"origin": 3, "row": 3, "column": 3, "spacing": 2, "size": 2, "step": 1, "count": 1, "slab": 1, "fill": 1}
_WORDS = frozenset({"combine", "interpolation"})
_ALWAYS = frozenset({"origin", "row", "column", "spacing", "size"})
_USUAL = {one.name: one.default for one in fields(Sampling)}


@dataclass(frozen=True, slots=True)
class PlaneAddress:
    """What the image id of a plane says.

    Attributes:
        volume: Key of the volume, as the session knows it.
        plane: The first of the planes.
        sampling: How values are had.
        step: Millimetres from plane to plane, along their normal.
        count: How many planes.
    """

    volume: str
    plane: Plane
    sampling: Sampling = field(default_factory=Sampling)
    step: float = 0.0
    count: int = 1

    @classmethod
    def of(cls, image_id: ImageId) -> PlaneAddress:
        """Read an image id.

        Raises:
            ImageIdError: It is none of a plane, or asks for a plane beyond the last.
        """
        key, _, query = image_id.address.partition("?")
        try:
            address = cls(key, *_parts(dict(_pairs(query))))
        except (GeometryError, KeyError, ValueError) as error:
            raise ImageIdError(
                f"not the image id of a plane: {error}; Session.mpr makes them", image_id=image_id
            ) from error
        if image_id.number > address.count:
            raise ImageIdError(f"there is no plane {image_id.number} of {address.count}", image_id=image_id)
        return address

    @property
    def image_id(self) -> ImageId:
        """The image id of the first plane; `with_frame(number)` is that of another."""
        plane = self.plane
        parts = {
            "origin": _numbers(plane.origin),
            "row": _numbers(plane.row_direction),
            "column": _numbers(plane.column_direction),
            "spacing": _numbers(plane.pixel_spacing),
            "size": f"{plane.rows},{plane.columns}",
        }
        if self.count > 1:
            parts |= {"step": _numbers([self.step]), "count": str(self.count)}
        parts |= {name: _written(getattr(self.sampling, name)) for name in _USUAL if not self._is_usual(name)}
        query = "&".join(f"{name}={value}" for name, value in parts.items())
        return ImageId("mpr", f"{self.volume}?{query}", 1 if self.count > 1 else None)

    def at(self, number: int) -> Plane:
        """One of the planes; they count from 1."""
        return self.plane.moved((number - 1) * self.step)

    def _is_usual(self, name: str) -> bool:
        value, usual = getattr(self.sampling, name), _USUAL[name]
        return bool(value == usual or (value != value and usual != usual))  # noqa: PLR0124 - NaN


def _pairs(query: str) -> Iterable[tuple[str, tuple[float, ...] | str]]:
    """Names and values, each name once."""
    seen: set[str] = set()
    for part in query.split("&"):
        name, _, text = part.partition("=")
        if name in seen or not (name in _LENGTHS or name in _WORDS):
            raise ValueError(f"{name!r} is twice there, or not known")
        seen.add(name)
        if name in _WORDS:
            yield name, text
            continue
        values = tuple(float(one) for one in text.split(","))
        if len(values) != _LENGTHS[name] or not all(map(math.isfinite, values)):
            raise ValueError(f"{name}={text}")
        yield name, values
    if missing := _ALWAYS - seen:
        raise ValueError(f"without {', '.join(sorted(missing))}")


def _parts(given: dict[str, Any]) -> tuple[Plane, Sampling, float, int]:
    rows, columns, count = (_whole(value) for value in (*given["size"], *given.get("count", (1,))))
    plane = Plane(given["origin"], given["row"], given["column"], given["spacing"], rows, columns)
    sampling = {name: given[name] for name in _WORDS & given.keys()}
    sampling |= {name: given[name][0] for name in ("slab", "fill") if name in given}
    return plane, Sampling(**sampling), given.get("step", (0.0,))[0], count


def _whole(value: float) -> int:
    if value != int(value) or not 1 <= value < 2**31:
        raise ValueError(f"{value:g} is no number of rows, columns or planes")
    return int(value)


def _numbers(values: Iterable[float]) -> str:
    """Nine digits: nanometres, and directions to a millionth of a pixel."""
    return ",".join(f"{round(value, 9) + 0.0:.9g}" for value in values)


def _written(value: float | str) -> str:
    return value if isinstance(value, str) else _numbers([value])
