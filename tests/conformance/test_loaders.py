"""Every built-in scheme passes the conformance suite; `CASES` in `worlds.py` has a line for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cornerstream.loaders import BUILT_IN
from cornerstream.server import server_process
from cornerstream.testing import CHECKS, LoaderCase
from cornerstream.testing.cancels import cancelled_at_every_step
from cornerstream.testing.steps import Steps
from tests.conformance.worlds import CASES, MORE, World, serving, write_pictures
from tests.support.tls import make_tls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cornerstream.phantom import PhantomStudy


@pytest.fixture(scope="module")
def world(small_study: PhantomStudy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    pictures = write_pictures(tmp_path_factory.mktemp("pictures"))
    tls = make_tls(tmp_path_factory.mktemp("tls"))
    with (
        server_process(small_study.folder) as pacs,
        serving(pictures) as web,
        serving(pictures, tls.certificate, tls.key) as secure,
    ):
        yield World(small_study, pacs, pictures, web, tls, secure)


@pytest.fixture(scope="module", params=sorted(CASES | MORE))
def case(request: pytest.FixtureRequest, world: World) -> LoaderCase:
    return (CASES | MORE)[request.param](world)


@pytest.mark.parametrize("check", CHECKS)
def test_a_built_in_loader(case: LoaderCase, check: Callable[[LoaderCase], None]) -> None:
    check(case)


def test_every_built_in_scheme_has_a_case() -> None:
    assert sorted(CASES) == [scheme for scheme, _ in BUILT_IN]


def test_every_kind_of_step_is_held(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    places: set[str] = set()
    release = Steps.release

    def noted(steps: Steps) -> None:
        places.add(steps.place)
        release(steps)

    monkeypatch.setattr(Steps, "release", noted)
    cancelled_at_every_step(CASES["wadouri"](world))
    assert places - {""} == {
        "before a request",
        "behind the header of an answer",
        "in the middle of a body",
        "before the call of a worker",
        "behind the call of a worker",
    }
