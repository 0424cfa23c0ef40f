"""The montage: one picture of what streamed past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cornerstream.cli.gallery import LUNG, SOFT_TISSUE, Gallery, plane, radiograph

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image as Picture
    from PIL.ImageDraw import ImageDraw

_TILE = 360
_GAP = 12
_MARGIN = 28
_TITLE = 78
_CAPTION = 34
_COLUMNS = 4
_BACKGROUND, _TEXT, _FAINT, _ACCENT = (11, 13, 17), (236, 239, 244), (138, 147, 162), (94, 196, 255)


@dataclass(frozen=True, slots=True)
class _Row:
    """Pictures side by side.

    Attributes:
        note: What else is to be known, drawn fainter.
    """

    caption: str
    note: str
    pictures: list[Picture]

    @property
    def height(self) -> int:
        """Pixels with its caption."""
        return _CAPTION + max(picture.height for picture in self.pictures) + _GAP


def draw_montage(gallery: Gallery, path: Path, subtitle: str) -> None:
    """Draw axial slices in two windows, cuts the other ways and the colour cine.

    Args:
        gallery: What is drawn; what it does not have is left out.
        path: The PNG file.
        subtitle: Stands beside the title.

    Raises:
        OSError: The file cannot be written.
    """
    from PIL import Image, ImageDraw  # noqa: PLC0415 - heavy

    rows = [row for row in _rows(gallery) if row.pictures]
    width = 2 * _MARGIN + _COLUMNS * _TILE + (_COLUMNS - 1) * _GAP
    picture = Image.new("RGB", (width, _TITLE + sum(row.height for row in rows) + _MARGIN // 2), _BACKGROUND)
    draw = ImageDraw.Draw(picture)
    _write(draw, (_MARGIN, 22), "cornerstream", _TEXT, 32)
    _write(draw, (_MARGIN + 226, 35), subtitle, _FAINT, 17)
    top = _TITLE
    for row in rows:
        end = _write(draw, (_MARGIN, top + 5), row.caption, _ACCENT, 18)
        _write(draw, (end + 14, top + 7), row.note, _FAINT, 15)
        for column, one in enumerate(row.pictures):
            picture.paste(one, (_MARGIN + column * (_TILE + _GAP), top + _CAPTION))
        top += row.height
    picture.save(path, "PNG")


def _rows(gallery: Gallery) -> list[_Row]:
    cuts = []
    if gallery.coronal:
        cuts = [
            _tile(plane(gallery.coronal, SOFT_TISSUE), gallery.aspect),
            _tile(plane(gallery.coronal, LUNG), gallery.aspect),
            _tile(plane(gallery.sagittal, SOFT_TISSUE), gallery.aspect),
            _tile(radiograph(gallery.projection), gallery.aspect),
        ]
    return [
        _Row("Axial, soft tissue", "level 40, window 400 HU · explicit little endian", _in_order(gallery.soft_tissue)),
        _Row("Axial, lung", "level -500, window 1200 HU · JPEG 2000 lossless", _in_order(gallery.lung)),
        _Row(
            "Coronal, sagittal, radiograph",
            "put together from every slice of a stream, in order · HTJ2K lossless",
            cuts,
        ),
        _Row("Colour cine", "multi-frame, JPEG baseline, YBR_FULL_422", _in_order(gallery.cine, reverse=False)),
    ]


def _in_order(pictures: dict[float, NDArray[np.uint8]], *, reverse: bool = True) -> list[Picture]:
    return [_tile(pictures[place]) for place in sorted(pictures, reverse=reverse)][:_COLUMNS]


def _tile(pixels: NDArray[np.uint8], aspect: float = 1.0) -> Picture:
    from PIL import Image  # noqa: PLC0415 - heavy

    rows, columns = pixels.shape[:2]
    size = (_TILE, max(1, round(_TILE * rows * aspect / columns)))
    return Image.fromarray(pixels).convert("RGB").resize(size, Image.Resampling.LANCZOS)


def _write(draw: ImageDraw, place: tuple[int, int], text: str, colour: tuple[int, int, int], size: int) -> int:
    """Write a line; returns where it ends."""
    from PIL import ImageFont  # noqa: PLC0415 - heavy

    font = ImageFont.load_default(size)
    draw.text(place, text, colour, font)
    return round(place[0] + draw.textlength(text, font))
