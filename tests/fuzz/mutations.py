"""Real bytes, damaged: the inputs that parsers meet in practice, and those that find their faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


def budget(examples: int) -> settings:
    """A fixed number of examples, however long each takes."""
    return settings(max_examples=examples, deadline=None, suppress_health_check=SLOW)


@st.composite
def mutated(draw: st.DrawFn, bases: Sequence[bytes], tokens: Sequence[bytes], most: int = 6) -> bytes:
    """One of the bases after up to `most` edits.

    Args:
        draw: Hypothesis' own.
        bases: Well-formed inputs.
        tokens: What means something in the format; pieces of it are put in.
        most: Edits at most.
    """
    data = draw(st.sampled_from(bases))
    piece = st.sampled_from(list(tokens)) | st.binary(min_size=1, max_size=4)
    for _ in range(draw(st.integers(1, most))):
        # A length of zero inserts, an empty piece deletes, and the rest overwrites.
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.sampled_from([0, 0, 1, 1, 2, 4, 16, 1 << 30])))
        kind = draw(st.sampled_from(["put", "put", "put", "cut", "copy", "flip"]))
        if kind == "put":
            new = draw(piece)
        elif kind == "copy":
            start = draw(st.integers(0, len(data)))
            new = data[start : start + draw(st.integers(1, 64))]
        elif kind == "flip":
            new = bytes(byte ^ 1 << draw(st.integers(0, 7)) for byte in data[at : at + 1])
            end = at + len(new)
        else:
            new = b""
        data = data[:at] + new + data[end:]
    return data
