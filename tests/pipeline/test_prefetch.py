"""Prefetch of studies, and prefetch beside a scroll in one budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cornerstream.images.errors import FetchError
from cornerstream.images.image_id import ImageId
from cornerstream.policies import Window
from cornerstream.series import Series
from cornerstream.session import Session
from cornerstream.study_policies import priors_last
from tests.support.fakes import HeldLoader, registry_of
from tests.support.leaks import turns

if TYPE_CHECKING:
    from collections.abc import Sequence

ONE_IMAGE = 8 * 8 * 2


def series(name: str, count: int, study: str = "1") -> Series:
    image_ids = tuple(ImageId.parse(f"held:{name}{index}") for index in range(count))
    return Series(image_ids, study_instance_uid=study, image_bytes=ONE_IMAGE)


def texts(*names: str) -> Sequence[str]:
    return [f"held:{name}" for name in names]


async def test_a_study_is_prefetched_from_its_current_series_on(held: HeldLoader) -> None:
    study = [series("a", 1, "old"), series("b", 2), series("c", 2)]
    held.fail("held:c0", FetchError("gone"))
    held.release(*texts("a0", "b0", "b1", "c1"))
    async with Session(registry=registry_of(held=held)) as session:
        prefetch = session.prefetch_study(study, current=2, policy=priors_last)
        await prefetch
        assert held.started == texts("c0", "c1", "b0", "b1", "a0")
        assert (prefetch.total, prefetch.remaining, list(prefetch.failures)) == (5, 0, [3])
        assert len(session._engine.board) == 0  # it claims nothing any more
        with pytest.raises(IndexError):
            session.prefetch_study(study, current=3)
        await session.prefetch_study([])


async def test_a_prefetch_is_done_when_all_is_there_that_has_room_beside_a_scroll(held: HeldLoader) -> None:
    one = series("x", 20)
    async with Session(registry=registry_of(held=held), cache_bytes=16 * ONE_IMAGE) as session:
        room = session._engine.board.budget // ONE_IMAGE
        scroll = session.scroll(one, policy=Window(2, 1))
        scroll.to(10)
        prefetch = session.prefetch(one)
        await turns()
        assert session._engine.board.nbytes > session._engine.board.budget
        held.release(*map(str, one))
        await prefetch
        assert prefetch.remaining > 0
        assert len(session._engine.loads) == 0
        assert len(held.started) <= room
        assert all(session.cached(one[index]) for index in (9, 10, 11, 12))
        scroll.dispose()


async def test_what_one_viewport_drops_stays_while_another_wishes_for_it(session: Session, held: HeldLoader) -> None:
    one = series("x", 20)
    first, second = session.scroll(one, policy=Window(1, 1)), session.scroll(one, policy=Window(1, 1))
    first.to(5)
    second.to(6)
    await held.until_started(4)
    first.dispose()
    await held.until_ended(1)
    assert held.ended == texts("x4")
    assert sorted(held.starts) == texts("x4", "x5", "x6", "x7")
    assert set(held.starts.values()) == {1}
    second.dispose()
