"""Every real PNG and JPEG by every route: right samples, alpha, colours and orientation, or the right error."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image as Pillow
from PIL import ImageOps

from cornerstream.images.errors import DecodeError, FetchError, ImageLoadError, SplitError
from cornerstream.operators.web_image import open_web
from cornerstream.operators.web_png import PngPage
from tests.corpus.files import CorpusFile
from tests.corpus.report import Report, Row
from tests.support.corpus import corpus_root, expected
from tests.support.raw_server import ok, raw_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from numpy.typing import NDArray

    from cornerstream.images.image import Image
    from cornerstream.session import Session

pytestmark = pytest.mark.corpus

ROUTES = ("http", "web")
# What the corpus calls a picture and is refused here, and why.
REFUSED = {
    "pngsuite__xcsn0g01.png": (
        "SplitError",
        "a chunk's checksum is wrong: libpng refuses it too, and a picture of it is luck",
    ),
    "zune-image__small-img.jpg": (
        "DecodeError",
        "1,216 bits of scan for 1,708 blocks: libjpeg invents what is missing, two other decoders refuse",
    ),
}


def facts_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What the report's line shows of a file."""
    kinds = {0: "grey", 2: "RGB", 3: "palette", 4: "grey and alpha", 6: "RGB and alpha"}
    depth = entry.get("bit_depth", 8)
    kind = kinds.get(entry.get("color_type", -1)) or entry.get("pixels", {}).get("mode")
    return {**entry, "transfer_syntax": entry["format"].upper(), "photometric": kind, "bits_stored": depth,
            "bits_allocated": depth}  # fmt: skip


FILES = [CorpusFile(f"web/{name}", facts_of(entry)) for name, entry in expected("web")["files"].items()]
EACH = pytest.mark.parametrize("file", FILES, ids=lambda file: file.short_name)


@asynccontextmanager
async def served_files() -> AsyncIterator[str]:
    """The folder over HTTP; the origin."""
    root = corpus_root() / "web"

    def answer(target: str) -> tuple[bytes]:
        kind = "png" if target.endswith(".png") else "jpeg"
        return (ok((root / target[1:]).read_bytes(), f"Content-Type: image/{kind}"),)

    async with raw_server(choose=answer) as server:
        yield server.origin


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(session: Session) -> dict[tuple[str, str], Image | ImageLoadError]:
    """What became of every file, by route; all at once, since what is cut is asked for again after a while."""

    async def outcome(image_id: str) -> Image | ImageLoadError:
        try:
            return await session.load(image_id)
        except ImageLoadError as error:
            return error

    async with served_files() as origin:
        places = {"http": f"{origin}/", "web": f"web:{corpus_root() / 'web'}/"}
        wanted = [(file.name, route) for file in FILES for route in ROUTES]
        found = await asyncio.gather(*[outcome(places[route] + name.partition("/")[2]) for name, route in wanted])
    return dict(zip(wanted, found, strict=True))


def test_every_file_has_expectations() -> None:
    here = {path.name for path in (corpus_root() / "web").iterdir() if path.suffix in (".png", ".jpg")}
    assert here == {file.short_name for file in FILES}
    assert len(FILES) == 148
    assert set(REFUSED) <= here


@EACH
@pytest.mark.asyncio(loop_scope="module")
async def test_web_images(
    file: CorpusFile, outcomes: dict[tuple[str, str], Image | ImageLoadError], report: Report
) -> None:
    for route in ROUTES:
        row = row_of(file, route, outcomes[file.name, route])
        report.add(row)
        assert row.faults == ()


def row_of(file: CorpusFile, route: str, found: Image | ImageLoadError) -> Row:
    """What was compared by one route, and what was wrong."""
    is_refused = file.category == "malformed" or file.short_name in REFUSED
    if isinstance(found, ImageLoadError):
        kind, reason = REFUSED.get(file.short_name, (type(found).__name__, ""))
        right = is_refused and type(found).__name__ == kind and isinstance(found, SplitError | DecodeError | FetchError)
        faults = () if right else (f"{type(found).__name__}: {found.message}",)
        return Row(file, route, f"refused: {type(found).__name__}{': ' * bool(reason)}{reason}", faults)
    if is_refused:
        return Row(file, route, "nothing", ("not refused",))
    if file.facts["format"] == "png":
        return Row(file, route, "samples, RGBA, display", tuple(png_faults(file, found)))
    return Row(file, route, "RGB" if found.pixels.ndim == 3 else "grey", tuple(jpeg_faults(file, found)))


def png_faults(file: CorpusFile, image: Image) -> list[str]:
    """By the corpus' own definitions: samples as in the file, and expanded to RGBA."""
    body = file.path.read_bytes()
    page = open_web(body).pages[0].codec
    assert isinstance(page, PngPage)
    faults = [] if is_same(page.samples(body), file.facts["native"]) else ["samples differ"]
    if not is_same(rgba(image), file.facts["rgba"]):
        faults.append("RGBA differs")
    shown = image.to_display()
    if not np.array_equal(shown if shown.ndim == 3 else np.repeat(shown[..., None], 3, -1), eight_bits(image)):
        faults.append("display differs")
    return faults


def rgba(image: Image) -> NDArray[Any]:
    """Grey repeated, low depths scaled to 8 bits, opaque where there is no alpha channel."""
    largest = (1 << image.bits_stored) - 1
    colours = image.pixels if image.pixels.ndim == 3 else np.repeat(image.pixels[..., None], 3, axis=-1)
    alpha = np.full(image.pixels.shape[:2], largest, image.pixels.dtype) if image.alpha is None else image.alpha
    both: NDArray[Any] = np.dstack((colours, alpha))
    return both * np.uint8(255 // largest) if image.bits_stored < 8 else both


def eight_bits(image: Image) -> NDArray[Any]:
    """What a screen shows: grey of 16 bits scaled to the nearest, colour by its high byte."""
    found = rgba(image)[..., :3]
    if found.dtype == np.uint8:
        return found
    return np.rint(found / 257).astype(np.uint8) if image.pixels.ndim == 2 else (found >> 8).astype(np.uint8)


def jpeg_faults(file: CorpusFile, image: Image) -> list[str]:
    """The same bytes as the corpus' reference, or within its tolerance of Pillow's picture, the right way up."""
    facts = file.facts
    if is_same(image.pixels, facts.get("oriented") or facts.get("rgb_naive") or facts["pixels"]):
        return []
    with Pillow.open(BytesIO(file.path.read_bytes())) as picture:
        reference = np.asarray(ImageOps.exif_transpose(picture).convert("L" if image.pixels.ndim == 2 else "RGB"))
    if reference.shape != image.pixels.shape:
        return [f"of shape {image.pixels.shape}, not {reference.shape}"]
    apart = np.abs(reference.astype(int) - image.pixels)
    close = apart.max() <= facts["tolerance"]["max_abs"] and apart.mean() <= facts["tolerance"]["mean_abs"]
    return [] if close else [f"up to {apart.max()} from the reference"]


def is_same(found: NDArray[Any], facts: Mapping[str, Any]) -> bool:
    little = np.ascontiguousarray(found).astype(found.dtype.newbyteorder("<"))
    right = list(found.shape) == facts.get("shape", list(found.shape))
    return bool(right and hashlib.sha256(little.tobytes()).hexdigest() == facts["sha256"])
