"""A study of one instance with many frames, each of which has its number as its value."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from pydicom import dcmread
from pydicom.uid import UID

from cornerstream.phantom import CT_SYNTAXES, write_study

if TYPE_CHECKING:
    from pathlib import Path

    from cornerstream.phantom import PhantomStudy

FRAMES = 200


def write_long_study(folder: Path) -> PhantomStudy:
    """Write it: one series of one instance of `FRAMES` frames, uncompressed."""
    study = write_study(folder, slices=1, size=64, cine_frames=0, syntaxes=CT_SYNTAXES[:1])
    dataset = dcmread(study.series[0].files[0])
    numbers = np.arange(1, FRAMES + 1, dtype=np.uint16)[:, None, None]
    dataset.NumberOfFrames = FRAMES
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7.3")
    dataset.PixelData = np.broadcast_to(numbers, (FRAMES, dataset.Rows, dataset.Columns)).tobytes()
    dataset.save_as(study.series[0].files[0])
    return replace(study, series=study.series[:1])
