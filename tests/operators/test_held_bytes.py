"""Bytes at hand are read like a file."""

from __future__ import annotations

import gzip
import io
import pickle

import numpy as np
import pydicom
import pytest

from cornerstream.images.errors import FetchError, ImageIdError, ImageLoadError, LimitError, SplitError, TruncatedError
from cornerstream.images.limits import Limits
from cornerstream.operators.decompress import decode_frame
from cornerstream.operators.frame_index import FrameIndex
from cornerstream.operators.held_bytes import HeldBytes, HeldFileObject
from cornerstream.operators.held_frame import held_nbytes, open_held
from cornerstream.operators.web_image import WebFile
from tests.support.file_bytes import dicom_bytes, png_bytes

FILES = ["CT_small.dcm", "rtdose.dcm", "JPEG2000.dcm", "image_dfl.dcm", "liver_1frame.dcm", "ExplVR_BigEnd.dcm"]


def held(kind: str, data: bytes) -> HeldBytes | HeldFileObject:
    if kind == "bytes":
        return HeldBytes("it", data)
    if kind == "view":
        return HeldBytes("it", memoryview(b"x" + data)[1:])
    if kind == "gzip":  # its fileno() is that of other bytes
        return HeldFileObject("it", gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(data, 1))))
    return HeldFileObject("it", io.BytesIO(data))


@pytest.mark.parametrize("kind", ["bytes", "view", "file", "gzip"])
@pytest.mark.parametrize("name", FILES)
def test_frames_are_those_of_pydicom(kind: str, name: str) -> None:
    index = open_held(held(kind, dicom_bytes(name)))
    assert isinstance(index, FrameIndex)
    dataset = pydicom.dcmread(io.BytesIO(dicom_bytes(name)))
    count = index.metadata.number_of_frames
    pixels = [decode_frame(index.read_current(number)).pixels for number in range(1, count + 1)]
    np.testing.assert_array_equal(np.stack(pixels), dataset.pixel_array.reshape(count, *pixels[0].shape))
    with pytest.raises(ImageIdError, match=f"no frame {count + 1}"):
        index.read_current(count + 1)


@pytest.mark.parametrize("kind", ["bytes", "view", "file"])
def test_pictures(kind: str) -> None:
    file = open_held(held(kind, png_bytes()))
    assert isinstance(file, WebFile)
    assert held_nbytes(file) == len(png_bytes())


def test_bytes_travel_to_another_process() -> None:
    index = open_held(held("view", dicom_bytes()))
    assert isinstance(index, FrameIndex)
    copy = pickle.loads(pickle.dumps(index.source))
    assert copy.read(4, 128) == b"DICM"
    assert held_nbytes(index) > len(dicom_bytes())


def test_a_file_object_that_was_closed_says_so() -> None:
    file = io.BytesIO(dicom_bytes())
    index = open_held(HeldFileObject("it", file))
    file.close()
    assert isinstance(index, FrameIndex)
    with pytest.raises(FetchError, match=r"closed file.*; add it again") as caught:
        index.read_current(1)
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_file_object_that_became_shorter() -> None:
    file = io.BytesIO(dicom_bytes())
    index = open_held(HeldFileObject("it", file))
    file.truncate(5000)
    assert isinstance(index, FrameIndex)
    with pytest.raises((TruncatedError, SplitError)):
        index.read_current(1)


def read_last(data: bytes) -> None:
    file = open_held(HeldBytes("it", data))
    assert isinstance(file, FrameIndex)
    file.read_current(file.metadata.number_of_frames)


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [
        (b"", TruncatedError, "0 bytes"),
        (b"no picture", SplitError, "no picture"),
        (dicom_bytes()[:300], TruncatedError, "bytes"),
        (dicom_bytes("rtdose.dcm")[:-40], ImageLoadError, "bytes"),
        (png_bytes()[:-1], TruncatedError, "too early"),
    ],
)
def test_what_is_no_whole_file(data: bytes, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        read_last(data)


@pytest.mark.parametrize("data", [png_bytes(), dicom_bytes()])
def test_size_is_limited(data: bytes) -> None:
    with pytest.raises(LimitError, match="response_bytes"):
        open_held(HeldBytes("it", data), limits=Limits(response_bytes=len(data) - 1))
