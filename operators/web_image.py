"""Pictures from the web: bytes to a file of proven framing, and a page of it to pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

from cornerstream.images.errors import DecodeError, ImageIdError
from cornerstream.images.frames import DecodedFrame
from cornerstream.images.image import Image
from cornerstream.images.limits import DEFAULT_LIMITS, Limits
from cornerstream.images.metadata import FrameMetadata, VoiWindow
from cornerstream.operators.map_ordered import map_ordered
from cornerstream.operators.web_exif import oriented
from cornerstream.operators.web_format import sniff

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import numpy as np
    from numpy.typing import NDArray
    from reactivex import Observable

    from cornerstream.images.image_id import ImageId
    from cornerstream.images.pixel_target import PixelTarget
    from cornerstream.operators.protocols import Workers
    from cornerstream.operators.web_page import WebPage, WebSamples


@dataclass(frozen=True, slots=True, eq=False)
class WebFile:
    """A file whose framing is proven.

    Attributes:
        format: As people call it, such as PNG.
        body: Its bytes.
        pages: Its pages, at least one; `frame_number` 1 is the first.
    """

    format: str
    body: bytes = field(repr=False)
    pages: tuple[WebPage, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the file."""
        return len(self.body)


@dataclass(frozen=True, slots=True, eq=False)
class WebFrame:
    """One page of a file, to be decoded.

    Attributes:
        file: The file.
        frame_number: The page, from 1.
        target: Where its pixels are wanted. It does not travel between processes.
    """

    file: WebFile
    frame_number: int = 1
    target: PixelTarget | None = None

    @property
    def page(self) -> WebPage:
        """The page.

        Raises:
            ImageIdError: The file has none of that number.
        """
        count = len(self.file.pages)
        if self.frame_number > count:
            raise ImageIdError(
                f"there is no frame {self.frame_number}: the {self.file.format} file has {count}; "
                "if frame= belongs to the URL, write it as %66rame="
            )
        return self.file.pages[self.frame_number - 1]

    def __reduce__(self) -> tuple[type[WebFrame], tuple[object, ...]]:
        return WebFrame, (self.file, self.frame_number)


def open_web(body: bytes, content_type: str = "", limits: Limits = DEFAULT_LIMITS) -> WebFile:
    """Sniff a file, prove it complete, and describe its pages; nothing is decoded.

    Args:
        body: The file.
        content_type: Content-Type it came with; empty if it came with none.
        limits: `frame_pixels`, `decode_bytes` and `icc_profile_bytes` bound what it says.

    Raises:
        TruncatedError: It ends too early.
        SplitError: It is no picture that is decoded, its Content-Type says another format, or its framing contradicts
            itself.
        DecodeError: It is of a kind that is not decoded.
        LimitError: A limit is reached.
    """
    found = sniff(body, content_type)
    return WebFile(found.name, body, found.open(body, limits))


def decode_page(wanted: WebFrame) -> DecodedFrame:
    """Decode one page: RGB or grey as it is meant to be seen, and its alpha channel beside it.

    Raises:
        ImageIdError: The file has no such page.
        DecodeError: Its decoder refused it, or returned another size than its header says.
    """
    start, page = perf_counter(), wanted.page
    upright = page.orientation == 1
    memory = wanted.target.memory_for(page.shape, page.dtype) if wanted.target is not None and upright else None
    samples = page.codec.decode(wanted.file.body, wanted.frame_number - 1, memory)
    _check_samples(samples, page)
    pixels = oriented(samples.pixels, page.orientation)
    if wanted.target is not None:
        pixels = wanted.target.place(pixels)
    alpha = None if samples.alpha is None else oriented(samples.alpha, page.orientation)
    metadata = _metadata(page, pixels, wanted)
    shown = "RGB" if page.colour else metadata.photometric_interpretation
    return DecodedFrame(metadata, pixels, shown, {"decompress": perf_counter() - start}, alpha)


def decode_web(
    body: bytes,
    image_id: ImageId,
    *,
    content_type: str = "",
    limits: Limits = DEFAULT_LIMITS,
    target: PixelTarget | None = None,
) -> Image:
    """Decode a picture whose bytes are at hand.

    Args:
        body: The file.
        image_id: Its id; `image_id.number` is the page.
        content_type: Content-Type it came with; empty if it came with none.
        limits: Bounds for whatever the bytes say.
        target: Where the pixels are wanted.

    Raises:
        ImageLoadError: As `open_web` and `decode_page`.
    """
    frame = decode_page(WebFrame(open_web(body, content_type, limits), image_id.number, target))
    image = Image.of(frame, image_id)
    return image if target is None else image.placed(target)


def decode_web_frame(
    frame_number: int, workers: Workers, target: PixelTarget | None = None
) -> Callable[[Observable[WebFile]], Observable[DecodedFrame]]:
    """Decode one page of each file on workers.

    ::

        files    a──b──────────|
        result   ────a1────b1──|

    Order is the source's; up to 4 pages are with the workers; dispose drops what waits, and the result of what a worker
    cannot stop.

    Args:
        frame_number: The page, from 1.
        workers: Where decoders run.
        target: Where the pixels of the one page are wanted.
    """

    def decode(file: WebFile) -> Awaitable[DecodedFrame]:
        wanted = WebFrame(file, frame_number, target)
        return workers.run(decode_page, wanted, holds_lock=wanted.page.holds_lock)

    return map_ordered(decode, 4)


def _check_samples(samples: WebSamples, page: WebPage) -> None:
    """Whatever a decoder returns has the shape and dtype of the header, or is an error."""
    pixels, alpha = samples.pixels, samples.alpha
    if pixels.shape != page.shape or pixels.dtype != page.dtype:
        raise DecodeError(f"decoded to {pixels.shape} of {pixels.dtype}, the header says {page.shape} of {page.dtype}")
    if alpha is not None and (alpha.shape != page.shape[:2] or alpha.dtype != page.dtype):
        raise DecodeError(f"decoded to an alpha channel of {alpha.shape} of {alpha.dtype}, which is not its picture's")


def _metadata(page: WebPage, pixels: NDArray[np.generic], wanted: WebFrame) -> FrameMetadata:
    """What a picture has of a DICOM image's attributes: its size, its samples, and the window that shows it as it is."""
    grey = "MONOCHROME1" if page.inverted else "MONOCHROME2"
    bits = 8 * page.dtype.itemsize
    return FrameMetadata(
        transfer_syntax_uid="",
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        photometric_interpretation=page.found if page.colour else grey,
        frame_number=wanted.frame_number,
        number_of_frames=len(wanted.file.pages),
        samples_per_pixel=3 if page.colour else 1,
        bits_allocated=bits,
        bits_stored=page.bits,
        high_bit=page.bits - 1,
        pixel_representation=int(page.dtype.kind == "i"),
        palette=page.palette,
        icc_profile=page.icc_profile,
        windows=_whole_range(page),
        voi_lut_function="LINEAR_EXACT",
    )


def _whole_range(page: WebPage) -> tuple[VoiWindow, ...]:
    """0 is black and the largest value white, as in a browser: not stretched to what happens to be in the picture."""
    if page.colour or page.dtype.kind != "u" or page.bits > 16:
        return ()
    largest = (1 << page.bits) - 1
    return (VoiWindow(largest / 2, largest),)
