"""Worker processes: what crashes, hangs or takes too much memory costs its own call."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest

from cornerstream.images.errors import DecodeError, LimitError
from cornerstream.images.limits import MIB, Limits
from cornerstream.process_workers import ProcessWorkers
from cornerstream.ranks import RankCell
from cornerstream.session import Session
from tests.support import calls
from tests.support.leaks import nothing_left, open_descriptors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SHORT = Limits(decode_seconds=0.3, decode_bytes=64 * MIB)


@pytest.fixture
def workers() -> Iterator[ProcessWorkers]:
    with ProcessWorkers(1) as made:
        yield made


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


def test_arrays_come_and_go(workers: ProcessWorkers) -> None:
    array = np.arange(100_000, dtype=np.int16).reshape(1000, 100)
    result = workers.submit(calls.doubled, array, plus=3).result()
    assert result.dtype == np.int16
    assert np.array_equal(result, array * 2 + 3)
    assert not result.flags.writeable


def test_one_process_serves_call_after_call(workers: ProcessWorkers) -> None:
    assert not workers.process_ids  # none before the first
    assert {workers.submit(calls.process_id).result() for _ in range(5)} == workers.process_ids
    assert len(workers.process_ids) == 1
    assert repr(workers) == "<ProcessWorkers, 0 busy, 1 idle>"


def test_what_a_function_raises_arrives(workers: ProcessWorkers) -> None:
    with pytest.raises(DecodeError, match="refused") as caught:
        workers.submit(calls.refuse).result()
    assert str(caught.value) == "refused"
    note = "".join(caught.value.__notes__)
    assert "in refuse" in note
    assert "ValueError: its cause" in note
    with pytest.raises(DecodeError, match="StubbornError: 1 and 2"):
        workers.submit(calls.be_stubborn).result()
    with pytest.raises(TypeError, match="generator"):
        workers.submit(calls.leave_a_generator).result()
    assert len(workers.process_ids) == 1


def test_what_cannot_be_sent_costs_no_process(workers: ProcessWorkers) -> None:
    before = {workers.submit(calls.process_id).result()}
    with pytest.raises(Exception, match=r"[Cc]an't pickle|local object"):
        workers.submit(lambda: None).result()
    assert {workers.submit(calls.process_id).result()} == before


@pytest.mark.parametrize(
    ("function", "args", "said"),
    [
        (calls.die, (signal.SIGSEGV,), "by SIGSEGV"),
        (calls.die, (signal.SIGKILL,), "by SIGKILL"),
        (calls.leave, (), "with status 3"),
        (calls.read_nowhere, (), "by SIGSEGV"),
    ],
)
def test_a_crash_costs_its_own_call(
    function: Callable[..., None], args: tuple[int, ...], said: str, fifo: Path
) -> None:
    with ProcessWorkers(2) as workers:
        other = workers.submit(calls.tell_and_wait, str(fifo))
        fifo.read_bytes()  # it is at work
        (busy,) = workers.process_ids
        with pytest.raises(DecodeError, match=said):
            workers.submit(function, *args).result()
        assert workers.process_ids == {busy}
        assert not other.done()
        assert workers.submit(abs, -3).result() == 3  # the pool is whole again
        assert len(workers.process_ids) == 2
        workers.kill()
        with pytest.raises(DecodeError, match="by SIGKILL"):
            other.result()


def test_a_hang_is_ended(fifo: Path) -> None:
    with ProcessWorkers(1, SHORT) as workers:
        for function, args in ((calls.tell_and_wait, (str(fifo),)), (calls.hold_the_lock, ())):
            future = workers.submit(function, *args)
            if args:
                fifo.read_bytes()
            with pytest.raises(LimitError, match=r"longer than 0\.3 s \(limits\.decode_seconds\)"):
                future.result()
        assert workers.submit(abs, -3).result() == 3


def test_the_clock_is_each_calls_own() -> None:
    limits = Limits(decode_seconds=1.5)  # thirty times what a call spends, for busy machines
    with ProcessWorkers(1, limits) as workers:
        begin = workers.submit(calls.process_id).result()
        spent = 0.0
        while spent < 1.2 * limits.decode_seconds:
            spent += workers.submit(calls.spend, limits.decode_seconds / 30).result()
        assert workers.submit(calls.process_id).result() == begin


def test_memory_is_bounded() -> None:
    with ProcessWorkers(1, Limits(decode_bytes=SHORT.decode_bytes)) as workers:
        for _ in range(3):  # what a call took is the next one's
            assert workers.submit(calls.take, 40 * MIB).result() == 40 * MIB
        with pytest.raises(LimitError, match=r"limits\.decode_bytes"):
            workers.submit(calls.take, 100 * MIB).result()
        assert workers.submit(calls.take, 40 * MIB).result() == 40 * MIB


def test_nothing_is_left(fifo: Path) -> None:
    descriptors = open_descriptors()
    with ProcessWorkers(2) as workers:
        busy = workers.submit(calls.tell_and_wait, str(fifo))
        fifo.read_bytes()
        assert workers.submit(abs, -1).result() == 1
        processes = workers.process_ids
        assert len(processes) == 2
        workers.kill()
        with pytest.raises(DecodeError):
            busy.result()
    assert not workers.process_ids
    assert not [number for number in processes if psutil.pid_exists(number)]
    assert not open_descriptors() - descriptors
    with pytest.raises(RuntimeError, match="shutdown"):
        workers.submit(abs, -1)


def test_calls_that_wait_when_it_is_killed_are_cancelled(fifo: Path) -> None:
    with ProcessWorkers(1) as workers:
        busy, waiting = workers.submit(calls.tell_and_wait, str(fifo)), workers.submit(abs, -1)
        fifo.read_bytes()
        workers.kill()
        with pytest.raises(CancelledError):
            waiting.result()
        with pytest.raises(DecodeError):
            busy.result()


SCRIPT = """
import os, sys
from cornerstream import ProcessWorkers
workers = ProcessWorkers(1)
print(workers.submit(os.getpid).result(), flush=True)
sys.stdin.read()
os._exit(0)
"""


def test_a_script_needs_no_guard_and_its_processes_end_with_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdin is not None
        child = psutil.Process(int(program.stdout.readline()))
        assert child.is_running()
        program.stdin.close()
        assert program.wait(20) == 0
        gone, _ = psutil.wait_procs([child], timeout=20)
        assert gone


async def test_a_session_ends_its_processes(fifo: Path) -> None:
    async with nothing_left():
        async with Session(isolated=True, max_workers=2) as session:
            waiting = asyncio.ensure_future(session.workers.decode(calls.tell_and_wait, str(fifo), rank=RankCell()))
            await asyncio.to_thread(fifo.read_bytes)
            processes = session.workers._pools.processes
            assert processes is not None
            numbers = processes.process_ids
        with pytest.raises(DecodeError, match="SIGKILL"):
            await waiting
    assert not [number for number in numbers if psutil.pid_exists(number)]


async def test_a_thread_that_takes_too_long_is_given_up(fifo: Path) -> None:
    async with Session(limits=SHORT, max_workers=1) as session:
        with pytest.raises(LimitError, match=r"limits\.decode_seconds"):
            await session.workers.decode(fifo.read_bytes, rank=RankCell())
        assert session.stats().busy_workers == 1  # it keeps its slot
        await asyncio.to_thread(fifo.write_bytes, b"x")  # and ends


async def test_a_thread_that_never_ends_does_not_keep_a_session_from_closing(fifo: Path) -> None:
    async with Session(limits=SHORT, max_workers=1) as session:
        with pytest.raises(LimitError):
            await session.workers.decode(fifo.read_bytes, rank=RankCell())
    await asyncio.to_thread(fifo.write_bytes, b"x")  # so that the thread ends after all


def test_isolation_and_an_executor_are_two_answers() -> None:
    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match="isolated makes processes of its own"):
        Session(isolated=True, executor=executor)
