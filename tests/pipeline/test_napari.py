"""The reader for napari: its manifest as npe2 takes it, and the layers it gives."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest

from cornerstream.images.errors import FetchError
from cornerstream.napari_plugin.reader import get_reader, read_layers
from cornerstream.server import server_process
from cornerstream.session import Session
from tests.support.documents import ROOT
from tests.support.slices import write_slices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cornerstream.phantom import PhantomStudy

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own, about pydantic
    import npe2


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    """In place of the default session, which lives until the interpreter ends."""
    with Session() as session:
        monkeypatch.setattr("cornerstream.napari_plugin.reader.blocking_session", lambda: session)
        yield session


def test_a_notebook_whose_loop_runs_waits_for_it(small_study: PhantomStudy) -> None:
    """By the default session with a thread, which lives until its interpreter ends."""
    code = (
        "import asyncio, sys\n"
        "from cornerstream.napari_plugin.reader import read_layers\n"
        "async def cell():\n"
        "    return [float(data.max().compute()) for data, _, _ in read_layers(sys.argv[1])]\n"
        "print(len(asyncio.run(cell())))"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(small_study.folder)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (run.stdout.strip(), run.stderr) == ("4", "")


def manifest_path() -> Path:
    """Where the entry point says that the manifest is."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    ((name, value),) = project["project"]["entry-points"]["napari.manifest"].items()
    package, _, file_name = value.partition(":")
    assert name == project["project"]["name"]
    assert file_name in project["tool"]["setuptools"]["package-data"][package]
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / str(file_name)


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> npe2.PluginManager:
    """Npe2's plug-in manager, with this one plug-in."""
    manifest = npe2.PluginManifest.from_file(manifest_path())
    manifest.validate_imports()
    manager = npe2.PluginManager()
    manager.register(manifest)
    monkeypatch.setattr(npe2.PluginManager, "instance", lambda: manager)
    return manager


def read(paths: list[str], *, stack: bool = False) -> list[Any]:
    return npe2.read(paths, stack=stack, plugin_name="cornerstream")


def test_npe2_reads_a_folder_by_it(plugins: npe2.PluginManager, small_study: PhantomStudy, session: Session) -> None:
    layers = read([str(small_study.folder)])
    listed = list(session.folder(small_study.folder))
    assert len(layers) == len(listed) == 4
    for (data, keywords, kind), series in zip(layers, listed, strict=True):
        assert kind == "image"
        assert isinstance(data, da.Array)
        assert data.chunks[0] == (1,) * len(series)
        assert keywords["rgb"] is (series.modality != "CT")
        assert keywords["metadata"]["series_instance_uid"] == series.series_instance_uid
        assert np.array_equal(data.compute(), series.to_array(modality=not keywords["rgb"]))
    assert "contrast_limits" not in layers[3][1]


def test_a_layer_is_in_millimetres_and_modality_values(tmp_path: Path) -> None:
    write_slices(tmp_path, 4)
    ((data, keywords, _),) = read_layers(str(tmp_path))
    assert (data.shape, data.dtype) == ((4, 6, 5), np.float32)
    assert int(data[1, 0, 2]) == 102 - 1024
    metadata = keywords.pop("metadata")
    assert keywords == {
        "name": "CT Slices",
        "rgb": False,
        "colormap": "gray",
        "contrast_limits": (-160, 240),
        "scale": (2.5, 0.5, 0.75),
        "units": ("mm", "mm", "mm"),
    }
    assert metadata["affine"][:3, 3].tolist() == [-10, -20, 0]
    assert metadata["image_ids"][0].startswith("dicomfile:")


def test_monochrome1_is_shown_inverted(tmp_path: Path) -> None:
    write_slices(tmp_path, 2, lambda _: {"PhotometricInterpretation": "MONOCHROME1"})
    ((_, keywords, _),) = read_layers(str(tmp_path))
    assert keywords["colormap"] == "gray_r"


@pytest.mark.parametrize(
    ("change", "scale", "units"),
    [
        ({"ImagePositionPatient": None}, (1, 0.5, 0.75), ("pixel", "mm", "mm")),
        ({"ImagePositionPatient": None, "PixelSpacing": None}, (1, 1, 1), ("pixel",) * 3),
    ],
)
def test_what_is_no_volume(
    tmp_path: Path, change: dict[str, Any], scale: tuple[float, ...], units: tuple[str, ...]
) -> None:
    write_slices(tmp_path, 3, lambda _: change)
    ((_, keywords, _),) = read_layers(str(tmp_path))
    assert (keywords["scale"], keywords["units"]) == (scale, units)
    assert "affine" not in keywords["metadata"]


def test_one_file_is_a_picture(plugins: npe2.PluginManager, tmp_path: Path) -> None:
    (path,) = write_slices(tmp_path, 1, lambda _: {"WindowCenter": None, "WindowWidth": None})
    ((data, keywords, _),) = read([str(path)])
    assert data.shape == (6, 5)
    assert (keywords["scale"], keywords["units"]) == ((0.5, 0.75), ("mm", "mm"))
    assert "contrast_limits" not in keywords


def test_files_become_one_stack_in_the_order_of_space(plugins: npe2.PluginManager, tmp_path: Path) -> None:
    paths = write_slices(tmp_path, 5)
    chosen = [str(paths[index]) for index in (3, 1, 2)]
    ((data, keywords, _),) = read(chosen, stack=True)
    assert data[:, 0, 0].compute().tolist() == [100 - 1024, 200 - 1024, 300 - 1024]
    assert keywords["scale"] == (2.5, 0.5, 0.75)


@pytest.mark.parametrize("name", ["DICOMDIR", "IM000001", "A_FILE_1"])
def test_files_of_media_have_no_suffix(plugins: npe2.PluginManager, tmp_path: Path, name: str) -> None:
    (path,) = write_slices(tmp_path, 1)
    if name != "DICOMDIR":
        renamed = path.rename(tmp_path / name)
        ((data, _, _),) = read([str(renamed)])
        assert data.shape == (6, 5)
    patterns = [pattern for pattern, _ in plugins._contrib._readers]
    assert any(_matches(name, pattern) for pattern in patterns)
    assert not any(
        _matches(other, pattern) for pattern in patterns for other in ("notes.md", "Makefile", "picture.png")
    )


def _matches(name: str, pattern: str) -> bool:
    from fnmatch import fnmatch  # noqa: PLC0415 - as npe2 matches

    return bool(pattern) and fnmatch(name, pattern.lower())


def test_a_study_on_a_server(plugins: npe2.PluginManager, small_study: PhantomStudy) -> None:
    with server_process(small_study.folder) as at:
        url = f"{at.dicomweb}/studies/{small_study.study_instance_uid}"
        layers = read([url])
        assert len(layers) == 4
        uid = layers[1][1]["metadata"]["series_instance_uid"]
        ((data, keywords, _),) = read([f"{url}/series/{uid}"])
        assert keywords["metadata"]["series_instance_uid"] == uid
        assert np.array_equal(data[:2].compute(), layers[1][0][:2].compute())
        image_id = keywords["metadata"]["image_ids"][2]
        ((picture, _, _),) = read([image_id])
        assert np.array_equal(picture.compute(), data[2].compute())
        with pytest.raises(FetchError, match="no DICOM images"):
            read_layers(f"{url}/series/1.2.3")


def test_what_is_not_dicom_is_left_to_others(plugins: npe2.PluginManager, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "README").write_bytes(b"\0" * 200)
    for path in (
        tmp_path,
        tmp_path / "notes.txt",
        tmp_path / "README",
        tmp_path / "missing",
        "a\0b",
        "https://x/y.png",
    ):
        assert get_reader(str(path)) is None
    with pytest.raises(ValueError, match="refused the file"):
        read([str(tmp_path)])
    (dicom,) = write_slices(tmp_path, 1)
    assert get_reader(str(tmp_path)) is not None
    assert get_reader([str(dicom), str(tmp_path / "notes.txt")]) is None
