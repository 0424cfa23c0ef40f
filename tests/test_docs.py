"""Documents: links lead somewhere, and their Python runs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support.documents import DOCUMENTS, ROOT, Block, anchors, blocks, links

if TYPE_CHECKING:
    from pathlib import Path

    from cornerstream.phantom import PhantomStudy

OTHERS = [document for document in DOCUMENTS if document.name != "README.md"]  # the README has a test file of its own
OTHER_PYTHON = [block for document in OTHERS for block in blocks(document) if block.language == "python"]
LANGUAGES = {"python", "pycon", "bash", "sh", "toml", "text", "json", "http"}


def name(document: Path) -> str:
    return str(document.relative_to(ROOT))


def test_documents_are_there() -> None:
    names = {name(document) for document in DOCUMENTS}
    assert names >= {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/decisions.md"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in links(document):
        url = urlsplit(link)
        if url.scheme:
            assert url.scheme == "https", link
            continue
        target = (document.parent / url.path).resolve() if url.path else document
        assert target.exists(), f"{link}: there is no such file"
        assert target.is_relative_to(ROOT), f"{link}: outside the repository"
        assert not url.fragment or url.fragment in anchors(target), f"{link}: there is no such heading"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_code_blocks_name_their_language(document: Path) -> None:
    assert {block.language for block in blocks(document)} <= LANGUAGES


@pytest.mark.parametrize("block", OTHER_PYTHON, ids=str)
def test_python_of_other_documents_runs(block: Block, tmp_path: Path, small_study: PhantomStudy) -> None:
    (tmp_path / "scans").symlink_to(small_study.folder)  # as the README has them
    command = [sys.executable, "-W", "error", "-c", block.code]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)
    assert (run.returncode, run.stderr) == (0, ""), f"{block}\n{run.stdout}"
