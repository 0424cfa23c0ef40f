"""Make docs/images/three-planes.png: axial, coronal and sagittal plane of the shared corpus' tilted CT, as `mpr:` has them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Picture

import cornerstream as cs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.series import Series

ROOT = Path(__file__).resolve().parents[1]
SERIES = ROOT.parent / "shared" / "data" / "series" / "ct_ge_head_28"
PICTURE = ROOT / "docs" / "images" / "three-planes.png"
BRAIN = (40.0, 90.0)
SPACING = 0.7


def planes(session: cs.Session, series: Series) -> list[NDArray[np.uint8]]:
    """The middle plane of each orientation, in the brain's window."""
    shown = []
    for plane in ("axial", "coronal", "sagittal"):
        images = session.mpr(series, plane, spacing=SPACING)
        shown.append(session.load(images[len(images) // 2]).result().to_display(BRAIN))
    return shown


def side_by_side(pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pictures of any heights in one row, on black."""
    height = max(len(picture) for picture in pictures)
    padded = [np.pad(one, (((height - len(one)) // 2, -((len(one) - height) // 2)), (4, 4))) for one in pictures]
    return np.concatenate(padded, axis=1)


def main() -> int:
    """Write the picture; 1 without the corpus."""
    if not SERIES.is_dir():
        sys.stderr.write(f"there is no corpus at {SERIES}\n")
        return 1
    with cs.Session() as session:
        row = side_by_side(planes(session, session.folder(SERIES)[0]))
    PICTURE.parent.mkdir(exist_ok=True)
    Picture.fromarray(row).save(PICTURE, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
