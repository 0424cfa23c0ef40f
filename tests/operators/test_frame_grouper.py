"""Fragments to frames, rule by rule."""

from __future__ import annotations

import pytest

from cornerstream.images.errors import SplitError
from cornerstream.operators.codestream_markers import Codestream
from cornerstream.operators.frame_grouper import Fragment, Frame, FrameGrouper, group_fragments

MARKED = Codestream(lambda head: head[:1] == b"<", lambda tail: tail[-1:] == b">")
STARTS_ONLY = Codestream(lambda head: head[:1] == b"<")
UNKNOWN = Codestream()
SINGLE = Codestream(one_fragment=True)
SIGNED = Codestream(signature=lambda head: head[:1] == b"<")


def fragments(*texts: str) -> list[Fragment]:
    found: list[Fragment] = []
    offset = 0
    for text in texts:
        data = text.encode()
        found.append(Fragment(offset + 8, len(data), offset, data, data, data))
        offset += 8 + len(data)
    return found


def run(grouper: FrameGrouper, pieces: list[Fragment]) -> tuple[list[str], list[str]]:
    """Frames given out while the fragments came, and at the end."""
    early: list[Frame] = []
    for piece in pieces:
        early += grouper.begin(piece.offset, piece.head)
        early += grouper.end(piece)
    return texts_of(early), texts_of(grouper.finish())


def texts_of(frames: list[Frame]) -> list[str]:
    return ["".join(piece.data.decode() for piece in frame) for frame in frames]


@pytest.mark.parametrize(
    ("codestream", "texts", "frames", "early", "late"),
    [
        (MARKED, ["<a>", "<b>", "<c>"], 3, ["<a>", "<b>"], ["<c>"]),
        (MARKED, ["<a", "a>", "<b>"], 2, ["<aa>"], ["<b>"]),
        (MARKED, ["<a", "a>"], 1, [], ["<aa>"]),
        (MARKED, ["<a", "<b", "<c"], 3, ["<a", "<b"], ["<c"]),
        (STARTS_ONLY, ["<a", "a", "<b", "b"], 2, ["<aa"], ["<bb"]),
        (SINGLE, ["a", "b", "c"], 3, ["a", "b"], ["c"]),
        (UNKNOWN, ["a", "b", "c"], 3, [], ["a", "b", "c"]),
        (UNKNOWN, ["a", "b", "c"], 1, [], ["abc"]),
    ],
)
def test_without_a_table(
    codestream: Codestream, texts: list[str], frames: int, early: list[str], late: list[str]
) -> None:
    assert run(FrameGrouper(frames, codestream), fragments(*texts)) == (early, late)


@pytest.mark.parametrize(
    ("codestream", "texts", "table", "early", "late"),
    [
        (MARKED, ["<a", "a>", "<b>"], (0, 20), ["<aa>"], ["<b>"]),
        (UNKNOWN, ["a", "a", "b"], (0, 18), ["aa"], ["b"]),
        (UNKNOWN, ["a", "b", "b"], (0, 9), ["a"], ["bb"]),
        (MARKED, ["<a", "<b>"], (0, 10), [], ["<a", "<b>"]),  # no end marker: held until the table is proven
        (MARKED, ["<a>", "<b>", "<c>"], (0, 22, 23), ["<a>", "<b>"], ["<c>"]),  # the table holds two in one
        (MARKED, ["<a>", "<b>"], (0, 500), ["<a>"], ["<b>"]),
        (SINGLE, ["a", "b"], (0, 3), ["a"], ["b"]),
    ],
)
def test_with_a_table(
    codestream: Codestream, texts: list[str], table: tuple[int, ...], early: list[str], late: list[str]
) -> None:
    found_early, found_late = run(FrameGrouper(len(table), codestream, table), fragments(*texts))
    assert found_early + found_late == early + late
    if 500 not in table:
        assert (found_early, found_late) == (early, late)


def test_lengths_must_agree_up_to_padding() -> None:
    pieces = fragments("aa", "bb")
    assert run(FrameGrouper(2, UNKNOWN, (0, 10), (2, 1)), pieces) == (["aa"], ["bb"])
    assert run(FrameGrouper(2, UNKNOWN, (0, 10), (9, 1)), pieces) == ([], ["aa", "bb"])
    assert run(FrameGrouper(2, UNKNOWN, (0, 10), (2, 9)), pieces) == (["aa"], ["bb"])


@pytest.mark.parametrize(
    ("codestream", "texts", "table"),
    [
        (MARKED, ["a>", "b>"], (0, 10)),
        (STARTS_ONLY, ["<a", "a", "b"], (0, 19)),
        (SIGNED, ["<a", "a", "<b"], (0, 10)),  # the table moved the boundary to another fragment
        (SIGNED, ["a", "<b"], (0, 9)),
    ],
)
def test_a_frame_that_begins_like_none_is_refused(
    codestream: Codestream, texts: list[str], table: tuple[int, ...]
) -> None:
    grouper = FrameGrouper(len(table), codestream, table)
    early: list[Frame] = []
    with pytest.raises(SplitError):  # noqa: PT012 - wherever it is seen
        for piece in fragments(*texts):
            early += grouper.begin(piece.offset, piece.head) + grouper.end(piece)
        grouper.finish()
    assert early == []


def test_the_next_beginning_confirms_what_the_table_ends() -> None:
    assert run(FrameGrouper(2, SIGNED, (0, 19)), fragments("<a", "a", "<b", "b")) == (["<aa"], ["<bb"])
    assert run(FrameGrouper(2, STARTS_ONLY, (0, 10)), fragments("<a", "a", "<b", "b")) == (["<aa"], ["<bb"])


@pytest.mark.parametrize(
    ("codestream", "texts", "frames"),
    [
        (MARKED, ["<a>", "<b>"], 1),
        (MARKED, ["<a>", "<b>"], 3),
        (MARKED, ["<a", "a>", "<b>"], 3),
        (UNKNOWN, ["a", "b", "c"], 2),
        (STARTS_ONLY, ["<a", "<b"], 1),
        (SIGNED, ["<a", "<b"], 1),
        (SINGLE, ["a", "b"], 1),
        (SINGLE, ["a", "b", "c"], 4),
        (MARKED, [], 1),
        (UNKNOWN, [], 2),
    ],
)
def test_what_is_not_proven_is_refused(codestream: Codestream, texts: list[str], frames: int) -> None:
    with pytest.raises(SplitError, match="cannot be proven"):
        group_fragments(fragments(*texts), frames, codestream)
    with pytest.raises(SplitError):
        run(FrameGrouper(frames, codestream), fragments(*texts))
