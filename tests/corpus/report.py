"""The corpus report: one line a file, and the count."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.corpus.files import CorpusFile


@dataclass(frozen=True)
class Row:
    """What was found for one file by one route.

    Attributes:
        compared: What was compared, or why nothing was.
        faults: What was wrong; empty if all was right.
    """

    file: CorpusFile
    route: str
    compared: str
    faults: tuple[str, ...] = ()


@dataclass
class Report:
    """The rows of a test run, in any order; a later row of the same file and route replaces an earlier one."""

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        self.rows[row.file.name, row.route] = row

    def lines(self) -> Iterator[str]:
        """A line a file, then the count."""
        names = sorted({name for name, _ in self.rows})
        for name in names:
            yield _line([row for (file, _), row in sorted(self.rows.items()) if file == name])
        wrong = {name for (name, _), row in self.rows.items() if row.faults}
        routes = sorted({route for _, route in self.rows})
        yield f"{len(names)} files by {len(routes)} routes ({', '.join(routes)}): {len(wrong)} wrong"


def _line(rows: Sequence[Row]) -> str:
    """Name, transfer syntax, photometric interpretation, bits, what was compared by which route, and the verdict."""
    file, facts = rows[0].file, rows[0].file.facts
    bits = f"{facts['bits_stored']}/{facts['bits_allocated']}" if facts.get("bits_allocated") else "–"
    uid = facts.get("transfer_syntax") or "–"
    syntax = uid.removeprefix("1.2.840.10008.1.2.")
    routes: dict[str, list[str]] = {}
    for row in rows:
        routes.setdefault(row.compared, []).append(row.route)
    compared = "; ".join(f"{', '.join(names)}: {what}" for what, names in routes.items())
    faults = [f"{row.route}: {fault}" for row in rows for fault in row.faults]
    verdict = "ok" if not faults else f"WRONG {'; '.join(faults)}"
    return f"{file.name} | {syntax} | {facts.get('photometric') or '–'} | {bits} | {compared} | {verdict}"
