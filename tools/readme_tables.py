"""Keep the README's tables equal to the registries: without an argument say whether they are, with --write make it so."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

from cornerstream.loaders import BUILT_IN
from cornerstream.operators.decoder_table import Decoder, transfer_syntaxes

README = Path(__file__).resolve().parents[1] / "README.md"


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


TABLES = {"schemes": scheme_table, "transfer syntaxes": transfer_syntax_table}


def with_tables(text: str) -> str:
    """The README with its tables as the registries have them now.

    Raises:
        ValueError: The README has no place for a table.
    """
    for name, table in TABLES.items():
        place = re.compile(f"(<!-- {name}: .*?-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        text, found = place.subn(rf"\g<1>{table()}\n\g<2>", text)
        if found != 1:
            raise ValueError(f"{found} places for the table of {name}, not 1")
    return text


def _purpose(module: str) -> str:
    summary = (import_module(module).__doc__ or "").strip().splitlines()[0]
    return summary.partition(": ")[2].rstrip(".")


def _name(decoder: Decoder) -> str:
    return decoder.name if decoder.releases_gil else f"{decoder.name} ¹"


def main(arguments: list[str]) -> int:
    """Check, or write; 1 where the tables are not up to date."""
    before = README.read_text(encoding="utf-8")
    after = with_tables(before)
    if "--write" in arguments:
        README.write_text(after, encoding="utf-8")
    elif before != after:
        sys.stderr.write("README.md: its tables are out of date; run `make format`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
