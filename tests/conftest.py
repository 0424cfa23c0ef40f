"""Fixtures of the whole suite."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from cornerstream.phantom import PhantomStudy, write_study
from tests.support.orthanc import Orthanc, missing, running_orthanc

if TYPE_CHECKING:
    from collections.abc import Iterator


# Whoever develops explores with new examples every time; whether a change gets in must not depend on chance.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_collection_finish() -> None:
    """What collecting the tests has made lives to the end: no search for garbage looks at it again."""
    _settle()


@pytest.fixture(scope="session", autouse=True)
def _garbage_of_the_session() -> Iterator[None]:
    """What session fixtures leave lying about fails the last test: nobody hears how the process of a worker ends."""
    yield
    gc.collect()


@pytest.fixture(scope="module", autouse=True)
def _own_garbage() -> Iterator[None]:
    """What a module leaves lying about fails its own tests, not those of another; what lives on is not searched again."""
    yield
    _settle()


def _settle() -> None:
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """A running Orthanc, empty at first; skips where it is not installed, fails in CI."""
    reason = missing()
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture(scope="session")
def small_study(tmp_path_factory: pytest.TempPathFactory) -> PhantomStudy:
    """A phantom study: 6 slices of 64 × 64 in three transfer syntaxes and a cine of 12 frames; never written to."""
    return write_study(tmp_path_factory.mktemp("study"), slices=6, size=64, cine_frames=12)
