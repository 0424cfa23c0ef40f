"""Every real file by every route: right pixels, values, colours and attributes, or the right error.

All frames are compared by all routes. What `expected.json` says of a file is compared by its own rules; display values are
compared with pydicom (see `display.py`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from cornerstream.images.errors import HttpStatusError, ImageLoadError
from cornerstream.images.image import Image
from tests.corpus.attributes import attribute_faults
from tests.corpus.display import display_faults, ways_to_show
from tests.corpus.files import CorpusFile, corpus_files, each_file
from tests.corpus.pixels import image_faults, modality_faults
from tests.corpus.report import Report, Row
from tests.corpus.served import ROUTES, Served

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cornerstream.session import Session
    from tests.corpus.display import Way

    Found = list[Image] | ImageLoadError | None
    Outcomes = Mapping[tuple[str, str], Image | ImageLoadError | None]

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),
]

NO_ADDRESS = "no UIDs, so no address"
# Its first byte is a stray space, so that no tag is where it should be; every reader finds one unknown element in it.
NOT_DICOM = "dicom/pydicom__no_meta.dcm"


@each_file(lambda file: file.has_pixels)
async def test_images(file: CorpusFile, served: Served, session: Session, report: Report) -> None:
    by_route = {route: await frames(file, route, served, session) for route in ROUTES}
    rows = await asyncio.to_thread(rows_of, file, by_route)
    for row in rows:
        report.add(row)
    assert [(row.route, fault) for row in rows for fault in row.faults] == []


@each_file(lambda file: file.category == "no-image")
async def test_no_pixel_data(file: CorpusFile, refused: Outcomes, report: Report) -> None:
    wanted = "not a DICOM file" if file.name == NOT_DICOM else "no pixel data"
    for route in ROUTES:
        outcome = refused[file.name, route]
        if outcome is None:
            report.add(Row(file, route, NO_ADDRESS))
            continue
        faults = () if wanted in str(outcome) else (f"not refused so, but {outcome!r}",)
        report.add(Row(file, route, f'refused: "{wanted}"', faults))
        assert faults == ()


@each_file(lambda file: file.category == "malformed")
async def test_malformed(file: CorpusFile, refused: Outcomes, report: Report) -> None:
    """Each is refused; only bytes changed inside of a codestream may give a picture, which has the right shape."""
    for route in ROUTES:
        outcome = refused[file.name, route]
        faults = malformed_faults(file, route, outcome)
        what = f"refused: {type(outcome).__name__}" if outcome else NO_ADDRESS
        report.add(Row(file, route, "a picture of the right shape" if isinstance(outcome, Image) else what, faults))
        assert faults == ()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def refused(served: Served, session: Session) -> Outcomes:
    """What became of the first frame of every file that is no image, by file and route; `None` without an address.

    All at once, since a truncated answer is asked for again after a while.
    """

    async def outcome(file: CorpusFile, route: str) -> Image | ImageLoadError | None:
        image_id = served.image_id(file, route, 1)
        try:
            return await session.load(image_id) if image_id else None
        except ImageLoadError as error:
            return error

    places = [(file, route) for file in corpus_files() if not file.has_pixels for route in ROUTES]
    found = await asyncio.gather(*[outcome(file, route) for file, route in places])
    return {(file.name, route): one for (file, route), one in zip(places, found, strict=True)}


async def frames(file: CorpusFile, route: str, served: Served, session: Session) -> Found:
    """All frames of a file, or the error that one of them ends in; `None` where the route has no address for it."""
    image_ids = [served.image_id(file, route, number + 1) for number in range(file.number_of_frames)]
    if image_ids[0] is None:
        return None
    try:
        return await asyncio.gather(*[session.load(image_id) for image_id in image_ids if image_id])
    except ImageLoadError as error:
        return error


def rows_of(file: CorpusFile, by_route: Mapping[str, Found]) -> list[Row]:
    """A row a route; how the frames look is worked out once, which takes longest."""
    ways = [
        ways_to_show(file, image) for image in next((one for one in by_route.values() if isinstance(one, list)), [])
    ]
    return [row_of(file, route, found, ways) for route, found in by_route.items()]


def row_of(file: CorpusFile, route: str, found: Found, ways: list[list[Way]]) -> Row:
    """What was compared by one route, and what was wrong."""
    if found is None:
        return Row(file, route, NO_ADDRESS)
    if isinstance(found, ImageLoadError):
        return Row(file, route, "nothing", (f"{type(found).__name__}: {found.message}",))
    return Row(file, route, compared(file), tuple(faults_of(file, found, ways)))


def faults_of(file: CorpusFile, images: list[Image], ways: list[list[Way]]) -> list[str]:
    """All that is wrong with the frames of a file."""
    faults = modality_faults(file, images)
    for image, shown in zip(images, ways, strict=True):
        found = [*image_faults(file, image), *attribute_faults(file, image), *display_faults(image, shown)]
        faults += [f"frame {image.frame_number}: {fault}" for fault in found]
    return faults


def compared(file: CorpusFile) -> str:
    pixels = "RGB" if file.is_colour else "stored and modality values"
    count = "" if file.number_of_frames == 1 else f" of {file.number_of_frames} frames"
    return f"{pixels}, attributes, display{count}"


def malformed_faults(file: CorpusFile, route: str, outcome: Image | ImageLoadError | None) -> tuple[str, ...]:
    if isinstance(outcome, Image):
        header = file.header()
        if not file.facts["expect"].startswith("corrupt codestream"):
            return ("not refused",)
        return () if outcome.pixels.shape[:2] == (header.Rows, header.Columns) else ("of another shape",)
    if isinstance(outcome, HttpStatusError) and route != "wadors":  # a server must refuse a file it cannot split
        return (f"refused by the server: {outcome.message}",)
    return ()
