"""Keep the documents' tables equal to the code: without an argument say whether they are, with --write make it so."""

from __future__ import annotations

import re
import sys
from dataclasses import fields
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING

from cornerstream.images.limits import DEFAULT_LIMITS, MIB, Limits
from cornerstream.loaders import BUILT_IN
from cornerstream.operators.decoder_table import transfer_syntaxes

if TYPE_CHECKING:
    from cornerstream.operators.decoder import Decoder

ROOT = Path(__file__).resolve().parents[1]


def scheme_table() -> str:
    """Schemes, and what each loads: the first line of its loader's module."""
    rows = [
        f"| `{scheme}:` | {_purpose(module)} | `{module}` |"
        for scheme, module in ((scheme, target.partition(":")[0]) for scheme, target in BUILT_IN)
    ]
    return "\n".join(["| scheme | loads | loader |", "| --- | --- | --- |", *rows])


def transfer_syntax_table() -> str:
    """Transfer syntaxes, the decoder preferred for each, and those that can be asked for by name."""
    rows = [
        f"| {syntax.name} | `{syntax.uid}` | {_name(syntax.decoders[0])} | "
        f"{', '.join(_name(decoder) for decoder in syntax.decoders[1:]) or '–'} |"
        for syntax in transfer_syntaxes()
    ]
    return "\n".join(["| transfer syntax | UID | decoder | others, by name |", "| --- | --- | --- | --- |", *rows])


def limits_table() -> str:
    """Every limit, its default, and what it bounds: its line in the docstring."""
    lines = re.sub(r"\n {8}", " ", cleandoc(Limits.__doc__ or ""))  # Python 3.13 dedents docstrings itself
    meaning = dict(re.findall(r"^ {4}(\w+): (.*)$", lines, re.MULTILINE))
    rows = [f"| `{one.name}` | {_amount(one.name)} | {meaning[one.name]} |" for one in fields(Limits)]
    return "\n".join(["| limit | default | bounds |", "| --- | --- | --- |", *rows])


TABLES = {
    "README.md": {"schemes": scheme_table, "transfer syntaxes": transfer_syntax_table},
    "docs/limits.md": {"limits": limits_table},
}


def with_tables(document: str, text: str) -> str:
    """A document with its tables as the code has them now.

    Raises:
        ValueError: The document has no place for a table.
    """
    for name, table in TABLES[document].items():
        place = re.compile(f"(<!-- {name}: .*?-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        text, found = place.subn(rf"\g<1>{table()}\n\g<2>", text)
        if found != 1:
            raise ValueError(f"{document}: {found} places for the table of {name}, not 1")
    return text


def _amount(name: str) -> str:
    value = getattr(DEFAULT_LIMITS, name)
    if name.endswith("_seconds"):
        return f"{value:g} s"
    if name.endswith("_bytes") and value >= MIB:
        return f"{value // MIB:,} MiB"
    return f"{value:,}"


def _purpose(module: str) -> str:
    summary = (import_module(module).__doc__ or "").strip().splitlines()[0]
    return summary.partition(": ")[2].rstrip(".")


def _name(decoder: Decoder) -> str:
    return decoder.name if decoder.releases_gil else f"{decoder.name} ¹"


def main(arguments: list[str]) -> int:
    """Check, or write; 1 where tables are not up to date."""
    stale = []
    for document in TABLES:
        path = ROOT / document
        before = path.read_text(encoding="utf-8")
        after = with_tables(document, before)
        if "--write" in arguments:
            path.write_text(after, encoding="utf-8")
        elif before != after:
            stale.append(document)
    for document in stale:
        sys.stderr.write(f"{document}: its tables are out of date; run `make format`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
