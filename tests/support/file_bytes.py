"""Small pictures and files made in code, or out of pydicom's own."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.data import get_testdata_file


@cache
def dicom_bytes(name: str = "CT_small.dcm") -> bytes:
    """One of the files in pydicom's wheel."""
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    return Path(path).read_bytes()


@cache
def png_bytes() -> bytes:
    """A grey PNG of 3 × 4 pixels, 0 to 11."""
    with io.BytesIO() as file:
        Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(file, "png")
        return file.getvalue()
