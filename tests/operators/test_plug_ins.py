"""What other distributions offer: found without being imported, and told whose it is where it is broken."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from cornerstream.operators.plug_ins import PlugInError, plug_ins
from tests.support.distributions import on_path, write_distribution

if TYPE_CHECKING:
    from pathlib import Path

GROUP = "cornerstream.tests"


def test_they_are_found_and_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {"plug_in_one": "THING = 1\n"}
    write_distribution(tmp_path, "one", "1.0", modules, {GROUP: {"b": "plug_in_one:THING", "a": "plug_in_one:OTHER"}})
    write_distribution(tmp_path, "two", "2.0", {}, {GROUP: {"b": "nowhere.at.all:THING"}})
    on_path(tmp_path, monkeypatch)
    found = plug_ins(GROUP)
    assert [str(one) for one in found] == [
        "a = plug_in_one:OTHER of one 1.0",
        "b = plug_in_one:THING of one 1.0",
        "b = nowhere.at.all:THING of two 2.0",
    ]
    assert "plug_in_one" not in sys.modules
    assert found[1].load() == 1
    for broken, why in ((found[0], "AttributeError"), (found[2], "ModuleNotFoundError: No module named 'nowhere'")):
        with pytest.raises(PlugInError, match=f"the plug-in {broken} does not import: {why}"):
            broken.load()


@pytest.mark.parametrize("source", ["1 / 0\n", "raise SystemExit(3)\n", "def (:\n", "import nowhere_at_all\n"])
def test_whatever_importing_one_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    write_distribution(tmp_path, "bad", "0.1", {"plug_in_bad": source}, {GROUP: {"x": "plug_in_bad:THING"}})
    on_path(tmp_path, monkeypatch)
    monkeypatch.delitem(sys.modules, "plug_in_bad", raising=False)
    (found,) = plug_ins(GROUP)
    with pytest.raises(PlugInError, match=r"x = plug_in_bad:THING of bad 0\.1 does not import") as caught:
        found.load()
    assert caught.value.__cause__ is not None


def test_there_are_none() -> None:
    assert plug_ins("cornerstream.nothing") == ()
