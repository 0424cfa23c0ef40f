"""Files that are not as PS3.10 wants them are served like others, and instances without pixels say so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.errors import InvalidDicomError
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from cornerstream.images.errors import SplitError
from cornerstream.server import running_server
from cornerstream.server.index import read_header, scan_folder
from cornerstream.session import Session
from tests.support.part10 import EXPLICIT, IMPLICIT, item

if TYPE_CHECKING:
    from pydicom import FileDataset

    from cornerstream.server import ServerAddress


def bundled(name: str) -> str:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    return path


def bare(data_set: FileDataset, *, implicit: bool) -> bytes:
    """The data set alone: no preamble, no file meta information."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = implicit, True
    write_dataset(buffer, data_set)
    return buffer.getvalue()


def instance_url(at: ServerAddress, data_set: FileDataset) -> str:
    return (
        f"{at.dicomweb}/studies/{data_set.StudyInstanceUID}/series/{data_set.SeriesInstanceUID}"
        f"/instances/{data_set.SOPInstanceUID}"
    )


def with_stray_item() -> bytes:
    """An item tag between two elements of the data set."""
    head, found, tail = Path(bundled("CT_small.dcm")).read_bytes().rpartition(b"\xe0\x7f\x10\0OW")
    assert found
    return head + item(b"") + found + tail


@pytest.mark.parametrize(("implicit", "transfer_syntax_uid"), [(True, IMPLICIT), (False, EXPLICIT)])
def test_how_a_bare_data_set_is_written(tmp_path: Path, implicit: bool, transfer_syntax_uid: str) -> None:
    path = tmp_path / "bare"
    path.write_bytes(bare(dcmread(bundled("CT_small.dcm")), implicit=implicit))
    assert read_header(path).transfer_syntax_uid == transfer_syntax_uid


@pytest.mark.parametrize("implicit", [True, False])
async def test_a_bare_data_set_is_served(tmp_path: Path, implicit: bool) -> None:
    data_set = dcmread(bundled("CT_small.dcm"))
    (tmp_path / "bare").write_bytes(bare(data_set, implicit=implicit))
    async with running_server(tmp_path) as at, Session() as session:
        image = await session.load(f"wadors:{instance_url(at, data_set)}/frames/1")
    np.testing.assert_array_equal(image.pixels, data_set.pixel_array)


def test_what_does_not_begin_with_a_data_set_is_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b" " + bare(dcmread(bundled("CT_small.dcm")), implicit=False))
    with pytest.raises(InvalidDicomError):
        read_header(path)
    assert len(scan_folder(tmp_path)) == 0


async def test_a_stray_item_is_left_out(tmp_path: Path) -> None:
    data_set = dcmread(bundled("CT_small.dcm"))
    (tmp_path / "stray.dcm").write_bytes(with_stray_item())
    async with running_server(tmp_path) as at, Session() as session:
        image = await session.load(f"wadors:{instance_url(at, data_set)}/frames/1")
        async with aiohttp.ClientSession() as client, client.get(instance_url(at, data_set) + "/metadata") as answer:
            (model,) = json.loads(await answer.read())
    np.testing.assert_array_equal(image.pixels, data_set.pixel_array)
    assert not [tag for tag in model if tag.startswith("FFFE")]


async def test_an_instance_without_pixels_says_so(tmp_path: Path) -> None:
    data_set = dcmread(bundled("rtplan.dcm"))
    shutil.copy(bundled("rtplan.dcm"), tmp_path)
    async with running_server(tmp_path) as at, Session() as session:
        url = instance_url(at, data_set) + "/frames/1"
        async with aiohttp.ClientSession() as client, client.get(url) as answer:
            assert (answer.status, await answer.text()) == (404, "the instance has no pixel data")
        with pytest.raises(SplitError, match="no pixel data"):
            await session.load(f"wadors:{url}")
        with pytest.raises(SplitError, match="no pixel data"):
            await session.load(f"wadouri:{at.file('rtplan.dcm')}")
