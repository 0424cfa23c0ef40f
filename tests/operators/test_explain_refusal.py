from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import reactivex as rx
from reactivex.subject import Subject

from cornerstream.images.errors import FetchError, HttpStatusError, SplitError
from cornerstream.operators.explain_refusal import explain_refusal

if TYPE_CHECKING:
    from cornerstream.operators.metadata import InstanceMetadata

REFUSAL = HttpStatusError("answered 404", status=404)
NO_PIXELS = SplitError("no pixel data")


class Heard:
    """One subscription with both of its sources in hand."""

    def __init__(self) -> None:
        self.source: Subject[str] = Subject()
        self.metadata: Subject[InstanceMetadata] = Subject()
        self.values: list[str] = []
        self.errors: list[Exception] = []
        self.completed = 0
        self.subscription = self.source.pipe(explain_refusal(self.metadata)).subscribe(
            self.values.append, self.errors.append, self._complete
        )

    def _complete(self) -> None:
        self.completed += 1


def test_what_is_answered_passes_and_the_metadata_are_not_asked_for() -> None:
    for values in ([], ["a"], ["a", "b"]):
        heard = Heard()
        for value in values:
            heard.source.on_next(value)
        heard.source.on_completed()
        assert (heard.values, heard.errors, heard.completed) == (values, [], 1)
        assert not heard.metadata.observers


def test_a_refusal_waits_for_the_reason() -> None:
    heard = Heard()
    heard.source.on_error(REFUSAL)
    assert heard.errors == []
    heard.metadata.on_error(NO_PIXELS)
    assert heard.errors == [NO_PIXELS]


@pytest.mark.parametrize("metadata", [rx.just(None), rx.empty(), rx.throw(FetchError("gone"))])
def test_a_refusal_stands_where_the_metadata_do_not_explain_it(metadata: rx.Observable[InstanceMetadata]) -> None:
    errors: list[Exception] = []
    rx.throw(REFUSAL).pipe(explain_refusal(metadata)).subscribe(on_error=errors.append)
    assert errors == [REFUSAL]


def test_another_error_passes_at_once() -> None:
    heard = Heard()
    gone = FetchError("gone")
    heard.source.on_error(gone)
    assert heard.errors == [gone]
    assert not heard.metadata.observers


def test_disposed_before_and_after_the_refusal_leaves_both() -> None:
    for refused in (False, True):
        heard = Heard()
        if refused:
            heard.source.on_error(REFUSAL)
            assert heard.metadata.observers
        heard.subscription.dispose()
        assert not heard.source.observers
        assert not heard.metadata.observers
        assert (heard.values, heard.errors, heard.completed) == ([], [], 0)
