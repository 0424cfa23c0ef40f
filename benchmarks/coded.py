"""Series in every transfer syntax that the figures are about: the phantom's, and those that it does not write itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.floors import frame_places, raw_decoder, read_place
from benchmarks.peers import rows_of, sorted_by_position
from cornerstream.phantom import CT_SYNTAXES, Syntax

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.common import Bench, Pixels
    from cornerstream.phantom import PhantomSeries

EXPLICIT, JPEG_LS, JPEG_2000, HTJ2K, RLE, COLOUR = (
    "explicit LE",
    "JPEG-LS",
    "JPEG 2000",
    "HTJ2K",
    "RLE",
    "colour JPEG",
)
SLICES = 300
CINE_FRAMES = 200


@dataclass(frozen=True, slots=True)
class JpegLs(Syntax):
    """JPEG-LS lossless, 16 bits a sample in the codestream."""

    def encode(self, stored: NDArray[np.int16] | NDArray[np.uint16]) -> bytes:
        """One codestream."""
        import imagecodecs  # noqa: PLC0415 - heavy

        return bytes(imagecodecs.jpegls_encode(stored))


@dataclass(frozen=True, slots=True)
class Rle(Syntax):
    """RLE lossless (PS3.5 annex G)."""

    def encode(self, stored: NDArray[np.int16] | NDArray[np.uint16]) -> bytes:
        """One frame, two segments."""
        from rle.utils import encode_pixel_data  # noqa: PLC0415 - heavy

        rows, columns = stored.shape
        return bytes(
            encode_pixel_data(
                stored.astype("<u2").tobytes(),
                byteorder="<",
                rows=rows,
                columns=columns,
                samples_per_pixel=1,
                bits_allocated=16,
            )
        )


_SYNTAXES = {
    EXPLICIT: CT_SYNTAXES[0],
    JPEG_LS: JpegLs("1.2.840.10008.1.2.4.80", "Thorax 1.5 mm, JPEG-LS lossless"),
    JPEG_2000: CT_SYNTAXES[1],
    HTJ2K: CT_SYNTAXES[2],
    RLE: Rle("1.2.840.10008.1.2.5", "Thorax 1.5 mm, RLE lossless"),
}
NAMES = (*_SYNTAXES, COLOUR)


@dataclass(frozen=True, slots=True)
class Coded:
    """A series in one transfer syntax.

    Attributes:
        name: Of the syntax, as the figures call it.
        study_uid: Study Instance UID.
        series: Its files in the order of position.
    """

    name: str
    study_uid: str
    series: PhantomSeries

    @property
    def folder(self) -> Path:
        """Has this series alone."""
        return self.series.files[0].parent

    @property
    def images(self) -> int:
        """Frames of all its files."""
        return self.series.frames

    def frames(self) -> list[bytes]:
        """Every encoded frame, in order, in memory."""
        return [read_place(place) for place in frame_places(self.series)]

    def decoder(self) -> Callable[[bytes], Pixels]:
        """The bare codec; native pixels are copied once, as whoever hands them over must."""
        decode = raw_decoder(self.series.transfer_syntax_uid, rows_of(self.series))
        return (lambda data: decode(data).copy()) if self.name == EXPLICIT else decode


def coded_series(bench: Bench, names: tuple[str, ...] = NAMES, slices: int = SLICES) -> Iterator[Coded]:
    """The series one after the other, each made when its turn comes."""
    for name in names:
        if name == COLOUR:  # turned around few slices, which cost little to make
            study = bench.study(slices=16, size=512, cine_frames=CINE_FRAMES, syntaxes=())
        else:
            study = bench.study(slices=slices, size=512, cine_frames=0, syntaxes=(_SYNTAXES[name],))
        yield Coded(name, study.study_instance_uid, sorted_by_position(study.series[0]))


def one_coded(bench: Bench, name: str, slices: int = SLICES) -> Coded:
    """One of them."""
    return next(coded_series(bench, (name,), slices))
