"""Keep docs/evidence.md equal to the evidence: without an argument say whether it is, with --write make it so.

The evidence is the shared corpus (`../shared/data/expected.json`), the files inside pydicom that ordinary tests decode, and
the kinds of images that tests make in code. Without the corpus there is nothing to say, and nothing is written.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for the tests' own lists

from cornerstream.operators.decoder_table import TABLE  # noqa: E402 - as above
from tests.corpus import second_opinions  # noqa: E402
from tests.operators import test_decompress_files  # noqa: E402
from tests.support.corpus import expected  # noqa: E402
from tests.support.frames import bundled, read_frames  # noqa: E402
from tests.support.pixel_grid import KINDS  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cornerstream.operators.decoder import TransferSyntax

DOCUMENT = ROOT / "docs" / "evidence.md"
_MARK = "<!-- tables: written by `python tools/evidence.py --write` -->"
_END = "<!-- end of tables -->"
_COLOURS = ("MONOCHROME2", "MONOCHROME1", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
_IN_PYDICOM = ("NATIVE", "RLE", "JPEG2000", "LIKE_MR_SMALL", "JPEG_COLOUR")

Facts = dict[str, Any]
Key = tuple[str, str, str]
"""Transfer syntax UID, photometric interpretation, and bits as they are written here."""


@dataclass
class Cell:
    """The evidence for one kind of image."""

    files: list[Facts] = field(default_factory=list)
    in_pydicom: int = 0
    in_code: bool = False


# What is odd about a file, by the words of the document.
_ODDITIES: Mapping[str, Callable[[Facts], object]] = {
    "several frames": lambda one: one["frames"] > 1,
    "several fragments a frame, with a Basic Offset Table": lambda one: _fragments(one) and _entries(one),
    "several fragments a frame, without a Basic Offset Table": lambda one: _fragments(one) and not _entries(one),
    "Extended Offset Table": lambda one: one.get("encapsulation", {}).get("extended_offset_table"),
    "colour by plane, native": lambda one: one["planar_configuration"] == 1 and "encapsulation" not in one,
    "colour by plane, as a tag of a compressed frame": lambda one: (
        one["planar_configuration"] == 1 and "encapsulation" in one
    ),
    "bits outside of Bits Stored are set": lambda one: any(
        note.startswith("raw words differ") for note in one["notes"]
    ),
    "High Bit above Bits Stored − 1": lambda one: (one["high_bit"] or 0) > (one["bits_stored"] or 0) - 1 > -1,
    "pixel padding": lambda one: "pixel_padding_value" in one["metadata"],
    "overlays": lambda one: "overlays" in one,
    "an icon image besides the image": lambda one: any("Icon Image" in note for note in one["notes"]),
    "no preamble, no transfer syntax": lambda one: one["transfer_syntax"] is None,
    "Float Pixel Data": lambda one: one["pixel_element"] != "PixelData",
    "16-bit palette": lambda one: one.get("palette", {}).get("lut_output_bits") == 16,
    "segmented palette": lambda one: one.get("palette", {}).get("segmented"),
    "Photometric Interpretation and JPEG contradict each other": lambda one: one.get("rgb_tag_conflict"),
    "Modality LUT Sequence": lambda one: "modality_lut" in one["metadata"],
    "VOI LUT Sequence": lambda one: "voi_lut" in one["metadata"],
    "windows by frame": lambda one: "per_frame" in one["metadata"]["voi"],
    "ICC profile": lambda one: "icc_profile" in one["metadata"],
    "transfer syntax and codestream contradict each other": lambda one: (
        "expect" in one and "stream is" in one["expect"]
    ),
}


def cells(files: Iterable[Facts]) -> dict[Key, Cell]:
    """The evidence by kind of image."""
    found: dict[Key, Cell] = defaultdict(Cell)
    for facts in files:
        uid = facts["transfer_syntax"] or _proven(facts)
        bits = [facts[name] for name in ("bits_allocated", "bits_stored", "pixel_representation")]
        is_float = facts["pixel_element"] != "PixelData"
        found[uid, facts["photometric"], f"{bits[0]} float" if is_float else _bits(*bits)].files.append(facts)
    for name in sorted({name for names in _IN_PYDICOM for name in getattr(test_decompress_files, names)}):
        one = read_frames(bundled(name))[0].metadata
        bits = [one.bits_allocated, one.bits_stored, one.pixel_representation]
        found[one.transfer_syntax_uid, one.photometric_interpretation, _bits(*bits)].in_pydicom += 1
    for kind in KINDS:
        found[kind.transfer_syntax_uid, kind.photometric_interpretation, _bits(*kind.bits)].in_code = True
    return found


def tables(facts: Mapping[str, Facts]) -> str:
    """Everything between the marks."""
    images = [one for one in facts.values() if one["category"] in ("image", "odd")]
    found = cells(images)
    lines = [_summary(facts), "", "## By transfer syntax"]
    for syntax in TABLE.values():
        lines += _section(syntax, {key[1:]: cell for key, cell in found.items() if key[0] == syntax.uid})
    lines += ["", "## Oddities", "", "| what | corpus files |", "| --- | --- |"]
    lines += [f"| {name} | {sum(1 for one in images if is_odd(one))} |" for name, is_odd in _ODDITIES.items()]
    return "\n".join(lines)


def document(facts: Mapping[str, Facts]) -> str:
    """The document as it should be.

    Raises:
        ValueError: The document has lost its marks.
    """
    before, mark, rest = DOCUMENT.read_text(encoding="utf-8").partition(_MARK)
    _, end, after = rest.partition(_END)
    if not (mark and end):
        raise ValueError(f"{DOCUMENT} has no place for its tables")
    return f"{before}{mark}\n{tables(facts)}\n{end}{after}"


def _summary(facts: Mapping[str, Facts]) -> str:
    by_category = defaultdict(list)
    for one in facts.values():
        by_category[one["category"]].append(one)
    images = by_category["image"] + by_category["odd"]
    derived = sum("derived" in one for one in images)
    lossless = sum(one["lossless"] for one in images)
    return (
        f"{len(images)} images ({sum(one['frames'] for one in images)} frames; {lossless} images lossless, compared bit for "
        f"bit; {derived} re-encoded from others, the rest as they were found), {len(by_category['no-image'])} files without pixels, {len(by_category['malformed'])} damaged ones; "
        f"{len(KINDS)} kinds made in code."
    )


def _section(syntax: TransferSyntax, by_kind: dict[tuple[str, str], Cell]) -> Iterator[str]:
    second = _second(syntax, has_files=any(cell.files for cell in by_kind.values()))
    yield from ("", f"### {syntax.name}", "", f"`{syntax.uid}` – {second}", "")
    rows = [(key, cell) for key, cell in sorted(by_kind.items(), key=_order) if cell.files or cell.in_pydicom]
    if rows:
        yield "| photometric interpretation | bits | corpus files | frames | decoders that agree | in pydicom | in code |"
        yield "| --- | --- | --- | --- | --- | --- | --- |"
        yield from (_row(photometric, bits, cell) for (photometric, bits), cell in rows)
    alone: dict[str, list[str]] = defaultdict(list)
    for (photometric, bits), cell in sorted(by_kind.items(), key=_order):
        if not cell.files and not cell.in_pydicom:
            alone[photometric].append(bits)
    if alone:
        kinds = "; ".join(f"{photometric} {', '.join(bits)}" for photometric, bits in alone.items())
        yield from ([""] if rows else [])
        yield f"No file, made in code only: {kinds}."


def _row(photometric: str, bits: str, cell: Cell) -> str:
    agreeing = [_agreeing(one) for one in cell.files]
    decoders = "–"
    if agreeing:
        decoders = str(min(agreeing)) if min(agreeing) == max(agreeing) else f"{min(agreeing)} to {max(agreeing)}"
    columns = (
        photometric,
        bits,
        len(cell.files) or "none",
        sum(one["frames"] for one in cell.files) or "–",
        decoders,
        cell.in_pydicom or "–",
        "yes" if cell.in_code else "–",
    )
    return f"| {' | '.join(map(str, columns))} |"


def _agreeing(facts: Facts) -> int:
    """Decoders that gave the expected stored values, or the expected RGB within the tolerance, whichever are more."""
    tolerance = facts.get("tolerance_rgb", {}).get("max_abs", 0)
    by_rgb = [
        found == "identical" or (isinstance(found, dict) and bool(found.get("max_abs", 256) <= tolerance))
        for found in facts.get("rgb_decoders", {}).values()
    ]
    return max(int(facts["independent_agreement"]), 1 + by_rgb.count(True))


def _second(syntax: TransferSyntax, *, has_files: bool) -> str:
    """The decoders that every run of the tests compares with the library's choice."""
    names = [decoder.name for decoder in syntax.decoders[1:]]
    if syntax.uid in second_opinions.PYDICOM_READS:
        names.append("pydicom with pyjpegls" if syntax.uid.endswith("4.80") else "pydicom")
    if syntax.uid in second_opinions.JPEG_LOSSLESS:
        names.append("liblj92")
    if syntax.uid in second_opinions.DCMTK_READS:
        names.append("DCMTK")
    if names:
        return f"decoded by {syntax.decoders[0].name}; every run of the tests compares it with {', '.join(names)}."
    evidence = "the corpus stands for it" if has_files else "and there is no file of it"
    return f"decoded by {syntax.decoders[0].name}; no second decoder runs with the tests, {evidence}."


def _order(item: tuple[tuple[str, str], Cell]) -> tuple[int, list[int | str]]:
    (photometric, bits), _ = item
    words = bits.replace("/", " ").split()
    return _COLOURS.index(photometric), [int(word) if word.isdigit() else 99 for word in words]


def _bits(allocated: int, stored: int, signed: int | None) -> str:
    return f"{allocated}/{stored}{' signed' if signed else ''}"


def _proven(facts: Facts) -> str:
    """What the bytes of a file without a transfer syntax are."""
    return "1.2.840.10008.1.2" if "implicit" in facts["expect"] else "1.2.840.10008.1.2.1"


def _fragments(facts: Facts) -> bool:
    return bool(facts.get("encapsulation", {}).get("fragments", 0) > facts["frames"])


def _entries(facts: Facts) -> bool:
    return bool(facts.get("encapsulation", {}).get("bot_entries"))


def main(arguments: list[str]) -> int:
    """Check, or write; 1 where the document is not up to date, or the corpus is missing where it must not."""
    facts: dict[str, Facts] = expected()["files"]
    if not facts:
        sys.stderr.write("docs/evidence.md: not looked at, the corpus is not here\n")
        return int(bool(os.environ.get("CI")))
    after = document(facts)
    if "--write" in arguments:
        DOCUMENT.write_text(after, encoding="utf-8")
    elif DOCUMENT.read_text(encoding="utf-8") != after:
        sys.stderr.write("docs/evidence.md is out of date; run `python tools/evidence.py --write`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
