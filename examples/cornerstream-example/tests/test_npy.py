"""The loader passes the conformance suite of cornerstream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cornerstream.images.errors import DecodeError, FetchError, LimitError, SplitError, TruncatedError
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.testing import CHECKS, LoaderCase
from cornerstream_example.npy import load, read_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VOLUME = np.arange(120, dtype=np.int16).reshape(5, 4, 6)


@pytest.fixture
def path(tmp_path: Path) -> str:
    np.save(tmp_path / "volume.npy", VOLUME)
    return str(tmp_path / "volume.npy")


@pytest.mark.parametrize("check", CHECKS)
def test_loader(check: Callable[[LoaderCase], None], path: str) -> None:
    check(LoaderCase(load, f"npy:{path}", VOLUME[0], missing="npy:/no/such.npy", frames=list(VOLUME)))


def test_files_that_are_no_images(tmp_path: Path, path: str) -> None:
    for name, array in (("a", np.zeros(3)), ("b", np.zeros((2, 2), np.complex64)), ("c", np.array([{}, {}]))):
        np.save(tmp_path / name, array)
    np.savez(tmp_path / "d.npz", VOLUME)
    (tmp_path / "e.npy").write_bytes((tmp_path / "volume.npy").read_bytes()[:-1])
    (tmp_path / "f.npy").write_bytes(b"no array")
    np.save(tmp_path / "g", np.asfortranarray(VOLUME))
    expected = {
        "": FetchError,
        "a.npy": DecodeError,
        "b.npy": DecodeError,
        "c.npy": DecodeError,
        "d.npz": SplitError,
        "e.npy": TruncatedError,
        "f.npy": SplitError,
        "g.npy": DecodeError,
    }
    for name, error in expected.items():
        with pytest.raises(error):
            read_frame(str(tmp_path / name), 5 if name == "e.npy" else 1, DEFAULT_LIMITS)
    with pytest.raises(LimitError, match="frame_pixels=23"):
        read_frame(path, 1, Limits(frame_pixels=23))
