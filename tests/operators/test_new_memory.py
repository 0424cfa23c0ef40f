"""Memory whose pages are there before they are written."""

from __future__ import annotations

import ctypes
import mmap
import resource
import sys
from types import SimpleNamespace

import pytest

from cornerstream.operators import new_memory as module
from cornerstream.operators.new_memory import new_memory

PAGE = mmap.PAGESIZE


class Kernel:
    """Notes the memory that it is asked about.

    Args:
        answer: 0 where it knows what is meant.
    """

    def __init__(self, answer: int = 0) -> None:
        self.asked: list[tuple[int, int, int]] = []
        self._answer = answer

    def __call__(self, address: int, nbytes: int, advice: int) -> int:
        self.asked.append((address, nbytes, advice))
        return self._answer


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """In the place of the system's."""
    kernel = Kernel()
    monkeypatch.setattr(module, "_madvise", lambda: kernel)
    return kernel


@pytest.mark.parametrize("nbytes", [0, 1, (1 << 16) - 1, (1 << 20) + 1, 1 << 24])
def test_little_and_what_may_be_promised_only_comes_as_ever(nbytes: int, kernel: Kernel) -> None:
    assert new_memory(nbytes).nbytes == nbytes
    assert kernel.asked == []


@pytest.mark.parametrize("nbytes", [1 << 16, (1 << 19) + 513, 1 << 20])
def test_no_page_is_asked_for_that_is_not_all_of_that_memory(nbytes: int, kernel: Kernel) -> None:
    memory = new_memory(nbytes)
    address = memory.__array_interface__["data"][0]
    ((start, length, advice),) = kernel.asked
    assert advice == 23
    assert start % PAGE == length % PAGE == 0
    assert address <= start
    assert start + length <= address + nbytes
    assert nbytes - length < 2 * PAGE


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_a_system_that_does_not_know_it_is_asked_once(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    answers = Kernel(-1)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(madvise=answers))
    module._madvise.cache_clear()
    try:
        for _ in range(3):
            memory = new_memory(1 << 18)
            memory[:] = 7
            assert memory.sum(dtype=int) == 7 << 18
    finally:
        module._madvise.cache_clear()
    assert len(answers.asked) == (platform == "linux")


def test_its_pages_are_there() -> None:
    libc = ctypes.CDLL(None)
    with mmap.mmap(-1, PAGE) as page:
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        if libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(PAGE), 23):
            pytest.skip("this kernel has no MADV_POPULATE_WRITE")
    faults = []
    kept = []
    for _ in range(8):  # new memory, not what another one has left
        kept.append(new_memory(1 << 20))
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        kept[-1][:] = 1
        faults.append(resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before)
    assert max(faults) <= 16, faults  # of 256 pages
