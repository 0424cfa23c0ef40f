"""`cornerstream loaders` and `cornerstream codecs` show plug-ins with their distribution, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cornerstream.operators.decoder_table import decoder_plug_ins
from tests.support.distributions import on_path, write_distribution

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.pipeline.cli.conftest import Typed

SOURCE = """
from cornerstream.operators.decoder import Decoder, TransferSyntax
ROW = TransferSyntax("1.2.3.4.5", "Mine", (Decoder(name="mine", function="shown_plug_in:load"),))
def load(image_id, context): ...
"""


@pytest.fixture(autouse=True)
def distributions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    loaders = dict.fromkeys(("good", "wadors", "both"), "shown_plug_in:load")
    points = {
        "cornerstream.loaders": {**loaders, "bad": "nowhere_at_all:load"},
        "cornerstream.decoders": {"row": "shown_plug_in:ROW", "broken": "shown_plug_in:NOTHING"},
    }
    write_distribution(tmp_path, "shown-one", "1.0", {"shown_plug_in": SOURCE}, points)
    write_distribution(tmp_path, "shown-two", "2.0", {}, {"cornerstream.loaders": {"both": "shown_plug_in:load"}})
    on_path(tmp_path, monkeypatch)
    decoder_plug_ins.refresh()
    yield
    decoder_plug_ins.refresh()


def test_loaders(typed: Typed) -> None:
    lines = [" ".join(line.split()) for line in typed("loaders").stdout.splitlines()]
    assert "good: shown_plug_in:load shown-one 1.0" in lines
    assert "wadors: shown_plug_in:load shown-one 1.0, not used: cornerstream.loaders.wadors:load is" in lines
    assert "wadors: cornerstream.loaders.wadors:load built in" in lines
    assert "both: shown_plug_in:load shown-one 1.0, not used: also claimed by shown-two 2.0" in lines
    assert "both: shown_plug_in:load shown-two 2.0, not used: also claimed by shown-one 1.0" in lines
    (bad,) = (line for line in lines if line.startswith("bad:"))
    assert "shown-one 1.0, broken: No module named 'nowhere_at_all'" in bad


def test_codecs(typed: Typed) -> None:
    stdout = typed("codecs").stdout
    (row,) = (line for line in stdout.splitlines() if "1.2.3.4.5 " in line)
    assert "mine (shown-one 1.0)" in row
    assert "broken = shown_plug_in:NOTHING of shown-one 1.0 does not import: AttributeError" in " ".join(stdout.split())
