from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import cornerstream
from cornerstream.loaders import BUILT_IN
from cornerstream.operators.decoder_table import transfer_syntaxes

if TYPE_CHECKING:
    from pathlib import Path

    from cornerstream.phantom import PhantomStudy
    from cornerstream.server import ServerAddress
    from tests.pipeline.cli.conftest import Typed


def test_codecs_names_every_transfer_syntax_with_its_decoder(typed: Typed) -> None:
    result = typed("codecs")
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    for syntax in transfer_syntaxes():
        assert syntax.decoder is not None
        assert f" {syntax.name} " in lines[syntax.uid]
        assert f" {syntax.decoder.name} " in lines[syntax.uid]


def test_codecs_says_what_to_install(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cornerstream.operators.decoder._importable", lambda _: False)
    (line,) = (line for line in typed("codecs").stdout.splitlines() if "1.2.840.10008.1.2.4.80 " in line)
    assert line.split()[-5:] == ["imagecodecs", "no", "yes", "imagecodecs", "–"]


def test_loaders_names_every_scheme_and_where_its_loader_comes_from(typed: Typed) -> None:
    result = typed("loaders")
    assert result.exit_code == 0
    for scheme, target in BUILT_IN:
        assert [f"{scheme}:", target, "built", "in"] in map(str.split, result.stdout.splitlines())


def test_version(typed: Typed) -> None:
    assert typed("--version").stdout == f"cornerstream {cornerstream.__version__}\n"


def rows_of(stdout: str) -> set[tuple[str, str]]:
    """Series Instance UID and number of images of each row of the table of series."""
    rows = [line.split() for line in stdout.splitlines() if line.strip().startswith("2.25.")]
    return {(row[-1], row[-7]) for row in rows}


def expected_rows(study: PhantomStudy) -> set[tuple[str, str]]:
    return {(one.series_instance_uid, str(one.frames)) for one in study.series}


def test_series_of_a_folder(typed: Typed, small_study: PhantomStudy) -> None:
    result = typed("series", small_study.folder)
    assert result.exit_code == 0
    assert rows_of(result.stdout) == expected_rows(small_study)
    assert "Thorax 1.5 mm, uncompressed" in result.stdout


@pytest.mark.parametrize("form", ["{root}", "{root}/", "{root}/studies", "{root}/studies/{study}"])
def test_series_of_a_server(typed: Typed, pacs: ServerAddress, small_study: PhantomStudy, form: str) -> None:
    result = typed("series", form.format(root=pacs.dicomweb, study=small_study.study_instance_uid))
    assert result.exit_code == 0
    assert rows_of(result.stdout) == expected_rows(small_study)


def test_one_series_of_a_server(typed: Typed, pacs: ServerAddress, small_study: PhantomStudy) -> None:
    uid = small_study.series[1].series_instance_uid
    result = typed("series", f"{pacs.dicomweb}/studies/{small_study.study_instance_uid}/series/{uid}")
    assert rows_of(result.stdout) == {(uid, "6")}


def test_files_that_are_no_images_are_counted(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    result = typed("series", tmp_path)
    assert result.exit_code == 1
    assert "left out: 1 file" in result.stderr
    assert "no series" in result.stderr
    assert result.stdout == ""


def test_a_server_that_is_not_there_is_named(typed: Typed) -> None:
    result = typed("series", "http://127.0.0.1:9/dicom-web")
    assert result.exit_code == 1
    assert result.stderr.startswith("FetchError: ")
    assert "Traceback" not in result.stderr


def test_a_study_that_the_server_does_not_have(typed: Typed, pacs: ServerAddress) -> None:
    result = typed("series", f"{pacs.dicomweb}/studies/1.2.3")
    assert result.exit_code == 1
    assert result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["series"],
        ["series", "no/such/folder"],
        ["series", "https://pacs/dicom-web?PatientID=1"],
        ["series", "https://pacs/dicom-web/studies/1.2/instances"],
        ["load", "wadors:https://pacs/frames/1"],
        ["load", "no-such-file.dcm", "-o", "out"],
        ["load", "wadors:https://pacs/frames/0", "-o", "out"],
        ["load", "wadors:https://pacs/frames/1", "-o", "out", "--format", "bmp"],
        ["load", "wadors:https://pacs/frames/1", "-o", "out", "--window", "40"],
        ["load", "wadors:https://pacs/frames/1", "-o", "out", "--window", "40,0"],
        ["load", "wadors:https://pacs/frames/1", "-o", "out", "--window", "40,400", "--format", "npy"],
        ["load", "wadors:https://pacs/frames/1", "-o", "out", "--ahead", "0"],
        ["stream", "no/such/folder", "-o", "out"],
        ["serve", "no/such/folder"],
        ["serve", ".", "--port", "65536"],
        ["demo", "--slices", "1"],
        ["nonsense"],
    ],
)
def test_wrong_usage(typed: Typed, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = typed(*arguments)
    assert result.exit_code == 2
    assert result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("host", "warned"), [("192.0.2.1", True), ("nowhere.invalid", True), ("127.9.9.9", False)])
def test_serve_warns_of_the_network(typed: Typed, monkeypatch: pytest.MonkeyPatch, host: str, *, warned: bool) -> None:
    def refuse(*_: object) -> None:
        raise OSError(99, "Cannot assign requested address")

    monkeypatch.setattr("cornerstream.server.running_app", refuse)
    result = typed("serve", ".", "--host", host)
    assert result.exit_code == 1
    assert ("warning: everybody who can reach" in result.stderr) is warned
    assert f"cannot listen on {host}, port 8042: Cannot assign requested address" in result.stderr
