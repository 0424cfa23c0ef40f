"""Texts in the character sets of PS3.3 C.12.1.1.2: whatever the bytes are, a text comes out, and nothing is warned of.

What cannot be decoded becomes U+FFFD, and an unknown character set is read as the default one: texts are for showing.
"""

from __future__ import annotations

import re
from functools import lru_cache

_PIECES = re.compile(rb"^[^\x1b]+|\x1b[^\x1b]*")
_CODE_EXTENSION = re.compile("ISO.2022.IR.(.*)")
_SINGLE = re.compile("ISO.IR.(.*)")


def decode_text(value: bytes, character_set: tuple[str, ...]) -> str:
    """Decode a text, code extensions included (PS3.5 section 6.1.2.5).

    Args:
        value: As it was written.
        character_set: The values of Specific Character Set; any text.
    """
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    encodings = python_encodings(character_set)
    return "".join(_piece(piece, encodings) for piece in _PIECES.findall(value))


@lru_cache(maxsize=32)
def python_encodings(character_set: tuple[str, ...]) -> tuple[str, ...]:
    """Python's names of character sets, the first of which is the one without an escape sequence."""
    from pydicom.charset import STAND_ALONE_ENCODINGS, default_encoding, python_encoding  # noqa: PLC0415 - rarely needed

    names = [_spelled(name) for name in character_set[:8]] or [""]
    if names[0] in STAND_ALONE_ENCODINGS:
        names = names[:1]
    found = [python_encoding.get(name, default_encoding) for name in names if name not in STAND_ALONE_ENCODINGS]
    return tuple(found) or (python_encoding[names[0]],)


def _spelled(name: str) -> str:
    """A name as it is defined: other separators are the common mistake."""
    if found := _CODE_EXTENSION.fullmatch(name):
        return f"ISO 2022 IR {found[1]}"
    return f"ISO_IR {found[1]}" if (found := _SINGLE.fullmatch(name)) else name


def _piece(piece: bytes, encodings: tuple[str, ...]) -> str:
    """Text up to the next escape sequence, in the encoding that its own one names."""
    from pydicom.charset import CODES_TO_ENCODINGS, default_encoding, handled_encodings  # noqa: PLC0415 - rarely needed

    if not piece.startswith(b"\x1b"):
        return piece.decode(encodings[0], "replace")
    length = 4 if piece.startswith((b"\x1b$(", b"\x1b$)")) else 3
    encoding = CODES_TO_ENCODINGS.get(piece[:length], "")
    if encoding not in (*encodings, default_encoding):
        return piece.decode(encodings[0], "replace")
    return (piece if encoding in handled_encodings else piece[length:]).decode(encoding, "replace")
