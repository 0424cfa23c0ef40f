"""`npy:`: one frame of an array in a NumPy file, `npy:/scans/volume.npy?frame=3`; only its own bytes are read."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from cornerstream.images.array_frames import array_frames
from cornerstream.images.errors import DecodeError, FetchError, ImageIdError, LimitError, SplitError, TruncatedError
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.operators.bridge import from_coroutine
from cornerstream.operators.to_image import to_image

if TYPE_CHECKING:
    from cornerstream.images.frames import DecodedFrame
    from cornerstream.images.image_id import ImageId
    from cornerstream.images.limits import Limits
    from cornerstream.loaders.context import LoadContext

_HEADERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the frames of a file lie."""

    start: int
    frames: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return math.prod(self.shape) * self.dtype.itemsize


def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    """Load one frame of an array: rows × columns, rows × columns × 3, or frames in front of either."""
    frame = from_coroutine(lambda: context.workers.run(read_frame, image_id.address, image_id.number, context.limits))
    return ImageLoadObject(image_id, frame.pipe(to_image(image_id, context.target)))


def read_frame(path: str, frame_number: int, limits: Limits) -> DecodedFrame:
    """Read one frame; the file is closed before this returns.

    Args:
        path: The file.
        frame_number: Counts from 1.
        limits: `frame_pixels` bounds the size of a frame.

    Raises:
        FetchError: The file cannot be read.
        SplitError: It is no NumPy file of a version that is known.
        TruncatedError: It is cut.
        DecodeError: Its array is no image.
        LimitError: A frame is too large.
        ImageIdError: There is no such frame.
    """
    try:
        with Path(path).open("rb") as file:
            layout = _layout(file, limits)
            if frame_number > layout.frames:
                raise ImageIdError(f"there is no frame {frame_number}: {path} has {layout.frames}, counted from 1")
            file.seek(layout.start + (frame_number - 1) * layout.frame_bytes)
            data = file.read(layout.frame_bytes)
    except OSError as error:
        if isinstance(error, FetchError):
            raise
        raise FetchError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) < layout.frame_bytes:
        raise TruncatedError(f"{path} ends {layout.frame_bytes - len(data)} bytes too early")
    return _frame(layout, frame_number, data)


def _layout(file: BinaryIO, limits: Limits) -> Layout:
    try:
        version = npy_format.read_magic(file)
        shape, by_columns, dtype = _HEADERS[version](file)
    except (KeyError, ValueError) as error:
        raise SplitError(f"{file.name} is no NumPy file that is known here: {error}") from error
    if by_columns or dtype.hasobject:  # objects are pickles, which run whatever their author likes
        raise DecodeError(f"{file.name} holds objects, or its columns lie together; save np.ascontiguousarray(…)")
    try:
        described = array_frames(np.broadcast_to(np.empty((), dtype), shape), {})  # takes no memory
    except (TypeError, ValueError) as error:
        raise DecodeError(f"{file.name} holds no image: {error}") from error
    if described.metadata.rows * described.metadata.columns > limits.frame_pixels:
        raise LimitError(f"a frame of {file.name} is above the limit frame_pixels={limits.frame_pixels}")
    return Layout(file.tell(), len(described.pixels), described.pixels.shape[1:], dtype)


def _frame(layout: Layout, frame_number: int, data: bytes) -> DecodedFrame:
    pixels = np.frombuffer(data, layout.dtype).reshape(layout.shape)
    frame = array_frames(pixels[np.newaxis], {}).frame(1)
    numbers = {"frame_number": frame_number, "number_of_frames": layout.frames}
    return replace(frame, metadata=frame.metadata.changed(numbers))
