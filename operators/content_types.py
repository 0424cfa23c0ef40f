"""Which transfer syntax a part of a WADO-RS response is encoded in (PS3.18 sections 8.7.3.3 and 8.7.3.4).

The part's own Content-Type decides; where it is silent, what its media type, the stored transfer syntax and the
codestream itself leave as the only possibility. Where they leave none, or two, it is an error: nothing is guessed.

=======================================  ===========================================================================
Content-Type of the part                 transfer syntax
=======================================  ===========================================================================
any, with `transfer-syntax`              that one; it has to be one that the media type may carry
`image/…` alone                          the stored one, if the media type may carry it and the codestream agrees;
                                         else what the codestream says of itself
`application/octet-stream` alone         the stored one if it is compressed and the bytes begin like it; Explicit VR
                                         Little Endian (the default of section 8.7.3.4) as `octet_stream_syntax` says
=======================================  ===========================================================================

Implicit VR and Big Endian are never sent by DICOMweb (section 8.7.3), so an octet-stream of an instance that is stored
so is Explicit VR Little Endian as well.
"""

from __future__ import annotations

from cornerstream.images.errors import SplitError, UnsupportedTransferSyntaxError
from cornerstream.operators.codestreams import (
    HTJ2K,
    JPEG,
    JPEG_2000,
    JPEG_LS,
    JPEG_XL,
    RLE,
    codestream_transfer_syntaxes,
    family_of,
)
from cornerstream.operators.media_types import parse_content_type

EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"

_NATIVE = frozenset(
    {
        "1.2.840.10008.1.2",
        EXPLICIT_VR_LITTLE_ENDIAN,
        "1.2.840.10008.1.2.2",
        "1.2.840.10008.1.2.1.98",
        "1.2.840.10008.1.2.1.99",
    }
)
_OCTETS = "application/octet-stream"

MEDIA_TYPES: dict[str, frozenset[str]] = {
    # PS3.18 table 8.7.3-5; the x- names are those of its editions before 2017.
    "image/jpeg": JPEG,
    "image/jls": JPEG_LS,
    "image/x-jls": JPEG_LS,
    "image/jp2": JPEG_2000,
    "image/jpx": JPEG_2000,
    "image/jphc": HTJ2K,
    "image/jxl": JPEG_XL,
    "image/dicom-rle": RLE,
    "image/x-dicom-rle": RLE,
}
"""The transfer syntaxes that each media type of a frame may carry, apart from application/octet-stream."""


def transfer_syntax_of(content_type: str, stored: str = "", data: bytes = b"", native_bytes: int | None = None) -> str:
    """The transfer syntax of a frame that came as a part of a response.

    Args:
        content_type: The part's Content-Type field.
        stored: The transfer syntax that the metadata names; empty if they name none.
        data: The frame's bytes, or at least all of its codestream's header.
        native_bytes: Length of the frame if it were uncompressed, in bytes; `None` if that is not known.

    Raises:
        UnsupportedTransferSyntaxError: The media type is missing or unknown, Content-Type and bytes contradict each
            other, or nothing says how the bytes are encoded.
    """
    try:
        parsed = parse_content_type(content_type)
    except SplitError as error:
        raise UnsupportedTransferSyntaxError(
            f"{error.message}: nothing says how the frame is encoded", transfer_syntax_uid=stored
        ) from error
    family = MEDIA_TYPES.get(parsed.media_type)
    if family is None and parsed.media_type != _OCTETS:
        raise UnsupportedTransferSyntaxError(
            f"{parsed.media_type} is not a media type of frames (PS3.18 section 8.7.3.3)"
        )
    named = parsed.parameters.get("transfer-syntax", "").strip()
    if named and named != "*":  # `*` belongs into Accept; echoed in an answer it says nothing
        return _named(named, parsed.media_type, family)
    if family is None:
        return octet_stream_syntax(stored, data, native_bytes)
    return _of_family(parsed.media_type, family, stored, data)


def octet_stream_syntax(stored: str, data: bytes, native_bytes: int | None) -> str:
    """The transfer syntax of an application/octet-stream that does not name one.

    Servers send such parts with the stored codestream and with decompressed pixels alike. Bytes that begin like a
    codestream of the stored transfer syntax are one. Bytes that begin like no codestream at all and are as long as a
    native frame (or one byte longer, when that makes the length even) are native pixels, in the one native transfer
    syntax that DICOMweb has; so are bytes that neither the metadata nor their beginning call compressed.

    Args:
        stored: The transfer syntax that the metadata names; empty if they name none.
        data: The frame's bytes, all of them.
        native_bytes: Length of the frame if it were uncompressed; `None` if that is not known, which suffices only
            where the metadata do not call the frame compressed.

    Raises:
        UnsupportedTransferSyntaxError: The bytes are neither.
    """
    possible = codestream_transfer_syntaxes(data)
    if agreed := possible & family_of(stored):
        return stored if stored in agreed else min(agreed)
    native = native_bytes is not None and len(data) in {native_bytes, native_bytes + native_bytes % 2}
    # Native pixels may begin like a codestream by chance: where the metadata call them native too, the length is proof.
    # Where neither metadata nor bytes speak of compression, the default holds, and its decoder checks the length.
    if not possible and (native or stored in _NATIVE or not stored):
        return EXPLICIT_VR_LITTLE_ENDIAN
    if native and stored in _NATIVE:
        return EXPLICIT_VR_LITTLE_ENDIAN
    raise UnsupportedTransferSyntaxError(
        f"{_OCTETS} without a transfer-syntax, {len(data)} bytes, stored as {stored or 'nobody says what'}: neither "
        f"a codestream of it nor a native frame of {native_bytes} bytes; ask the server for a transfer-syntax in Accept",
        transfer_syntax_uid=stored,
    )


def _named(named: str, media_type: str, family: frozenset[str] | None) -> str:
    if family is not None and named not in family:
        raise UnsupportedTransferSyntaxError(
            f"{media_type} cannot be of transfer syntax {named}", transfer_syntax_uid=named
        )
    return named


def _of_family(media_type: str, family: frozenset[str], stored: str, data: bytes) -> str:
    possible = codestream_transfer_syntaxes(data) & family
    if stored in possible:
        return stored
    if not possible:
        raise UnsupportedTransferSyntaxError(
            f"{media_type} without a transfer-syntax, and its bytes do not begin like it", transfer_syntax_uid=stored
        )
    # Several are left only where they are decoded alike, and then the lowest describes the codestream too.
    return min(possible)
