"""The guards of the built-in decoders, for decoders of others: a codestream's own header against the data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.operators.codecs.guards import CodestreamHeader, check_header
from cornerstream.operators.codecs.j2k_markers import checked_codestream
from cornerstream.operators.codecs.jpeg import checked_jpeg
from cornerstream.operators.codecs.jpegls import checked_jpegls
from cornerstream.operators.codecs.jpegxl_header import read_basic_info
from cornerstream.operators.codecs.rle import rle_segments

if TYPE_CHECKING:
    from cornerstream.images.frames import EncodedFrame
    from cornerstream.operators.decoder import Decoder

_FAMILY = "1.2.840.10008.1.2.4."
_RLE = "1.2.840.10008.1.2.5"


def check_codestream(frame: EncodedFrame, decoder: Decoder) -> None:
    """Refuse a codestream that is cut, or says another size than the data set, before a decoder sees it.

    Of transfer syntaxes of PS3.5 it is known how codestreams begin and end; of others the decoder's own `header` tells.

    Raises:
        DecodeError: It is, or does.
    """
    uid = frame.metadata.transfer_syntax_uid
    tail = uid.removeprefix(_FAMILY)
    number = int(tail) if tail != uid and tail.isdecimal() else 0
    if uid == _RLE:
        rle_segments(frame)
    elif 50 <= number < 80:
        checked_jpeg(frame)
    elif 80 <= number < 90:
        checked_jpegls(frame)
    elif 90 <= number < 94 or 201 <= number < 206:
        checked_codestream(frame)
    elif 110 <= number < 113:
        check_header(read_basic_info(frame.data), frame.metadata)
    elif decoder.header:
        header = decoder.imported(decoder.header)(frame.data)
        if not isinstance(header, CodestreamHeader):
            raise TypeError(f"{decoder.header} returned {type(header).__name__}, not a CodestreamHeader")
        check_header(header, frame.metadata)
