"""DICOM JSON that is wrong, odd or huge: a typed error that names the image, or metadata without what is junk."""

from __future__ import annotations

import json
import pickle
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cornerstream.images.errors import DecodeError, FetchError, ImageLoadError, LimitError, SplitError
from cornerstream.images.limits import Limits
from cornerstream.operators.dicom_json import parse_instances
from cornerstream.operators.keywords import ATTRIBUTES
from cornerstream.operators.metadata import read_json
from cornerstream.operators.read_metadata import instances_of
from cornerstream.session import Session
from tests.support.hostile import DATA_SET, PIXELS, Instance, serving, without_retries
from tests.support.leaks import nothing_left
from tests.support.raw_server import Step, chunked, head, ok, raw_server

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

GOOD = json.dumps([DATA_SET]).encode()


@pytest.fixture
async def instance(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Instance, None]:
    without_retries(monkeypatch)
    async with nothing_left(), serving(Instance()) as instance:
        yield instance


def described(tag: str, member: str) -> bytes:
    """The good data set with one member more, or another one, written as it is given."""
    return GOOD[:-2] + f', "{tag}": {member}}}]'.encode()


def nested(depth: int) -> bytes:
    """Sequences in sequences."""
    inner = '{"00081115": {"vr": "SQ", "Value": [' * depth + "{}" + "]}}" * depth
    return described("00081140", f'{{"vr": "SQ", "Value": [{inner}]}}')


# ---- what is refused


ROWS, PIXEL_DATA, WINDOW = "00280010", "7FE00010", "00281050"
REFUSED: dict[str, tuple[bytes, type[ImageLoadError]]] = {
    "depth 65": (nested(65), LimitError),
    "depth 10,000": (nested(10_000), LimitError),
    "10,000 arrays": (b"[" * 10_000, LimitError),
    "10,000 arrays, closed": (b"[" * 10_000 + b"]" * 10_000, LimitError),
    "10,000 objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, LimitError),
    "700 arrays in a value": (described("00080060", f'{{"vr": "CS", "Value": {"[" * 700 + "]" * 700}}}'), LimitError),
    "a million digits": (described(WINDOW, f'{{"vr": "DS", "Value": [{"9" * 1_000_000}]}}'), SplitError),
    "UTF-16": (json.dumps([DATA_SET]).encode("utf-16"), SplitError),
    "UTF-32": (json.dumps([DATA_SET]).encode("utf-32"), SplitError),
    "Latin-1": (described("0008103E", '{"vr": "LO", "Value": ["ä"]}').decode().encode("latin-1"), SplitError),
    "surrogates in UTF-8": (described("0008103E", '{"vr": "LO", "Value": ["x"]}').replace(b'"x"', b'"\xed\xa0\x80"'), SplitError),
    "a quote too few": (GOOD.replace(b'"', b"", 1), SplitError),
    "a comma too many": (GOOD[:-1] + b",]", SplitError),
    "two answers": (GOOD + GOOD, SplitError),
    "control characters": (GOOD.replace(b"MONO", b"MO\x01NO"), SplitError),
    "zeros": (bytes(1000), SplitError),
    "number": (b"1", SplitError),
    "null": (b"null", SplitError),
    "array of nulls": (b"[null]", SplitError),
    "text": (b'"' + b"x" * 1000 + b'"', SplitError),
    "no data set": (b"[]", SplitError),
    "two data sets": (GOOD[:-1] + b"," + GOOD[1:], SplitError),
    "no image": (b"[{}]", SplitError),
    "XML": (b"<?xml version='1.0'?><NativeDicomModel/>", SplitError),
    "rows are null": (described(ROWS, "null"), SplitError),
    "rows are true": (described(ROWS, '{"vr": "US", "Value": [true]}'), SplitError),
    "rows are an object": (described(ROWS, '{"vr": "US", "Value": [{"a": 2}]}'), SplitError),
    "rows are negative": (described(ROWS, '{"vr": "US", "Value": [-2]}'), SplitError),
    "rows are NaN": (described(ROWS, '{"vr": "US", "Value": [NaN]}'), SplitError),
    "rows are infinite": (described(ROWS, '{"vr": "US", "Value": [Infinity]}'), SplitError),
    "rows are 1e400": (described(ROWS, '{"vr": "US", "Value": [1e400]}'), SplitError),
    "rows of 4,000 digits": (described(ROWS, f'{{"vr": "US", "Value": [{"2" * 4000}]}}'), SplitError),
    "rows are many": (described(ROWS, '{"vr": "US", "Value": [65535999999]}'), LimitError),
    "frames are many": (described("00280008", '{"vr": "IS", "Value": ["2147483647"]}'), LimitError),
    "value is no array": (described(ROWS, '{"vr": "US", "Value": 2}'), SplitError),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
async def test_refused(instance: Instance, name: str) -> None:
    body, kind = REFUSED[name]
    instance.metadata = (ok(body),)
    async with Session() as session:
        with pytest.raises(kind) as caught:
            await session.load(instance.wadors)
    assert str(caught.value).startswith(instance.wadors)
    assert len(str(caught.value)) < 1000


# ---- tables behind a BulkDataURI


TABLE = '"00281201": {"vr": "OW", %s}'
COLOR = (
    GOOD.replace(b"MONOCHROME2", b"PALETTE COLOR")[:-2].decode()
    + "".join(f', "0028110{n}": {{"vr": "US", "Value": [2, 0, 16]}}' for n in (1, 2, 3))
    + "".join(f', "0028120{n}": {{"vr": "OW", "InlineBinary": "AAAAAA=="}}' for n in (2, 3))
)
PALETTES: dict[str, str] = {
    "not base64": '"InlineBinary": "***"',
    "half of base64": '"InlineBinary": "AAAAA"',
    "too short": '"InlineBinary": "AA=="',
    "base64 of non-ASCII": '"InlineBinary": "\u00e4\u00e4\u00e4\u00e4"',
    "words that are none": '"Value": [1.5, null, "x"]',
    "words that are too large": '"Value": [65536, 1]',
    "words of 4,000 digits": f'"Value": [{"9" * 4000}, 1]',
    "another origin": '"BulkDataURI": "http://127.0.0.1:9/table"',
    "another host": '"BulkDataURI": "//example.org/table"',
    "a file": '"BulkDataURI": "file:///etc/passwd"',
    "a script": '"BulkDataURI": "javascript:alert(1)"',
    "no URL": '"BulkDataURI": "http://[::1"',
    "no port": '"BulkDataURI": "http://127.0.0.1:99999999/"',
    "line ends": '"BulkDataURI": "table\\r\\nX: y"',
    "not ASCII": '"BulkDataURI": "t\u00e4ble"',
    "half a surrogate pair": '"BulkDataURI": "\\ud800"',
    "a megabyte of URL": f'"BulkDataURI": "/{"x" * (1 << 20)}"',
    "another length": '"BulkDataURI": "/table"',
}


@pytest.mark.parametrize("name", PALETTES)
async def test_palettes_refused(instance: Instance, name: str) -> None:
    instance.metadata = (ok((COLOR + f', "00281201": {{"vr": "OW", {PALETTES[name]}}}}}]').encode()),)
    instance.file = (ok(b"nothing", "Content-Type: application/octet-stream"),)
    async with Session() as session:
        with pytest.raises(ImageLoadError) as caught:
            await session.load(instance.wadors)
    assert str(caught.value).startswith(instance.wadors)
    assert len(str(caught.value)) < 2000
    asked = [target for target in instance.server.targets if not target.startswith("/studies")]
    assert len(asked) <= 1
    assert not any(b"Authorization" in top for top in instance.server.heads)


@pytest.mark.parametrize(
    "uri", ["/table", "../../../../../../table", "{origin}/table", "http://me:secret@{host}/table"]
)
async def test_a_palette_at_the_same_origin(instance: Instance, uri: str) -> None:
    uri = uri.format(origin=instance.server.origin, host=instance.server.origin.partition("//")[2])
    instance.metadata = (ok((COLOR + f', "00281201": {{"vr": "OW", "BulkDataURI": "{uri}"}}}}]').encode()),)
    instance.file = (ok(bytes(4), "Content-Type: application/octet-stream"),)
    async with Session() as session:
        assert (await session.load(instance.wadors)).pixels.shape == (2, 4, 3)
    assert not any(b"uthorization" in top for top in instance.server.heads)  # the server's own user information


async def test_another_origin_is_not_asked(instance: Instance) -> None:
    async with raw_server((ok(bytes(4), "Content-Type: application/octet-stream"),)) as other:
        table = f', "00281201": {{"vr": "OW", "BulkDataURI": "{other.url("/table")}"}}}}]'
        instance.metadata = (ok((COLOR + table).encode()),)
        async with Session() as session:
            with pytest.raises(FetchError, match="another origin") as caught:
                await session.load(instance.wadors)
        assert str(caught.value).startswith(instance.wadors)
        assert other.heads == []


async def test_tables_without_end(instance: Instance) -> None:
    """Each would be a request, and a table may be as long as metadata may be, not as a frame."""
    item = '{"00283006": {"vr": "OW", "BulkDataURI": "/table"}}'
    many = described("00283010", f'{{"vr": "SQ", "Value": [{",".join([item] * 257)}]}}')
    instance.metadata = (ok(many),)
    async with Session() as session:
        with pytest.raises(LimitError, match="references") as caught:
            await session.load(instance.wadors)
    assert str(caught.value).startswith(instance.wadors)
    assert "/table" not in instance.server.targets
    instance.metadata = (ok(described("00283010", f'{{"vr": "SQ", "Value": [{item}]}}')),)
    instance.file = (head(200, "Content-Type: application/octet-stream"), Step.REPEAT, bytes(1 << 16))
    async with Session(limits=Limits(metadata_bytes=1 << 20)) as session:
        with pytest.raises(LimitError, match="part_bytes=1048576"):
            await session.load(instance.wadors)


# ---- what is taken as it is


ACCEPTED: dict[str, bytes] = {
    "depth 60": nested(60),
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "a data set alone": GOOD[1:-1],
    "names twice": described(ROWS, '{"vr": "US", "Value": [2]}'),
    "no vr": GOOD.replace(b'"vr": "US", ', b""),
    "another vr": GOOD.replace(b'"vr": "US"', b'"vr": "PN"'),
    "vr is a number": GOOD.replace(b'"vr": "US"', b'"vr": 7'),
    "numbers as texts": GOOD.replace(b"[2]", b'["2"]').replace(b"[4]", b'[" 4 "]'),
    "numbers as floats": GOOD.replace(b"[2]", b"[2.0]").replace(b"[8]", b"[8e0]"),
    "NaN": described(WINDOW, '{"vr": "DS", "Value": [NaN, -Infinity]}'),
    "4,000 digits": described(WINDOW, f'{{"vr": "DS", "Value": [{"9" * 4000}]}}'),
    "half a surrogate pair": described("0008103E", '{"vr": "LO", "Value": ["a\\ud800b"]}'),
    "junk beside": described("00081115", '["x", {"a": [null]}]'),
    "a value of another type": described("00080060", '{"vr": "CS", "Value": [{"Alphabetic": "x"}]}'),
    "a million values": described("00081115", f'{{"vr": "DS", "Value": [{",".join("1" * 1_000_000)}]}}'),
    "an item that is none": described("00283010", '{"vr": "SQ", "Value": [7, null, "x", []]}'),
    "pixels elsewhere": described(PIXEL_DATA, '{"vr": "OW", "BulkDataURI": "http://127.0.0.1:9/pixels"}'),
}


@pytest.mark.parametrize("name", ACCEPTED)
async def test_accepted(instance: Instance, name: str) -> None:
    instance.metadata = (ok(ACCEPTED[name]),)
    async with Session() as session:
        image = await session.load(instance.wadors)
    assert image.pixels.tobytes() == PIXELS
    assert pickle.loads(pickle.dumps(image)).series_description.encode().decode() == image.series_description


def test_surrogates() -> None:
    text = r'[{"a": "\ud83d\ude00 \uD83D \\ud800 \\\udc00 \ud800\ud83d\ude00 \ude00\ud83d"}]'
    (found,) = parse_instances(text.encode())
    assert found == {"a": "\U0001f600 \ufffd \\ud800 \\\ufffd \ufffd\U0001f600 \ufffd\ufffd"}


# ---- listings


@pytest.mark.parametrize("body", [REFUSED["depth 10,000"][0], REFUSED["UTF-16"][0], b"1", chunked(b"x")])
async def test_a_listing(instance: Instance, body: bytes) -> None:
    for instance.series, instance.metadata in (((ok(body),), Instance().metadata), (Instance().series, (ok(body),))):
        async with Session() as session:
            with pytest.raises((SplitError, LimitError)):
                await session.study(instance.server.origin, "1")


@pytest.mark.parametrize("uid", ["\\ud800", "../../x", "\\u0000", "ä", "", "1\\r\\nX: y"])
async def test_a_listing_of_strange_uids(instance: Instance, uid: str) -> None:
    instance.series = (ok(f'[{{"0020000E": {{"vr": "UI", "Value": ["{uid}"]}}}}]'.encode()),)
    instance.metadata = (ok(GOOD.replace(b'["3"]', f'["{uid}"]'.encode())),)
    async with Session() as session:
        (series,) = await session.study(instance.server.origin, "1")
        with pytest.raises(ImageLoadError):
            await session.load(series[0])
    assert all(target.startswith("/studies/1/series") for target in instance.server.targets)


# ---- whatever else


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("AAAA") | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["vr", "Value", "00283006"]), inner),
    max_leaves=6,
)
members = json_values | st.fixed_dictionaries(
    {"Value": json_values | st.lists(json_values, max_size=4)},
    optional={
        "vr": st.sampled_from(["SQ", "US", "OW", "DS", "??"]),
        "InlineBinary": json_values,
        "BulkDataURI": json_values,
    },
)
TAGS = [f"{tag:08X}" for tag, _ in ATTRIBUTES.values() if tag < 0x60020000 or tag > 0x60FF0000]
COLORED = json.loads(COLOR + "}]")[0] | {"00281201": {"vr": "OW", "InlineBinary": "AAAAAA=="}}


@settings(max_examples=250, deadline=None)
@given(st.dictionaries(st.sampled_from(TAGS), members, min_size=1, max_size=3), st.sampled_from([DATA_SET, COLORED]))
@example({"60003000": {"Value": [], "InlineBinary": "\x80"}}, DATA_SET)  # no base64, and not even ASCII
def test_any_value_of_any_attribute(changes: dict[str, Any], base: dict[str, Any]) -> None:
    data_set = base | changes
    try:
        found = read_json(data_set)
        pickle.dumps(found.frame(1))
        assert found.nbytes > 0
    except ImageLoadError:
        pass
    assert len(instances_of(json.dumps([data_set]).encode())) <= 1


@pytest.mark.parametrize("first", [-1e300, float("nan"), 10**400, 65537, "x"])
def test_a_table_begins_at_a_stored_value(first: object) -> None:
    item = {"00283002": {"vr": "US", "Value": [2, first, 16]}, "00283006": {"vr": "OW", "InlineBinary": "AAAAAA=="}}
    with pytest.raises(DecodeError):
        read_json(DATA_SET | {"00283000": {"vr": "SQ", "Value": [item]}})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e300, 10**400, None, "2", [], {}, True, -1, 1.5])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_descriptors_of_tables(value: object, index: int) -> None:
    descriptor: list[object] = [2, 0, 16]
    descriptor[index] = value
    for tag in ("00281101", "00281102", "00281103"):
        with suppress(ImageLoadError):
            read_json(COLORED | {tag: {"vr": "US", "Value": descriptor}})
    item = {"00283002": {"vr": "US", "Value": descriptor}, "00283006": {"vr": "OW", "InlineBinary": "AAAAAA=="}}
    with suppress(ImageLoadError):
        read_json(DATA_SET | {"00283000": {"vr": "SQ", "Value": [item]}})


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=100)
    | st.lists(st.sampled_from([b"[", b"{", b"}", b"]", b'"', b":", b",", b"1", b"\\u", b"d800"])).map(b"".join)
)
def test_any_bytes(body: bytes) -> None:
    with suppress(SplitError, LimitError):
        assert all(isinstance(one, dict) for one in parse_instances(body))


def test_deep_objects() -> None:
    """What never was text: parsed objects nested 10,000 deep, in sequences and in values of every attribute."""
    value: Any = []
    item: Any = {}
    for _ in range(10_000):
        value = [value]
        item = {"00081115": {"vr": "SQ", "Value": [item]}}
    found = []
    for tag in TAGS:
        for member in ({"vr": "SQ", "Value": [item]}, {"vr": "DS", "Value": [value]}, {"Value": value}, value):
            try:
                read_json(DATA_SET | {tag: member})
            except (LimitError, SplitError) as error:
                found.append(type(error))
    assert found.count(LimitError) == len(TAGS)
