"""Guards around every decoder: its own header against the data set's before, its errors translated after."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cornerstream.images.errors import DecodeError, ImageLoadError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cornerstream.images.metadata import FrameMetadata

END_OF_IMAGE = b"\xff\xd9"  # EOI of JPEG and JPEG-LS, EOC of JPEG 2000
_PADDING = b"\x00\xff"  # what encapsulators put behind an odd codestream; 0xFF is a legal fill byte of JPEG
_MOST_PADDING = 4096
UNTRANSLATED = (ImageLoadError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit)


@dataclass(frozen=True, slots=True)
class CodestreamHeader:
    """What a codestream says about itself.

    Attributes:
        rows: Height in pixels.
        columns: Width in pixels.
        samples: Components.
        precision: Bits of a sample.
        signed: Samples are signed.
    """

    rows: int
    columns: int
    samples: int
    precision: int
    signed: bool = False


def check_header(header: CodestreamHeader, metadata: FrameMetadata) -> None:
    """Compare a codestream's header with the data set, before a decoder allocates what either of them says.

    Raises:
        DecodeError: Rows, columns or samples differ, or a sample does not fit Bits Allocated.
    """
    found = header.rows, header.columns, header.samples
    said = metadata.rows, metadata.columns, metadata.samples_per_pixel
    if found != said:
        raise DecodeError(
            f"the codestream has rows × columns × samples {_times(found)}, the data set says {_times(said)}"
        )
    if not 1 <= header.precision <= max(metadata.bits_allocated, 8):
        raise DecodeError(
            f"the codestream has {header.precision} bits a sample, Bits Allocated is {metadata.bits_allocated}"
        )


def without_padding(data: bytes | memoryview, name: str) -> bytes | memoryview:
    """The codestream up to its end marker, not copied.

    Decoders make a picture of a quarter of a JPEG, or take seconds to refuse it; the marker tells at once.

    Raises:
        DecodeError: The end marker is not there: the codestream was cut.
    """
    tail = bytes(data[-_MOST_PADDING:]).rstrip(_PADDING)
    padding = min(len(data), _MOST_PADDING) - len(tail)
    if not tail.endswith(END_OF_IMAGE):
        raise DecodeError(f"the {name} codestream of {len(data)} bytes is cut: it has no end marker (FF D9)")
    return memoryview(data)[: len(data) - padding] if padding else data


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into a DecodeError.

    Also what is no `Exception`: a Rust extension panics with a BaseException. MemoryError passes, and what is meant for
    the interpreter.
    """
    try:
        yield
    except UNTRANSLATED:
        raise
    except BaseException as error:
        raise refused(name, error) from error


def refused(name: str, error: BaseException) -> DecodeError:
    """What a decoder raised, as `translated` turns it."""
    return DecodeError(f"{name} refused the frame: {type(error).__name__}: {error}")


def _times(numbers: tuple[int, ...]) -> str:
    return " × ".join(str(number) for number in numbers)
