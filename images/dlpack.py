"""Pixels for other array libraries without a copy: the DLPack protocol (its version 1.0, and the one before)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CPU = (1, 0)  # kDLCPU, and the only one of them
_NUMPY_IS_VERSIONED = np.lib.NumpyVersion(np.__version__) >= "2.1.0"


def export(
    pixels: NDArray[Any],
    *,
    stream: object = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """A DLPack capsule of a read-only array.

    Only version 1.0 can say that memory is read-only, so whoever asks for an older one gets a copy or nothing.

    Args:
        pixels: What is exported.
        stream: `None`; there are no streams on a CPU.
        max_version: The newest version the consumer understands; `None` is one before 1.0.
        dl_device: Where it is wanted; the CPU.
        copy: `True` hands over a writable copy; otherwise nothing is copied.

    Raises:
        BufferError: The consumer, or the numpy that is installed, does not know read-only memory; the device is another
            one; or numpy cannot export that dtype.
    """
    if dl_device not in (None, CPU):
        raise BufferError(f"the pixels are in main memory (device {CPU}), not on device {dl_device}")
    if _NUMPY_IS_VERSIONED and copy:
        return pixels.__dlpack__(stream=stream, max_version=max_version, copy=True)
    if copy:
        return pixels.copy().__dlpack__(stream=stream)
    if max_version is None or max_version < (1, 0):
        raise BufferError(
            "the pixels are read-only, which DLPack before 1.0 cannot say; ask for a copy "
            "(from_dlpack(image, copy=True), or np.array(image))"
        )
    if not _NUMPY_IS_VERSIONED:
        raise BufferError(
            f"numpy {np.__version__} cannot export read-only pixels by DLPack; install 2.1 or newer, or copy"
        )
    return pixels.__dlpack__(stream=stream, max_version=max_version, copy=copy)
