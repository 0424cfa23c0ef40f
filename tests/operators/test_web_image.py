"""Pages to images: attributes, targets, and the case list of the operators."""

from __future__ import annotations

import asyncio
import pickle
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import reactivex as rx
from reactivex import Subject

from cornerstream.images.errors import (
    DecodeError,
    FetchError,
    ImageIdError,
    ImageLoadError,
    LimitError,
    SplitError,
    TruncatedError,
)
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.images.pixel_target import PixelTarget
from cornerstream.operators.fetch import Body
from cornerstream.operators.protocols import HttpRequest
from cornerstream.operators.web_image import WebFile, WebFrame, decode_page, decode_web, decode_web_frame, open_web
from cornerstream.operators.web_source import open_bodies, open_local
from tests.support.held_workers import HeldWorkers, collect
from tests.support.leaks import turns
from tests.support.pictures import ID, exif, grey_png, noise, png, saved, smooth

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping
    from pathlib import Path


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_is_shown_as_it_is(bits: int) -> None:
    """Not stretched to the values that happen to be there."""
    largest = (1 << bits) - 1
    samples = np.minimum(noise((5, 6, 1), bits), largest // 2)
    image = decode_web(png(samples, bits, 0), ID)
    np.testing.assert_array_equal(image.to_display(), np.rint(samples[..., 0] / largest * 255))
    assert image.windows[0].width == largest


def test_attributes() -> None:
    image = decode_web(grey_png(4, 5), ID)
    assert (image.rows, image.columns, image.samples_per_pixel) == (4, 5, 1)
    assert (image.bits_allocated, image.bits_stored, image.high_bit) == (8, 8, 7)
    assert (image.transfer_syntax_uid, image.sop_instance_uid, image.study_instance_uid) == ("", "", "")
    assert (image.pixel_spacing, image.modality, image.frame_number, image.number_of_frames) == (None, "", 1, 1)
    assert image.timings["decompress"] > 0
    assert image.image_id is ID


def test_another_page_is_refused() -> None:
    with pytest.raises(ImageIdError, match=r"no frame 2: the PNG file has 1.*%66rame="):
        decode_web(grey_png(), ID.with_frame(2))


@pytest.mark.parametrize("body", [grey_png(9, 7), saved(smooth(9, 7), "JPEG"), saved(noise((9, 7)), "JPEG2000")])
def test_a_decoder_writes_where_the_pixels_are_wanted(body: bytes) -> None:
    plain = decode_web(body, ID).pixels
    out = np.zeros_like(plain)
    found = decode_web(body, ID, target=PixelTarget(out))
    assert np.shares_memory(found.pixels, out)
    np.testing.assert_array_equal(out, plain)
    assert out.flags.writeable


def test_targets_of_other_kinds() -> None:
    body = png(noise((6, 6, 4), 16), 16, 6)
    plain = decode_web(body, ID)
    wide = np.zeros((6, 12, 3), np.float32)[:, ::2]
    found = decode_web(body, ID, target=PixelTarget(wide))
    np.testing.assert_array_equal(wide, plain.pixels)
    np.testing.assert_array_equal(found.alpha, plain.alpha)
    assert decode_web(body, ID, target=PixelTarget(dtype=np.int32)).pixels.dtype == np.int32
    with pytest.raises(DecodeError, match="do not fit"):
        decode_web(body, ID, target=PixelTarget(dtype=np.uint8))
    with pytest.raises(DecodeError, match="shape"):
        decode_web(body, ID, target=PixelTarget(np.zeros((6, 6), np.uint16)))


def test_a_turned_picture_reaches_its_target_upright() -> None:
    body = saved(noise((4, 6)), "PNG", exif=b"Exif\0\0" + exif(6))
    out = np.zeros((6, 4), np.uint8)
    decode_web(body, ID, target=PixelTarget(out))
    np.testing.assert_array_equal(out, np.rot90(noise((4, 6)), 3))


def test_what_goes_to_a_process_and_back() -> None:
    for form in ("PNG", "JPEG", "JPEG2000", "TIFF", "WEBP", "GIF", "BMP"):
        body = saved(noise((3, 3, 3)), form)
        file: WebFile = pickle.loads(pickle.dumps(open_web(body)))
        wanted: WebFrame = pickle.loads(pickle.dumps(WebFrame(file, 1, PixelTarget(np.zeros((3, 3, 3), np.uint8)))))
        assert wanted.target is None
        np.testing.assert_array_equal(decode_page(wanted).pixels, decode_web(body, ID).pixels)


def files(*bodies: bytes) -> list[WebFile]:
    return [open_web(body) for body in bodies]


async def decoded(source: rx.Observable[WebFile], workers: HeldWorkers | None = None) -> tuple[list[Any], Any]:
    if workers is None:
        workers = HeldWorkers()
        workers.release()
    return await collect(source.pipe(decode_web_frame(1, workers)))


async def test_empty_one_and_many() -> None:
    assert await decoded(rx.empty()) == ([], None)
    frames, error = await decoded(rx.from_iterable(files(grey_png(1, 2), grey_png(3, 4), grey_png(5, 6))))
    assert [frame.pixels.shape for frame in frames] == [(1, 2), (3, 4), (5, 6)]
    assert error is None


async def test_source_error() -> None:
    workers, source = HeldWorkers(), Subject[WebFile]()
    workers.release()
    heard: list[Any] = []
    source.pipe(decode_web_frame(1, workers)).subscribe(heard.append, heard.append)
    source.on_next(files(grey_png(2, 3))[0])
    await turns()
    source.on_error(OSError("gone"))
    assert heard[0].pixels.shape == (2, 3)
    assert isinstance(heard[1], OSError)


async def test_own_error_leaves_the_source() -> None:
    left = asyncio.Event()
    source = rx.concat(rx.from_iterable(files(grey_png())), rx.never()).pipe(rx.operators.finally_action(left.set))
    workers = HeldWorkers()
    workers.release()
    frames, error = await collect(source.pipe(decode_web_frame(2, workers)))
    assert frames == []
    assert isinstance(error, ImageIdError)
    assert left.is_set()


async def test_disposed_midway() -> None:
    workers, source, heard = HeldWorkers(), Subject[WebFile](), list[object]()
    subscription = source.pipe(decode_web_frame(1, workers)).subscribe(heard.append, heard.append)
    source.on_next(files(grey_png())[0])
    await turns()
    assert workers.asked == [False]
    subscription.dispose()
    workers.release()
    await turns()
    assert (heard, workers.cancelled, len(source.observers)) == ([], 1, 0)


async def test_decoders_that_hold_the_lock_say_so() -> None:
    workers = HeldWorkers()
    workers.release()
    await decoded(rx.from_iterable(files(saved(noise((3, 3, 3)), "GIF"), grey_png())), workers)
    assert workers.asked == [True, False]


class Answer:
    """A response in pieces; may wait in the middle."""

    def __init__(self, pieces: list[bytes], content_type: str = "", length: int | None = None) -> None:
        self.headers: Mapping[str, str] = {"Content-Type": content_type} if content_type else {}
        self.content_length = length
        self.half_way, self.closed = asyncio.Event(), asyncio.Event()
        self._pieces = pieces
        self._error: Exception | None = None

    def failing(self, error: Exception) -> Answer:
        self._error = error
        return self

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            for piece in self._pieces:
                yield piece
            self.half_way.set()
            if self._error is not None:
                raise self._error
            if self.content_length == -1:
                await asyncio.Event().wait()
        finally:
            self.closed.set()


class Answers:
    """A transport that gives the next answer."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[Answer]:
        yield self._answers.pop(0)


def bodies(*answers: Answer) -> rx.Observable[Body]:
    http = Answers(*answers)
    return rx.from_iterable([Body(HttpRequest("http://host/", {}, ID), http) for _ in answers])


async def opened(
    source: rx.Observable[Body], limits: Limits = DEFAULT_LIMITS
) -> tuple[list[WebFile], Exception | None]:
    workers = HeldWorkers()
    workers.release()
    return await collect(source.pipe(open_bodies(workers, limits)))


async def test_bodies_are_opened_in_order() -> None:
    png_file, jpeg_file = grey_png(), saved(smooth(8, 8), "JPEG")
    assert await opened(rx.empty()) == ([], None)
    found, error = await opened(
        bodies(Answer([png_file[:9], png_file[9:]], "image/png"), Answer([jpeg_file], "image/jpeg"), Answer([png_file]))
    )
    assert error is None
    assert [file.format for file in found] == ["PNG", "JPEG", "PNG"]
    assert found[0].body == png_file


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer([grey_png()], "image/jpeg"), SplitError),
        (Answer([grey_png()[:50]], "image/png"), TruncatedError),
        (Answer([]), TruncatedError),
        (Answer([grey_png()], length=1 << 40), LimitError),
        (Answer([grey_png()] * 10), LimitError),
        (Answer([grey_png()[:9]]).failing(FetchError("reset")), FetchError),
    ],
)
async def test_bodies_that_are_refused(answer: Answer, error: type[ImageLoadError]) -> None:
    found, failure = await opened(bodies(answer), Limits(response_bytes=500))
    assert found == []
    assert type(failure) is error


async def test_a_body_is_left_midway() -> None:
    answer, heard = Answer([grey_png()[:20]], length=-1), list[object]()
    subscription = bodies(answer).pipe(open_bodies(HeldWorkers(), DEFAULT_LIMITS)).subscribe(heard.append, heard.append)
    await answer.half_way.wait()
    subscription.dispose()
    await answer.closed.wait()
    await turns()
    assert heard == []


async def test_a_file_waiting_for_a_worker_is_left() -> None:
    workers, answer, heard = HeldWorkers(), Answer([grey_png()]), list[object]()
    subscription = bodies(answer).pipe(open_bodies(workers, DEFAULT_LIMITS)).subscribe(heard.append, heard.append)
    await answer.closed.wait()
    await turns()
    assert len(workers.asked) == 1
    subscription.dispose()
    await turns()
    workers.release()
    await turns()
    assert (heard, workers.cancelled) == ([], 1)


def test_local_files(tmp_path: Path) -> None:
    path = tmp_path / "named.jpg"
    path.write_bytes(grey_png())
    assert open_local(str(path), DEFAULT_LIMITS).format == "PNG"
    with pytest.raises(LimitError, match="response_bytes=9"):
        open_local(str(path), Limits(response_bytes=9))
    with pytest.raises(FetchError, match="folder"):
        open_local(str(tmp_path), DEFAULT_LIMITS)
    with pytest.raises(FetchError, match="No such file"):
        open_local(str(tmp_path / "none.png"), DEFAULT_LIMITS)
