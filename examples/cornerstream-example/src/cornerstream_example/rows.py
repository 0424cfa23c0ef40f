"""Rows of the decoder table. This module is imported to see what there is; codecs are imported when they decode."""

from cornerstream.operators.decoder import Decoder, TransferSyntax

DELTA = TransferSyntax(
    uid="1.2.826.0.1.3680043.10.1661.4.1",
    name="Example Deflated Differences",
    decoders=(
        Decoder(
            name="example-delta",
            function="cornerstream_example.delta:decode",
            header="cornerstream_example.delta:header",
            releases_gil=True,
            reason="the only one",
        ),
    ),
)
