"""`cornerstream codecs`: which decoder decodes what."""

from cornerstream.cli.console import show_table


def codecs() -> None:
    """List the transfer syntaxes with the decoder chosen for each, and what to install where there is none."""
    from cornerstream.operators.decoder_table import transfer_syntaxes  # noqa: PLC0415 - for `--help` to be quick

    rows = []
    for syntax in transfer_syntaxes():
        decoder = syntax.decoder or syntax.decoders[0]
        install = decoder.install or "nothing"
        rows.append(
            (
                syntax.uid,
                syntax.name,
                decoder.name,
                "yes" if syntax.available else "no",
                "yes" if decoder.releases_gil else "no",
                "–" if syntax.available else install,
                ", ".join(other.name for other in syntax.decoders if other is not decoder) or "–",
            )
        )
    columns = ("Transfer syntax", "Name", "Decoder", "Available", "Releases the lock", "To install", "Others")
    show_table(columns, rows)
