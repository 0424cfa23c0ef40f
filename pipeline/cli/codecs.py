"""`cornerstream codecs`: which decoder decodes what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.cli.console import show_table

if TYPE_CHECKING:
    from cornerstream.operators.decoder import Decoder, TransferSyntax


def codecs() -> None:
    """List the transfer syntaxes with the decoder chosen for each, and what to install where there is none."""
    from cornerstream.operators.decoder_table import all_transfer_syntaxes, decoder_plug_ins  # noqa: PLC0415 - for `--help` to be quick

    columns = ("Transfer syntax", "Name", "Decoder", "Available", "Releases the lock", "To install", "Others")
    show_table(columns, [_row(syntax) for syntax in all_transfer_syntaxes()])
    broken = decoder_plug_ins.broken()
    if broken:
        show_table(("Plug-ins that are broken",), [(str(error),) for error in broken])


def _row(syntax: TransferSyntax) -> tuple[str, ...]:
    decoder = syntax.decoder or syntax.decoders[0]
    others = [other for other in syntax.decoders if other is not decoder]
    return (
        syntax.uid,
        syntax.name,
        _named(decoder),
        "yes" if syntax.available else "no",
        "yes" if decoder.releases_gil else "no",
        "–" if syntax.available else decoder.install or "nothing",
        ", ".join(map(_named, others)) or "–",
    )


def _named(decoder: Decoder) -> str:
    return f"{decoder.name} ({decoder.distribution})" if decoder.distribution else decoder.name
