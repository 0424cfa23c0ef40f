"""The decoder table: complete, truthful, and chosen from before decoding."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import pytest
from pydicom.uid import UID

from cornerstream.images.errors import UnsupportedTransferSyntaxError
from cornerstream.operators import decoder
from cornerstream.operators.decoder_table import TABLE, decoder_for, decoder_names, transfer_syntaxes

PREFIX = "1.2.840.10008.1.2"
WANTED = [
    ".",
    ".1",
    ".1.98",
    ".1.99",
    ".2",
    ".5",
    ".4.50",
    ".4.51",
    ".4.53",
    ".4.55",
    ".4.57",
    ".4.70",
    ".4.80",
    ".4.81",
    ".4.90",
    ".4.91",
    ".4.201",
    ".4.202",
    ".4.203",
    ".4.110",
    ".4.111",
    ".4.112",
    ".8.1",
]


def test_every_transfer_syntax_is_in_the_table_and_can_be_decoded() -> None:
    assert {PREFIX + tail.removesuffix(".") for tail in WANTED} == set(TABLE)
    assert all(row.available for row in transfer_syntaxes())


@pytest.mark.parametrize("row", transfer_syntaxes(), ids=lambda row: row.uid)
def test_each_row_names_functions_that_are_there_and_says_why(row: decoder.TransferSyntax) -> None:
    assert row.name
    for one in row.decoders:
        assert callable(one.load())
        assert one.reason
        assert one.available
        assert bool(one.module) == bool(one.install)


def test_names_are_those_of_ps3_6() -> None:
    for row in transfer_syntaxes():
        known = UID(row.uid).name
        if known != row.uid:  # pydicom 3.0 does not know all of them
            words = [word for word in re.findall(r"\w+", row.name) if word not in ("Process", "retired")]
            assert set(words) <= set(re.findall(r"\w+", f"{known} Near JPEG 2000 LS Lossless HTJ2K")), (row.name, known)


@pytest.mark.parametrize(
    ("uid", "prefer", "name"),
    [
        (f"{PREFIX}.1", None, "numpy"),
        (f"{PREFIX}.4.90", None, "imagecodecs"),
        (f"{PREFIX}.4.90", "pylibjpeg-openjpeg", "pylibjpeg-openjpeg"),
        (f"{PREFIX}.5", "pylibjpeg-rle", "pylibjpeg-rle"),
        (f"{PREFIX}.5", "pylibjpeg-openjpeg", "imagecodecs"),  # it decodes no RLE: the table's order holds
        (f"{PREFIX}.4.202", None, "imagecodecs-htj2k"),
        (f"{PREFIX}.4.203", None, "imagecodecs"),  # OpenJPH wraps where lossy streams overshoot
        (f"{PREFIX}.4.203", "imagecodecs-htj2k", "imagecodecs"),
    ],
)
def test_choice(uid: str, prefer: str | None, name: str) -> None:
    assert decoder_for(uid, prefer).name == name


def test_only_pylibjpeg_holds_the_lock() -> None:
    holding = {d.name for row in transfer_syntaxes() for d in row.decoders if not d.releases_gil}
    assert holding == {"pylibjpeg-openjpeg", "pylibjpeg-rle"}


def test_no_decoder_that_was_seen_to_crash_is_in_the_table() -> None:
    """liblj92 and jpegsof3 were; a row that is not crash-safe has to be left out, or to say so."""
    assert all(one.crash_safe for row in transfer_syntaxes() for one in row.decoders)
    assert {one.module.rpartition(".")[2] for row in transfer_syntaxes() for one in row.decoders}.isdisjoint(
        {"_ljpeg", "_jpegsof3"}
    )


def test_a_name_that_no_decoder_has_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="no decoder is named 'gdcm'; there are imagecodecs"):
        decoder_for(f"{PREFIX}.5", "gdcm")
    assert "gdcm" not in decoder_names()


@pytest.mark.parametrize(
    ("uid", "message"),
    [
        (f"{PREFIX}.4.100", "MPEG2"),
        ("1.2.3.4", "transfer syntax 1.2.3.4"),
        ("", "no transfer syntax is named"),
    ],
)
def test_unknown_transfer_syntaxes_are_refused_by_name(uid: str, message: str) -> None:
    with pytest.raises(UnsupportedTransferSyntaxError, match=message) as caught:
        decoder_for(uid)
    assert caught.value.transfer_syntax_uid == uid


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Top packages that can be imported; the test takes some away."""
    names = {"imagecodecs", "openjpeg", "rle"}
    find = importlib.util.find_spec

    def find_spec(module: str) -> object:
        top = module.partition(".")[0]
        if top not in names:
            raise ModuleNotFoundError(top)
        return find(module)

    monkeypatch.setattr(decoder, "find_spec", find_spec)
    return names


def test_the_next_installed_decoder_is_chosen_before_decoding(installed: set[str]) -> None:
    installed.remove("imagecodecs")
    assert decoder_for(f"{PREFIX}.4.90").name == "pylibjpeg-openjpeg"
    assert decoder_for(f"{PREFIX}.1").name == "numpy"


def test_the_error_says_what_to_install(installed: set[str]) -> None:
    installed.clear()
    with pytest.raises(UnsupportedTransferSyntaxError, match=r"JPEG-LS Lossless \(.*pip install imagecodecs"):
        decoder_for(f"{PREFIX}.4.80")
    row = TABLE[f"{PREFIX}.4.80"]
    assert (row.available, row.decoder, row.install) == (False, None, "imagecodecs")


def test_a_preferred_decoder_that_is_not_installed_is_not_replaced_in_silence(installed: set[str]) -> None:
    installed.remove("openjpeg")
    with pytest.raises(UnsupportedTransferSyntaxError, match="pip install pylibjpeg-openjpeg"):
        decoder_for(f"{PREFIX}.4.90", "pylibjpeg-openjpeg")


def test_importing_the_table_imports_no_codec() -> None:
    modules = ["imagecodecs", "openjpeg", "rle", "PIL", "pydicom"]
    code = (
        "import sys, cornerstream.operators.decompress, cornerstream.operators.to_rgb;"
        f"print([name for name in {modules!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert result.stdout.strip() == "[]"
