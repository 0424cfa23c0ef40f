"""The operator: planes refined while slices come."""

from __future__ import annotations

import asyncio
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Subject

from cornerstream.images.errors import GeometryError, ImageLoadError
from cornerstream.images.image_id import ImageId
from cornerstream.images.limits import DEFAULT_LIMITS
from cornerstream.images.metadata import ImageQuality
from cornerstream.images.plane import Sampling
from cornerstream.operators.resample import PlaneRequest, resample
from cornerstream.operators.resample_planes import ORIENTATIONS, stack_of_planes
from cornerstream.operators.workers import ExecutorWorkers
from tests.support.cancelling import turn_until
from tests.support.leaks import nothing_left
from tests.support.resampler import itk_plane
from tests.support.volumes import made_volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reactivex import Observable

    from cornerstream.images.image import Image

MADE = made_volume()


@pytest.fixture
def workers() -> Iterator[ExecutorWorkers]:
    with ThreadPoolExecutor(1) as executor:
        yield ExecutorWorkers(executor)


def request(number: int = 10, sampling: Sampling | None = None) -> PlaneRequest:
    first, step, count = stack_of_planes(MADE.geometry, ORIENTATIONS["coronal"])
    plane = first.moved(step * number)
    return PlaneRequest(ImageId("mpr", "it", number + 1), MADE.geometry, plane, sampling or Sampling(), count)


def at_once(image_id: ImageId) -> Observable[Image]:
    return rx.just(MADE.image(int(image_id.address)))


class Heard:
    """What a subscriber hears, and when it is over."""

    def __init__(self, source: Observable[Image]) -> None:
        self.images: list[Image] = []
        self.error: Exception | None = None
        self.over = asyncio.Event()
        self.subscription = source.subscribe(self.images.append, self._failed, self.over.set)

    def _failed(self, error: Exception) -> None:
        self.error = error
        self.over.set()


async def test_no_request_is_no_image(workers: ExecutorWorkers) -> None:
    requests: Observable[PlaneRequest] = rx.empty()
    heard = Heard(requests.pipe(resample(at_once, workers, DEFAULT_LIMITS)))
    await heard.over.wait()
    assert (heard.images, heard.error) == ([], None)


@pytest.mark.parametrize("numbers", [[10], [0, 5, 20]])
async def test_planes_one_after_the_other(numbers: list[int], workers: ExecutorWorkers) -> None:
    async with nothing_left():
        requests = rx.from_iterable([request(number) for number in numbers])
        heard = Heard(requests.pipe(resample(at_once, workers, DEFAULT_LIMITS)))
        await heard.over.wait()
    complete = [image for image in heard.images if image.quality is ImageQuality.COMPLETE]
    assert [image.frame_number for image in complete] == [number + 1 for number in numbers]
    for number, image in zip(numbers, complete, strict=True):
        expected = itk_plane(MADE.hounsfield, MADE.geometry, request(number).plane)
        both = np.isfinite(expected) & np.isfinite(image.pixels)
        assert both.sum() > 0.9 * np.isfinite(expected).sum() > 30
        np.testing.assert_allclose(image.pixels[both], expected[both], atol=0.2)


class AtOnce:
    """Workers that are done before anything else happens."""

    async def run(self, function: Any, /, *args: object, holds_lock: bool = False) -> Any:
        return function(*args)


async def test_not_more_partial_images_than_help() -> None:
    made = made_volume([0.5 * number for number in range(60)], shape=(8, 8))
    first, step, _ = stack_of_planes(made.geometry, ORIENTATIONS["coronal"])
    wanted = PlaneRequest(ImageId("mpr", "it"), made.geometry, first.moved(2 * step), Sampling())
    subjects: dict[int, Subject[Image]] = {}
    heard = Heard(rx.just(wanted).pipe(resample(lambda one: held(subjects, one), AtOnce(), DEFAULT_LIMITS)))
    while not heard.over.is_set():
        one = next((number for number, subject in subjects.items() if subject.observers), None)
        if one is not None:
            subjects[one].on_next(made.image(one))
            subjects[one].on_completed()
        for _ in range(3):
            await asyncio.sleep(0)
    qualities = [image.quality for image in heard.images]
    assert qualities == sorted(qualities)
    assert qualities.count(ImageQuality.COMPLETE) == 1
    assert 10 <= len(qualities) <= 17


def held(subjects: dict[int, Subject[Image]], image_id: ImageId) -> Observable[Image]:
    return subjects.setdefault(int(image_id.address), Subject())


async def until_all_of(subjects: dict[int, Subject[Image]]) -> None:
    """Every slice is subscribed to; a worker finds out first which are needed."""
    await turn_until(lambda: len(subjects) == len(MADE.array))


async def test_an_error_of_a_slice_ends_the_sequence_and_leaves_the_others(workers: ExecutorWorkers) -> None:
    subjects: dict[int, Subject[Image]] = {}
    async with nothing_left():
        heard = Heard(rx.just(request()).pipe(resample(lambda one: held(subjects, one), workers, DEFAULT_LIMITS)))
        await until_all_of(subjects)
        error = ImageLoadError("it broke")
        subjects[3].on_error(error)
        await heard.over.wait()
        assert (heard.images, heard.error) == ([], error)
        assert not any(subject.observers for subject in subjects.values())


async def test_an_error_of_its_source_and_its_own(workers: ExecutorWorkers) -> None:
    broken = ImageLoadError("it broke")
    heard = Heard(rx.throw(broken).pipe(resample(at_once, workers, DEFAULT_LIMITS)))
    await heard.over.wait()
    assert heard.error is broken

    def elsewhere(image_id: ImageId) -> Observable[Image]:
        return rx.just(MADE.image(int(image_id.address), image_position_patient=(0.0, 0.0, 0.0)))

    heard = Heard(rx.just(request()).pipe(resample(elsewhere, workers, DEFAULT_LIMITS)))
    await heard.over.wait()
    assert isinstance(heard.error, GeometryError)


async def test_disposed_midway_its_slices_are_left_before_that_returns(workers: ExecutorWorkers) -> None:
    subjects: dict[int, Subject[Image]] = {}
    async with nothing_left():
        heard = Heard(rx.just(request()).pipe(resample(lambda one: held(subjects, one), workers, DEFAULT_LIMITS)))
        await until_all_of(subjects)
        heard.subscription.dispose()
        assert not any(subject.observers for subject in subjects.values())
        subjects[0].on_next(MADE.image(0))
    assert (heard.images, heard.error) == ([], None)


async def test_disposed_before_it_has_begun_nothing_is_loaded(workers: ExecutorWorkers) -> None:
    loaded: list[ImageId] = []

    def load(image_id: ImageId) -> Observable[Image]:
        loaded.append(image_id)
        return at_once(image_id)

    async with nothing_left():
        Heard(rx.just(request()).pipe(resample(load, workers, DEFAULT_LIMITS))).subscription.dispose()
    assert loaded == []


def travelled(value: Any) -> Any:
    """As another process has it: its arrays cannot be written to."""
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=[bytes(buffer) for buffer in buffers])


class Travelling:
    """Workers whose arguments and answers travel."""

    async def run(self, function: Any, /, *args: object, holds_lock: bool = False) -> Any:
        return travelled(function(*travelled(args)))


@pytest.mark.parametrize(
    "sampling", [Sampling("nearest"), Sampling(), Sampling("cubic"), Sampling(slab=4.0, combine="maximum")]
)
async def test_workers_may_be_processes(sampling: Sampling, workers: ExecutorWorkers) -> None:
    images = []
    for one in (Travelling(), workers):
        heard = Heard(rx.just(request(10, sampling)).pipe(resample(at_once, one, DEFAULT_LIMITS)))
        await heard.over.wait()
        assert heard.error is None
        images.append(heard.images[-1])
    np.testing.assert_array_equal(images[0].pixels, images[1].pixels)
