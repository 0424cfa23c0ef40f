"""A series as a dask array: lazy, a chunk an image, and no load outlives the computation that wants it."""

from __future__ import annotations

import asyncio
import pickle
import signal
import sys
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import dask
import dask.array as da
import numpy as np
import pytest
from dask.callbacks import Callback
from pydicom import data

from cornerstream.images.errors import DecodeError
from cornerstream.images.image_id import ImageId
from cornerstream.series import Series
from cornerstream.session import Session
from tests.support.cancelling import turn_until
from tests.support.fakes import make_image, registry_of
from tests.support.leaks import nothing_left
from tests.support.slices import write_slices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cornerstream.images.load_object import ImageLoadObject
    from cornerstream.loaders.context import LoadContext
    from cornerstream.phantom import PhantomStudy

COUNT = 6


class HeldImages:
    """A loader whose loads wait for another thread, where they are not let go at once.

    Attributes:
        errors: By image id; they come when all loads have begun.
    """

    def __init__(self) -> None:
        self.errors: dict[str, Exception] = {}
        self.free = False
        self._changed = threading.Condition()
        self._started: list[str] = []
        self._ended: list[str] = []

    @property
    def ended(self) -> list[str]:
        return list(self._ended)

    @property
    def started(self) -> list[str]:
        return list(self._started)

    def __call__(self, image_id: ImageId, context: LoadContext) -> ImageLoadObject:
        from cornerstream.images.load_object import ImageLoadObject  # noqa: PLC0415 - beside the bridge
        from cornerstream.operators.bridge import from_async_generator  # noqa: PLC0415 - as above

        return ImageLoadObject(image_id, from_async_generator(lambda: self._run(image_id)))

    def until(self, *, started: int = 0, ended: int = 0) -> None:
        """Wait until so many loads have begun, and so many have ended."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._started) >= started and len(self._ended) >= ended, 50)

    async def _run(self, image_id: ImageId) -> Any:
        name = str(image_id)
        with self._changed:
            self._started.append(name)
            self._changed.notify_all()
        try:
            if name in self.errors:
                await turn_until(lambda: len(self._started) == COUNT)
                raise self.errors[name]
            if not self.free:
                await asyncio.Event().wait()
            yield make_image(image_id)
        finally:
            with self._changed:
                self._ended.append(name)
                self._changed.notify_all()


@pytest.fixture
def images() -> HeldImages:
    return HeldImages()


@pytest.fixture
def session(images: HeldImages) -> Iterator[Session]:
    with Session(registry=registry_of(held=images)) as session:
        yield session
    assert len(images.started) == len(images.ended)
    Callback.active.clear()


@pytest.fixture
def array(session: Session) -> da.Array:
    header = make_image("held:0")
    series = Series(tuple(ImageId.parse(f"held:{index}") for index in range(COUNT)), metadata=header)
    return session.dask(series)


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_it_is_what_the_files_hold(small_study: PhantomStudy, scheduler: str) -> None:
    with Session() as session, dask.config.set(scheduler=scheduler):
        for series in session.folder(small_study.folder):
            array = series.to_dask()
            wanted = series.to_array()
            assert array.chunks[0] == (1,) * len(series)
            assert (array.shape, array.dtype) == (wanted.shape, wanted.dtype)
            assert np.array_equal(array.compute(), wanted)
            assert int(array.max().compute()) == wanted.max()


def test_modality_values(tmp_path: Path) -> None:
    write_slices(tmp_path, 4, lambda index: {"RescaleSlope": index + 0.5})
    with Session() as session:
        (series,) = session.folder(tmp_path)
        array = series.to_dask(modality=True)
        assert array.dtype == np.float32
        assert np.array_equal(array.compute(), series.to_array(modality=True))


def test_only_what_is_needed_is_loaded(session: Session, images: HeldImages, array: da.Array) -> None:
    images.free = True
    assert images.started == []
    assert (array[2:4] + 1).sum(axis=0)[1, 1].compute() == 2
    assert sorted(images.started) == ["held:2", "held:3"]
    array[2:5].compute()
    assert len(images.started) == 3  # the others were in the cache
    assert session.cached("held:4")


def test_mere_image_ids_load_their_first_image(session: Session, images: HeldImages) -> None:
    images.free = True
    array = session.dask(["held:0", "held:1"])
    assert images.started == ["held:0"]
    assert (array.shape, array.dtype) == ((2, 8, 8), np.dtype(np.uint16))
    with pytest.raises(ValueError, match="without images"):
        session.dask([])


def test_no_two_arrays_share_a_name(images: HeldImages) -> None:
    """The same id may be other pixels in another session."""
    other = HeldImages()
    images.free = other.free = True
    names = set()
    for held in (images, other):
        with Session(registry=registry_of(held=held)) as session:
            first, second = session.dask(["held:0"]), session.dask(["held:0"], modality=True)
            names |= {first.name, second.name, (first + 1).name, (second + 1).name}
            assert dask.base.tokenize(first) != dask.base.tokenize(second)
    assert len(names) == 8


def test_an_error_is_that_of_the_image_and_ends_the_other_loads(
    session: Session, images: HeldImages, array: da.Array
) -> None:
    images.errors["held:1"] = DecodeError("no picture", image_id="held:1")
    with ThreadPoolExecutor(COUNT) as pool, pytest.raises(DecodeError, match="held:1: no picture"):
        array.compute(pool=pool)
    images.until(ended=len(images.started))


@pytest.mark.parametrize("fused", [False, True])
def test_an_error_of_another_task_ends_the_loads(images: HeldImages, array: da.Array, fused: bool) -> None:
    """Loads inside of what dask has fused as well."""

    wanted = (array + 1).mean(axis=0) if fused else array.sum()
    broken = da.ones(3, chunks=1).map_blocks(partial(_after, images), dtype=float, meta=np.ones(0))
    with ThreadPoolExecutor(COUNT + 3) as pool, pytest.raises(ZeroDivisionError):
        dask.compute(wanted, broken, pool=pool)
    images.until(ended=COUNT)


def _after(images: HeldImages, _: Any) -> Any:
    images.until(started=COUNT)
    raise ZeroDivisionError


class Interrupt:
    """Ctrl-C, once; the signal is sent until it is heard.

    One that comes between Python's last look for signals and the system's wait for a lock is heard when the wait ends,
    which here is never.
    """

    def __init__(self) -> None:
        self._heard = threading.Event()

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._on_signal)  # a shell may have it ignored
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def send(self) -> None:
        main = threading.main_thread().ident
        assert main is not None
        while not self._heard.is_set():
            signal.pthread_kill(main, signal.SIGINT)
            self._heard.wait(0.05)

    def _on_signal(self, *_: object) -> None:
        if not self._heard.is_set():
            self._heard.set()
            raise KeyboardInterrupt


def test_an_interrupt_ends_the_loads(session: Session, images: HeldImages, array: da.Array) -> None:
    def interrupt() -> None:
        images.until(started=2)
        ctrl_c.send()

    with Interrupt() as ctrl_c:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with ThreadPoolExecutor(2) as pool, pytest.raises(KeyboardInterrupt):
            array.compute(pool=pool)
        thread.join()
    assert len(images.started) == 2
    images.until(ended=2)
    assert session.stats().cached_bytes == 0


def test_what_another_computation_wants_as_well_goes_on(session: Session, images: HeldImages, array: da.Array) -> None:
    """Two computations wait for the same two images; one of them fails."""
    from cornerstream.to_dask import _chunks_in, _on_finish  # noqa: PLC0415 - only here

    chunks = list(_chunks_in(dict(array.__dask_graph__())))
    assert len(chunks) == COUNT
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(chunk.load) for chunk in chunks[:2] for _ in range(2)]
        images.until(started=2)
        session._engine.host.block(turn_until(lambda: all(len(chunk._waiting) == 2 for chunk in chunks[:2])))
        loads = tuple(chunks[0]._waiting)
        _on_finish({"task": chunks[0]}, {"running": {"task"}}, True)
        _on_finish({"task": chunks[0], "same": [chunks[0]]}, {"running": {"task", "same"}}, False)
        assert [load.cancelled for load in loads] == [False, False]
        _on_finish({"task": chunks[0], "same": [chunks[0]]}, {"running": {"task", "same"}}, True)
        for one in waiting[:2]:
            with pytest.raises(CancelledError):
                one.result(50)
        assert not any(one.done() for one in waiting[2:])
        _on_finish({}, {}, True)  # ended before it had begun
        _on_finish({"both": [chunks[1], (chunks[1],)]}, {"running": {"both"}}, True)


def test_closing_the_session_ends_a_computation(session: Session, images: HeldImages, array: da.Array) -> None:
    def close() -> None:
        images.until(started=2)
        session.close()

    thread = threading.Thread(target=close)
    thread.start()
    with ThreadPoolExecutor(2) as pool, pytest.raises((CancelledError, RuntimeError)):
        array.compute(pool=pool)
    thread.join()
    with pytest.raises(RuntimeError, match="closed"):
        array.compute()


def test_many_threads_and_one_worker(small_study: PhantomStudy) -> None:
    """Threads of dask wait for workers of the session, and never the other way round."""
    with Session(max_workers=1, max_requests=1) as session, ThreadPoolExecutor(8) as pool:
        series = session.folder(small_study.folder)[1]
        wanted = series.to_array()
        arrays = [series.to_dask() + number for number in range(4)]
        computed = dask.compute(*arrays, pool=pool)
        assert all(np.array_equal(one, wanted + number) for number, one in enumerate(computed))


async def test_on_the_loop_of_the_session(small_study: PhantomStudy) -> None:
    async with nothing_left(), Session() as session:
        series = (await session.folder(small_study.folder))[0]
        array = series.to_dask()
        for scheduler in ("threads", "synchronous"):
            with pytest.raises(RuntimeError, match=r"await asyncio\.to_thread\(array\.compute\)"):
                (array + 1).sum().compute(scheduler=scheduler)
        wanted = await session.array(series)
        assert np.array_equal(await asyncio.to_thread(array.compute), wanted)
        await asyncio.get_running_loop().shutdown_default_executor()
    Callback.active.clear()


def test_another_process_is_refused(array: da.Array) -> None:
    with pytest.raises(TypeError, match='use scheduler="threads"'):
        pickle.dumps(array)
    with pytest.raises(TypeError, match="cannot be computed in another"):
        array.compute(scheduler="processes", num_workers=1)


def test_a_chunk_that_is_not_as_promised_is_named(session: Session, images: HeldImages) -> None:
    images.free = True
    header = make_image("held:0", size=9)
    array = session.dask(Series((ImageId.parse("held:7"),), metadata=header))
    with pytest.raises(DecodeError, match=r"held:7: .*shape"):
        array.compute()


@pytest.mark.parametrize("name", ["examples_palette.dcm", "examples_rgb_color.dcm", "examples_ybr_color.dcm"])
def test_colour_is_promised_as_rgb(name: str) -> None:
    with Session() as session:
        (series,) = session.folder(Path(data.__file__).parent / "test_files" / name)
        array, wanted = series.to_dask(), series.to_array()
        assert (array.shape, array.dtype) == (wanted.shape, wanted.dtype)
        assert array.shape[-1] == 3
        assert np.array_equal(array[:1].compute(), wanted[:1])


def test_without_dask_it_says_what_to_install(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask.array", None)
    with pytest.raises(ImportError, match=r"pip install 'cornerstream\[dask\]'"):
        session.dask(Series((ImageId.parse("held:0"),), metadata=make_image("held:0")))
