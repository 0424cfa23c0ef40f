"""What a command is given: folders, archives, stores, servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from cornerstream.cli.app import app
from cornerstream.cli.source import Folder, Web, parse_source
from tests.support.archives import archive
from tests.support.part10 import native

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def told(command: Sequence[str]) -> tuple[int, str]:
    result = CliRunner().invoke(app, command)
    return result.exit_code, result.output


def test_what_texts_mean(tmp_path: Path) -> None:
    assert parse_source(str(tmp_path)) == Folder(tmp_path)
    for text in ("s3://bucket/study/", "zip://head::/a/b.zip", "simplecache::s3://b/c"):
        assert parse_source(text) == Folder(text)
    assert parse_source("HTTPS://server/root") == Web("HTTPS://server/root")
    with pytest.raises(typer.BadParameter, match="no folder"):
        parse_source(str(tmp_path / "none"))


def test_the_series_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    path.write_bytes(archive({"a/b.dcm": native(bytes(8), Modality="CT"), "a/c.txt": b"text" * 50}))
    for source in (str(path), f"zip://a::{path}"):
        code, output = told(["series", source])
        assert code == 0, output
        assert "CT" in output
        assert "left out: 1 file" in output
    path.write_bytes(path.read_bytes()[:-30])
    code, output = told(["series", str(path)])
    assert code == 1
    assert "no whole zip archive" in " ".join(output.split())
