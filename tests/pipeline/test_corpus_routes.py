"""Every real file by every route: over HTTP it is what it is on disk."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest

from cornerstream.server.running import ServerAddress, running_server
from cornerstream.session import Session
from tests.support.corpus import corpus_root, expected

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.corpus, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]

_IMAGES = [name for name, one in expected()["files"].items() if one["category"] == "image"]


def frame_numbers(name: str) -> list[int]:
    """The first frame and the last."""
    return sorted({1, expected()["files"][name].get("frames") or 1})


def wadors(at: ServerAddress, header: pydicom.Dataset) -> str | None:
    """Address of the instance; `None` where the file has no UIDs to address it by."""
    uids = [header.get(keyword) for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")]
    if not all(uids):
        return None
    return f"wadors:{at.dicomweb}/studies/{uids[0]}/series/{uids[1]}/instances/{uids[2]}"


def same(one: Any, other: Any) -> bool:
    return bool(one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))


@pytest.mark.parametrize("name", _IMAGES or [pytest.param("", id="no corpus")])
async def test_every_route_gives_the_same_image(name: str, tmp_path: Path) -> None:
    path = corpus_root() / name
    shutil.copy(path, tmp_path / "x.dcm")
    header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    async with running_server(tmp_path) as at, Session() as session:
        address = wadors(at, header)
        for number in frame_numbers(name):
            on_disk = await session.load(f"dicomfile:{path}?frame={number}")
            routes = [f"wadouri:{at.file('x.dcm')}?frame={number}"]
            routes += [] if address is None else [f"{address}/frames/{number}"]
            for route in routes:
                image = await session.load(route)
                assert same(image.pixels, on_disk.pixels)
                assert same(image.to_modality(), on_disk.to_modality())
                assert image.photometric_interpretation == on_disk.photometric_interpretation
                assert image.windows == on_disk.windows
                assert image.image_position_patient == on_disk.image_position_patient
                assert image.pixel_padding_value == on_disk.pixel_padding_value
