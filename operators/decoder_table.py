"""The decoder table: which decoder decodes which transfer syntax, in what order of preference, and why.

To add a codec: write a function from `EncodedFrame` to `DecodedFrame` in `operators/codecs/`, and a row here. One decoder
is chosen before decoding, by preference and by what is installed; another one is never tried behind it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from cornerstream.images.errors import UnsupportedTransferSyntaxError
from cornerstream.operators.decoder import CODECS, Decoder, TransferSyntax
from cornerstream.operators.decoder_plug_ins import DecoderPlugIns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def _imagecodecs(codec: str, function: str, reason: str, name: str = "imagecodecs") -> Decoder:
    return Decoder(
        name=name, function=CODECS + function, module=f"imagecodecs.{codec}", install="imagecodecs", reason=reason
    )


NATIVE = "numpy"
_NATIVE = Decoder(name=NATIVE, function=f"{CODECS}native:decode_native", reason="nothing to decode")
_RLE = _imagecodecs("_imcd", "rle:decode_rle", "as fast as pylibjpeg-rle, releases the lock, checks every segment")
_RLE_2 = Decoder(
    name="pylibjpeg-rle",
    function=f"{CODECS}rle:decode_pylibjpeg_rle",
    module="rle",
    install="pylibjpeg-rle",
    releases_gil=False,
    reason="second implementation; panics where imagecodecs raises",
)
# Lossless JPEG has no second row: liblj92 and jpegsof3 of imagecodecs crash the interpreter on damaged input.
_JPEG = _imagecodecs("_jpeg8", "jpeg:decode_jpeg", "libjpeg-turbo 3: fastest, all precisions, colour converted inside")
_JPEGLS = _imagecodecs("_jpegls", "jpegls:decode_jpegls", "CharLS 2, four times as fast as the others")
_J2K = _imagecodecs("_jpeg2k", "jpeg2000:decode_jpeg2000", "OpenJPEG, releases the lock")
_J2K_2 = Decoder(
    name="pylibjpeg-openjpeg",
    function=f"{CODECS}jpeg2000:decode_openjpeg",
    module="openjpeg",
    install="pylibjpeg-openjpeg",
    releases_gil=False,
    reason="second implementation; as fast, holds the lock",
)
# Without the guards OpenJPH dies of precincts of one sample, and hangs on sizes that cannot be.
_HTJ2K = _imagecodecs("_htj2k", "htj2k:decode_htj2k", "OpenJPH: twice as fast as OpenJPEG", "imagecodecs-htj2k")
_HTJ2K_LOSSY = _imagecodecs("_jpeg2k", "jpeg2000:decode_jpeg2000", "OpenJPEG clamps overshoot, OpenJPH wraps it")
_JPEGXL = _imagecodecs("_jpegxl", "jpegxl:decode_jpegxl", "libjxl, the reference implementation")
_DEFLATED = Decoder(
    name="zlib", function=f"{CODECS}deflated_frame:decode_deflated_frame", reason="standard library, output bounded"
)

# UIDs and names of PS3.6 table A-1.
_ROWS = (
    TransferSyntax("1.2.840.10008.1.2", "Implicit VR Little Endian", (_NATIVE,)),
    TransferSyntax("1.2.840.10008.1.2.1", "Explicit VR Little Endian", (_NATIVE,)),
    TransferSyntax("1.2.840.10008.1.2.1.98", "Encapsulated Uncompressed Explicit VR Little Endian", (_NATIVE,)),
    TransferSyntax("1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian", (_NATIVE,)),
    TransferSyntax("1.2.840.10008.1.2.2", "Explicit VR Big Endian", (_NATIVE,)),
    TransferSyntax("1.2.840.10008.1.2.5", "RLE Lossless", (_RLE, _RLE_2)),
    TransferSyntax("1.2.840.10008.1.2.4.50", "JPEG Baseline (Process 1)", (_JPEG,)),
    TransferSyntax("1.2.840.10008.1.2.4.51", "JPEG Extended (Process 2 and 4)", (_JPEG,)),
    TransferSyntax("1.2.840.10008.1.2.4.53", "JPEG Spectral Selection (Process 6 and 8), retired", (_JPEG,)),
    TransferSyntax("1.2.840.10008.1.2.4.55", "JPEG Full Progression (Process 10 and 12), retired", (_JPEG,)),
    TransferSyntax("1.2.840.10008.1.2.4.57", "JPEG Lossless (Process 14)", (_JPEG,)),
    TransferSyntax("1.2.840.10008.1.2.4.70", "JPEG Lossless (Process 14, Selection Value 1)", (_JPEG,)),
    TransferSyntax("1.2.840.10008.1.2.4.80", "JPEG-LS Lossless", (_JPEGLS,)),
    TransferSyntax("1.2.840.10008.1.2.4.81", "JPEG-LS Near-Lossless", (_JPEGLS,)),
    TransferSyntax("1.2.840.10008.1.2.4.90", "JPEG 2000 Lossless", (_J2K, _J2K_2)),
    TransferSyntax("1.2.840.10008.1.2.4.91", "JPEG 2000", (_J2K, _J2K_2)),
    TransferSyntax("1.2.840.10008.1.2.4.110", "JPEG XL Lossless", (_JPEGXL,)),
    TransferSyntax("1.2.840.10008.1.2.4.111", "JPEG XL JPEG Recompression", (_JPEGXL,)),
    TransferSyntax("1.2.840.10008.1.2.4.112", "JPEG XL", (_JPEGXL,)),
    TransferSyntax("1.2.840.10008.1.2.4.201", "HTJ2K Lossless", (_HTJ2K, _J2K, _J2K_2)),
    TransferSyntax("1.2.840.10008.1.2.4.202", "HTJ2K Lossless RPCL", (_HTJ2K, _J2K, _J2K_2)),
    TransferSyntax("1.2.840.10008.1.2.4.203", "HTJ2K", (_HTJ2K_LOSSY, _J2K_2)),
    TransferSyntax("1.2.840.10008.1.2.8.1", "Deflated Image Frame Compression", (_DEFLATED,)),
)
TABLE: Mapping[str, TransferSyntax] = MappingProxyType({row.uid: row for row in _ROWS})


decoder_plug_ins = DecoderPlugIns()
"""Decoders beyond the table; `register_decoder` fills it, and other distributions do."""


def transfer_syntaxes() -> tuple[TransferSyntax, ...]:
    """Every transfer syntax of the table, in its order."""
    return tuple(TABLE.values())


def all_transfer_syntaxes() -> tuple[TransferSyntax, ...]:
    """As `transfer_syntaxes`, with what was registered and what other distributions bring."""
    others = [uid for uid in decoder_plug_ins.uids() if uid not in TABLE]
    rows = [_row(uid) for uid in (*TABLE, *others)]
    return tuple(_joined(row, decoder_plug_ins.of_others(row.uid)) for row in rows if row is not None)


def decoder_names() -> frozenset[str]:
    """What `prefer` can name without a plug-in."""
    return frozenset(decoder.name for row in TABLE.values() for decoder in row.decoders)


def check_known(transfer_syntax_uid: str) -> None:
    """Refuse what no decoder decodes, installed or not.

    Raises:
        UnsupportedTransferSyntaxError: The transfer syntax is not in the table, nor in that of a plug-in.
    """
    if transfer_syntax_uid not in TABLE and _row(transfer_syntax_uid) is None:
        raise _unknown(transfer_syntax_uid)


def decoder_for(transfer_syntax_uid: str, prefer: str | Decoder | None = None) -> Decoder:
    """Choose the decoder of a transfer syntax.

    Args:
        transfer_syntax_uid: The transfer syntax of the frame.
        prefer: A decoder's name; it is taken wherever it decodes the transfer syntax, and the table's order otherwise. A
            decoder itself was chosen before, and is taken.

    Raises:
        UnsupportedTransferSyntaxError: The transfer syntax is not in the table, or what decodes it is not installed, or
            several distributions have a decoder for it and none is preferred.
        ValueError: No decoder has the name `prefer`.
    """
    if isinstance(prefer, Decoder):
        return prefer
    row = _row(transfer_syntax_uid)
    if row is None:
        raise _unknown(transfer_syntax_uid)
    preferred = _named(row, prefer) if prefer else None
    decoder = _first(row) if preferred is None else preferred
    if decoder is None or (decoder is preferred and not decoder.available):
        missing = (decoder or row.decoders[0]).install
        raise UnsupportedTransferSyntaxError(
            f"{row.name} ({row.uid}) needs a decoder that is not installed: pip install {missing}",
            transfer_syntax_uid=transfer_syntax_uid,
        )
    return decoder


def checked_name(name: str | None) -> str | None:
    """The name of a decoder, or `None`.

    Raises:
        ValueError: No decoder of the table, or of a plug-in, has that name.
    """
    if name is None or name in decoder_names() or name in decoder_plug_ins.names():
        return name
    known = ", ".join(sorted(decoder_names() | decoder_plug_ins.names()))
    raise ValueError(f"no decoder is named {name!r}; there are {known}{decoder_plug_ins.broken_hint()}")


def _row(uid: str) -> TransferSyntax | None:
    """What there is for a transfer syntax: what was registered, else the table, else what other distributions bring."""
    row, registered = TABLE.get(uid), decoder_plug_ins.registered(uid)
    if row is not None and registered is None:
        return row
    if registered is not None:
        return _joined(registered, () if row is None else row.decoders)
    found = decoder_plug_ins.of_others(uid)
    return TransferSyntax(uid, decoder_plug_ins.name_of(uid), tuple(found)) if found else None


def _joined(row: TransferSyntax, more: Sequence[Decoder]) -> TransferSyntax:
    others = tuple(decoder for decoder in more if decoder not in row.decoders)
    return TransferSyntax(row.uid, row.name, (*row.decoders, *others)) if others else row


def _first(row: TransferSyntax) -> Decoder | None:
    """The first that is installed; which of several distributions' comes first is not for us to say."""
    decoder = row.decoder
    if decoder is None or not decoder.distribution:
        return decoder
    if len({other.distribution for other in row.decoders}) > 1:
        names = ", ".join(f"{other.name} of {other.distribution}" for other in row.decoders)
        raise UnsupportedTransferSyntaxError(
            f"several distributions decode {row.name} ({row.uid}): {names}; say which by prefer_decoder=",
            transfer_syntax_uid=row.uid,
        )
    return decoder


def _named(row: TransferSyntax, name: str) -> Decoder | None:
    found = next((decoder for decoder in row.decoders if decoder.name == name), None)
    if found is not None or name in decoder_names():
        return found
    checked_name(name)
    return next((decoder for decoder in decoder_plug_ins.of_others(row.uid) if decoder.name == name), None)


def _unknown(uid: str) -> UnsupportedTransferSyntaxError:
    if not uid:
        return UnsupportedTransferSyntaxError("no transfer syntax is named, and none is guessed")
    from pydicom._uid_dict import UID_dictionary  # noqa: PLC0415 - pydicom is not imported before it is needed

    name = UID_dictionary.get(uid, (uid,))[0]  # of whatever a stranger wrote: pydicom's UID would warn
    named = uid if name == uid else f"{name} ({uid})"
    return UnsupportedTransferSyntaxError(
        f"no decoder for the transfer syntax {named}{decoder_plug_ins.broken_hint()}", transfer_syntax_uid=uid
    )
