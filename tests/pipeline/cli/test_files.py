from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
import pytest
from PIL import Image as Pillow

from cornerstream.cli.console import plain
from cornerstream.cli.files import Writer, stem
from cornerstream.cli.formats import Format, encode
from cornerstream.cli.load import parse_image_id
from cornerstream.images.image import Image
from cornerstream.images.image_id import ImageId

if TYPE_CHECKING:
    from numpy.typing import NDArray


def image_of(pixels: NDArray[np.generic], uid: str = "1.2.3", frame: int = 1, frames: int = 1) -> Image:
    return Image(
        image_id=ImageId.parse("dicomfile:/x"),
        pixels=pixels,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        photometric_interpretation="RGB" if pixels.ndim == 3 else "MONOCHROME2",
        sop_instance_uid=uid,
        frame_number=frame,
        number_of_frames=frames,
    )


def values(dtype: str, *, colour: bool = False) -> NDArray[np.generic]:
    kind = np.dtype(dtype)
    shape = (3, 5, 3) if colour else (3, 5)
    if kind.kind == "f":
        return np.linspace(-1.5, 9.25, 15, dtype=kind).reshape(shape)
    bounds = np.iinfo(kind)
    return np.linspace(bounds.min, bounds.max, int(np.prod(shape))).astype(kind).reshape(shape)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "float32"])
def test_tiff_holds_the_stored_values(dtype: str) -> None:
    pixels = values(dtype)
    read = imagecodecs.tiff_decode(encode(image_of(pixels), Format.TIFF))
    np.testing.assert_array_equal(read, pixels)
    assert read.dtype == (np.int16 if dtype == "int8" else np.dtype(dtype))


def test_pillow_reads_signed_tiff_values_as_they_are() -> None:
    pixels = values("int16")
    with Pillow.open(io.BytesIO(encode(image_of(pixels), Format.TIFF))) as picture:
        np.testing.assert_array_equal(np.asarray(picture), pixels)


def test_colour_tiff() -> None:
    pixels = values("uint8", colour=True)
    np.testing.assert_array_equal(imagecodecs.tiff_decode(encode(image_of(pixels), Format.TIFF)), pixels)


@pytest.mark.parametrize(("dtype", "colour"), [("float64", False), ("uint32", False), ("uint16", True)])
def test_what_tiff_cannot_hold_is_refused(dtype: str, *, colour: bool) -> None:
    with pytest.raises(ValueError, match="use npy or raw"):
        encode(image_of(values(dtype, colour=colour)), Format.TIFF)


@pytest.mark.parametrize("dtype", ["uint8", "int16", ">u2", "float64"])
def test_raw_says_in_its_name_what_it_is(dtype: str, tmp_path: Path) -> None:
    pixels = values(dtype)
    path = Writer(tmp_path, Format.RAW).write(image_of(pixels), 1)
    found = re.fullmatch(r"1\.2\.3\.([0-9x]+)\.(\w+)\.raw", path.name)
    assert found is not None
    shape, name = found.groups()
    read = np.frombuffer(path.read_bytes(), np.dtype(name).newbyteorder("<")).reshape(tuple(map(int, shape.split("x"))))
    np.testing.assert_array_equal(read, pixels)


def test_names_count_frames_and_places(tmp_path: Path) -> None:
    writer = Writer(tmp_path, Format.NPY, numbered=4)
    assert writer.write(image_of(values("uint8"), frame=7, frames=60), 3).name == "0003_1.2.3_frame0007.npy"


@pytest.mark.parametrize("uid", ["../../etc/passwd", "..", "", "1.2/3", "a\0b", "1." * 100, "Ünïcode", ".hidden"])
def test_what_is_no_uid_leads_nowhere(uid: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    name = stem(image_of(values("uint8"), uid=uid))
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,90}", name)
    path = Writer(folder).write(image_of(values("uint8"), uid=uid), 1)
    assert path.resolve().parent == folder.resolve()


def test_different_instances_have_different_names_also_when_cleaned() -> None:
    assert stem(image_of(values("uint8"), uid="1/2")) != stem(image_of(values("uint8"), uid="1 2"))


def test_a_file_is_not_replaced_unless_forced(tmp_path: Path) -> None:
    first, second = image_of(np.zeros((2, 2), np.uint8)), image_of(np.ones((2, 2), np.uint8))
    path = Writer(tmp_path, Format.NPY).write(first, 1)
    with pytest.raises(FileExistsError, match="--force"):
        Writer(tmp_path, Format.NPY).write(second, 1)
    assert np.load(path).max() == 0
    Writer(tmp_path, Format.NPY, force=True).write(second, 1)
    assert np.load(path).max() == 1


def test_no_half_file_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path, __: Path) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        Writer(tmp_path).write(image_of(values("uint8")), 1)
    assert not list(tmp_path.iterdir())


def test_files_are_readable_as_the_user_wants(tmp_path: Path) -> None:
    plain_file = tmp_path / "plain"
    plain_file.touch()
    path = Writer(tmp_path).write(image_of(values("uint8")), 1)
    assert path.stat().st_mode == plain_file.stat().st_mode


def test_a_path_stands_for_its_image_id(tmp_path: Path) -> None:
    path = tmp_path / "a:b.dcm"
    path.touch()
    assert parse_image_id(str(path)) == ImageId.parse(f"dicomfile:{path}")
    assert parse_image_id(f"{path}?frame=3") == ImageId.parse(f"dicomfile:{path}?frame=3")


def test_what_a_file_says_does_not_steer_the_terminal() -> None:
    assert plain("a\x1b[31mb\r\nc") == "a�[31mb��c"
