"""The probe of memory sees what it is there to see."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.memory import MIB, growth_of

if TYPE_CHECKING:
    from collections.abc import Callable


def takes(mark: Callable[[], None], before: int, after: int) -> int:
    len(bytearray(before * MIB).replace(b"\0", b"1"))
    mark()
    return len(bytearray(after * MIB).replace(b"\0", b"1"))


def raises(mark: Callable[[], None]) -> None:
    mark()
    raise ValueError("what a probe raises")


def test_growth_is_what_comes_after_the_mark() -> None:
    growth = growth_of(takes, 100, 20)
    assert growth.result == 20 * MIB
    assert 38 * MIB < growth.nbytes < 48 * MIB  # the array, and the copy that `replace` makes


def test_what_a_probe_raises_is_said() -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        growth_of(raises)
    assert "what a probe raises" in str(caught.value.stderr)
