"""Decoders beyond the table: registered by the program, or brought by other distributions (`cornerstream.decoders`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cornerstream.operators.decoder import Decoder, TransferSyntax
from cornerstream.operators.plug_ins import PlugIn, PlugInError, plug_ins

if TYPE_CHECKING:
    from collections.abc import Iterable

ENTRY_POINTS = "cornerstream.decoders"


class DecoderPlugIns:
    """Rows beside the table's own.

    A distribution names a `TransferSyntax`, or several, by an entry point. They are imported together when the table has
    no answer: for a transfer syntax it does not have, or a decoder's name. One that does not import is left out, and told
    where it may have been the answer.
    """

    def __init__(self) -> None:
        self._registered: dict[str, TransferSyntax] = {}
        self._rows: tuple[TransferSyntax, ...] | None = None
        self._broken: tuple[PlugInError, ...] = ()

    def register(self, row: TransferSyntax) -> None:
        """Take the decoders of a row before all others of that transfer syntax.

        Raises:
            TypeError: It is no row.
            ValueError: It has no decoder.
        """
        (checked,) = _rows_of(row)
        self._registered[checked.uid] = checked

    def unregister(self, uid: str) -> None:
        """Take back what was registered for a transfer syntax; the table holds again."""
        self._registered.pop(uid, None)

    def registered(self, uid: str) -> TransferSyntax | None:
        """What was registered for a transfer syntax."""
        return self._registered.get(uid)

    def of_others(self, uid: str) -> list[Decoder]:
        """Decoders that other distributions have for a transfer syntax, in alphabetical order of their entry points."""
        return [decoder for row in self._found() if row.uid == uid for decoder in row.decoders]

    def name_of(self, uid: str) -> str:
        """What other distributions call a transfer syntax."""
        return next((row.name for row in self._found() if row.uid == uid), uid)

    def uids(self) -> tuple[str, ...]:
        """Transfer syntaxes that were registered, or that other distributions have decoders for."""
        return tuple(dict.fromkeys([*self._registered, *(row.uid for row in self._found())]))

    def names(self) -> frozenset[str]:
        """Names of all these decoders."""
        rows = (*self._registered.values(), *self._found())
        return frozenset(decoder.name for row in rows for decoder in row.decoders)

    def broken(self) -> tuple[PlugInError, ...]:
        """Why plug-ins do not import."""
        self._found()
        return self._broken

    def broken_hint(self) -> str:
        """The same as the end of a message; empty if all of them do."""
        return "".join(f"; {error}" for error in self.broken())

    def refresh(self) -> None:
        """Look anew, the next time, at what is installed."""
        self._rows = None

    def _found(self) -> tuple[TransferSyntax, ...]:
        if self._rows is None:
            found: list[TransferSyntax] = []
            broken: list[PlugInError] = []
            for plug_in in plug_ins(ENTRY_POINTS):
                try:
                    found += _loaded(plug_in)
                except PlugInError as error:
                    broken.append(error)
            self._rows, self._broken = tuple(found), tuple(broken)
        return self._rows


def _loaded(plug_in: PlugIn) -> list[TransferSyntax]:
    """The rows of a plug-in, each decoder with its distribution."""
    value = plug_in.load()
    try:
        rows = _rows_of(value)
    except (TypeError, ValueError) as error:
        raise PlugInError(f"the plug-in {plug_in} is no decoder: {error}") from error
    return [
        replace(row, decoders=tuple(replace(one, distribution=plug_in.distribution) for one in row.decoders))
        for row in rows
    ]


def _rows_of(value: object) -> tuple[TransferSyntax, ...]:
    rows: Iterable[object] = value if isinstance(value, (tuple, list)) else (value,)
    checked = []
    for row in rows:
        if not isinstance(row, TransferSyntax):
            raise TypeError(f"{row!r} is no TransferSyntax")
        if not row.decoders or not all(isinstance(decoder, Decoder) for decoder in row.decoders):
            raise ValueError(f"{row.uid} has no decoder")
        checked.append(row)
    return tuple(checked)
