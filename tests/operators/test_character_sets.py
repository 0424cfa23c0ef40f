"""Texts in DICOM's character sets; pydicom is the oracle for what is well-formed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.charset import convert_encodings, decode_bytes, python_encoding

from cornerstream.operators.character_sets import decode_text, python_encodings

# PS3.5 annexes H, I and J: Japanese, Korean and Chinese names with code extensions
EXAMPLES = [
    (("ISO_IR 100",), "Buc^Jérôme".encode("latin-1")),
    (("ISO_IR 192",), "Wang^XiaoDong=王^小东".encode()),
    (("GB18030",), "Wang^XiaoDong=王^小东".encode("gb18030")),
    (("", "ISO 2022 IR 87"), b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"),
    (("ISO 2022 IR 13", "ISO 2022 IR 87"), b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J"),
    (("", "ISO 2022 IR 149"), b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7"),
    (("ISO 2022 IR 100", "ISO 2022 IR 144"), b"J\xe9r\x1b-L\xbb\xee\xda"),
]


@pytest.mark.parametrize(("character_set", "value"), EXAMPLES)
def test_texts_are_pydicoms(character_set: tuple[str, ...], value: bytes) -> None:
    text = decode_text(value, character_set)
    assert text == decode_bytes(value, convert_encodings(list(character_set)), set())
    assert "\ufffd" not in text


@pytest.mark.parametrize("name", ["ISO-IR 100", "ISO IR 100"])
def test_a_common_mistake_in_writing_the_name(name: str) -> None:
    assert decode_text(b"J\xe9r", (name,)) == "Jér"
    assert python_encodings(("ISO_2022_IR_87",)) == python_encodings(("ISO 2022 IR 87",))


@pytest.mark.parametrize("name", ["a\0b", "ISO_IR 999", "utf_7", "rot13", "../x", "x" * 70_000, "ISO 2022 IR \udcff"])
def test_nonsense_is_read_as_the_default(name: str) -> None:
    assert decode_text(b"plain", (name,)) == "plain"
    assert decode_text(b"J\xe9r", (name, name)) == "Jér"


def test_a_character_set_that_stands_alone_allows_no_other() -> None:
    assert python_encodings(("ISO_IR 192", "ISO 2022 IR 87")) == ("UTF8",)
    assert python_encodings(("", "ISO_IR 192")) == ("iso8859",)


NAMES = st.lists(st.one_of(st.sampled_from(sorted(python_encoding)), st.text(max_size=20)), max_size=4)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=20), st.sampled_from([b"\x1b$B", b"\x1b(B", b"\x1b$)C"]))), NAMES)
def test_any_bytes_in_any_character_set_are_a_text(pieces: list[bytes], names: list[str]) -> None:
    assert isinstance(decode_text(b"".join(pieces), tuple(names)), str)
