"""The decoder table: which decoder decodes which transfer syntax, in what order of preference, and why.

To add a codec: write a function from `EncodedFrame` to `DecodedFrame` in `operators/codecs/`, and a row here. One decoder
is chosen before decoding, by preference and by what is installed; another one is never tried behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING

from cornerstream.images.errors import UnsupportedTransferSyntaxError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cornerstream.images.frames import DecodedFrame, EncodedFrame

_CODECS = "cornerstream.operators.codecs."


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """One row: a function, what it needs, and what is known about it.

    Attributes:
        name: What `prefer` selects it by.
        function: `module:function`; called with an `EncodedFrame`, on a worker.
        module: What must be importable; empty if nothing beyond the base needs be.
        install: What to install where that is missing.
        releases_gil: Threads beside the event loop go on while it decodes.
        crash_safe: Corrupt input was never seen to crash or hang it, behind the guards of `operators/codecs`: from
            1,300 damaged frames of the simplest to 37,000 of JPEG-LS (`tests/hostile/test_damaged_codestreams.py` has a few hundred of each).
            It is no promise: what must survive any frame decodes in processes.
        reason: Why it stands where it stands.
    """

    name: str
    function: str
    module: str = ""
    install: str = ""
    releases_gil: bool = True
    crash_safe: bool = True
    reason: str = ""

    @property
    def available(self) -> bool:
        """Everything it needs is installed."""
        return not self.module or _importable(self.module)

    def load(self) -> Callable[[EncodedFrame], DecodedFrame]:
        """Import the function."""
        module, _, name = self.function.partition(":")
        function: Callable[[EncodedFrame], DecodedFrame] = getattr(import_module(module), name)
        return function


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """One transfer syntax and its decoders, the preferred one first."""

    uid: str
    name: str
    decoders: tuple[Decoder, ...]

    @property
    def decoder(self) -> Decoder | None:
        """The decoder that is chosen when none is asked for; `None` where none is installed."""
        return next((decoder for decoder in self.decoders if decoder.available), None)

    @property
    def available(self) -> bool:
        """A decoder is installed."""
        return self.decoder is not None

    @property
    def install(self) -> str:
        """What to install for the preferred decoder."""
        return self.decoders[0].install


def _imagecodecs(codec: str, function: str, reason: str, name: str = "imagecodecs") -> Decoder:
    return Decoder(
        name=name, function=_CODECS + function, module=f"imagecodecs.{codec}", install="imagecodecs", reason=reason
    )


NATIVE = "numpy"
_NATIVE = Decoder(name=NATIVE, function=f"{_CODECS}native:decode_native", reason="nothing to decode")
_RLE = _imagecodecs("_imcd", "rle:decode_rle", "as fast as pylibjpeg-rle, releases the lock, checks every segment")
_RLE_2 = Decoder(
    name="pylibjpeg-rle",
    function=f"{_CODECS}rle:decode_pylibjpeg_rle",
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
    function=f"{_CODECS}jpeg2000:decode_openjpeg",
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
    name="zlib", function=f"{_CODECS}deflated_frame:decode_deflated_frame", reason="standard library, output bounded"
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


def transfer_syntaxes() -> tuple[TransferSyntax, ...]:
    """Every transfer syntax of the table, in its order."""
    return tuple(TABLE.values())


def decoder_names() -> frozenset[str]:
    """What `prefer` can name."""
    return frozenset(decoder.name for row in TABLE.values() for decoder in row.decoders)


def check_known(transfer_syntax_uid: str) -> None:
    """Refuse what no decoder of the table decodes, installed or not.

    Raises:
        UnsupportedTransferSyntaxError: The transfer syntax is not in the table.
    """
    if transfer_syntax_uid not in TABLE:
        raise _unknown(transfer_syntax_uid)


def decoder_for(transfer_syntax_uid: str, prefer: str | None = None) -> Decoder:
    """Choose the decoder of a transfer syntax.

    Args:
        transfer_syntax_uid: The transfer syntax of the frame.
        prefer: A decoder's name; it is taken wherever it decodes the transfer syntax, and the table's order otherwise.

    Raises:
        UnsupportedTransferSyntaxError: The transfer syntax is not in the table, or what decodes it is not installed.
        ValueError: No decoder of the table has the name `prefer`.
    """
    check_known(transfer_syntax_uid)
    row = TABLE[transfer_syntax_uid]
    preferred = next(_named(row, prefer), None) if prefer else None
    decoder = row.decoder if preferred is None else preferred
    if decoder is None or not decoder.available:
        missing = (decoder or row.decoders[0]).install
        raise UnsupportedTransferSyntaxError(
            f"{row.name} ({row.uid}) needs a decoder that is not installed: pip install {missing}",
            transfer_syntax_uid=transfer_syntax_uid,
        )
    return decoder


def checked_name(name: str | None) -> str | None:
    """The name of a decoder, or `None`.

    Raises:
        ValueError: No decoder of the table has that name.
    """
    if name is not None and name not in decoder_names():
        raise ValueError(f"no decoder is named {name!r}; there are {', '.join(sorted(decoder_names()))}")
    return name


def _named(row: TransferSyntax, name: str) -> Iterator[Decoder]:
    checked_name(name)
    return (decoder for decoder in row.decoders if decoder.name == name)


def _unknown(uid: str) -> UnsupportedTransferSyntaxError:
    if not uid:
        return UnsupportedTransferSyntaxError("no transfer syntax is named, and none is guessed")
    from pydicom._uid_dict import UID_dictionary  # noqa: PLC0415 - pydicom is not imported before it is needed

    name = UID_dictionary.get(uid, (uid,))[0]  # of whatever a stranger wrote: pydicom's UID would warn
    named = uid if name == uid else f"{name} ({uid})"
    return UnsupportedTransferSyntaxError(f"no decoder for the transfer syntax {named}", transfer_syntax_uid=uid)


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package above the module is missing
        return False
