"""Decoders tried on damaged codestreams, in a process of their own that may crash or hang.

`python -m tests.support.trials 2000 htj2k` prints a line for each sample of that name and each of its decoders.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from cornerstream.images.errors import DecodeError
from cornerstream.images.frames import EncodedFrame
from cornerstream.operators.codecs.description import frame_shape, stored_dtype
from cornerstream.operators.decoder_table import TABLE
from cornerstream.operators.decompress import decode_frame
from tests.support.damage import samples, variant

_MODULE = "tests.support.trials"  # `__name__` is another one when this runs as a program
_ROOT = Path(__file__).resolve().parents[2]
HANG_SECONDS = 5.0  # of processor time
_ADDRESS_SPACE = 6 << 30
_OTHERS = {
    "jpeg": "jpeg-12",
    "jpegls": "jpegls-near",
    "j2k": "j2k-tiles",
    "htj2k": "htj2k-tiles",
    "jpegxl": "jpegxl-16",
}


@dataclass(slots=True)
class Trial:
    """What became of the variants of one sample.

    Attributes:
        images: How many became an image of the declared shape and dtype.
        refused: How many ended in a DecodeError.
        wrong: What became of all others, by index: another shape, another error.
        crashes: Indices at which the process died, and of what.
        hangs: Indices at which it took more than `HANG_SECONDS` of processor time.
        seconds: Longest processor time of one variant that ended, and its index.
        nbytes: Largest growth of the peak memory by one variant, and its index.
    """

    images: int = 0
    refused: int = 0
    wrong: dict[int, str] = field(default_factory=dict)
    crashes: dict[int, str] = field(default_factory=dict)
    hangs: list[int] = field(default_factory=list)
    seconds: tuple[float, int] = (0.0, -1)
    nbytes: tuple[int, int] = (0, -1)

    @property
    def clean(self) -> bool:
        """No crash, no hang, and nothing but images and DecodeErrors."""
        return not (self.wrong or self.crashes or self.hangs)


def decoders_of(frame: EncodedFrame) -> list[str]:
    """Names of the decoders of a frame's transfer syntax, the preferred one first."""
    return [decoder.name for decoder in TABLE[frame.metadata.transfer_syntax_uid].decoders]


def damaged(name: str, seed: int, index: int) -> bytes:
    """A variant of a sample, spliced with another sample of its family."""
    other = _OTHERS.get(name.partition("-")[0])
    spliced = bytes(samples()[other].data) if other else None
    return variant(bytes(samples()[name].data), seed, index, spliced)


def trial(name: str, decoder: str, *, seed: int, count: int) -> Trial:
    """Decode variants of a sample one after the other; a new process goes on behind one that kills it."""
    result, start = Trial(), 0
    while start < count:
        command = [sys.executable, "-m", _MODULE, "run", name, decoder, *map(str, (seed, start, count, HANG_SECONDS))]
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
        outcomes = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
        for index, outcome, seconds, nbytes in outcomes:
            _count(result, index, outcome, (seconds, index), (nbytes, index))
        start += len(outcomes)
        if done.returncode == -signal.SIGPROF:
            result.hangs.append(start)
        elif done.returncode < 0:
            result.crashes[start] = signal.Signals(-done.returncode).name
        else:
            done.check_returncode()  # this module's own fault
        start += 1
    return result


def _count(result: Trial, index: int, outcome: str, seconds: tuple[float, int], nbytes: tuple[int, int]) -> None:
    if outcome == "image":
        result.images += 1
    elif outcome == "refused":
        result.refused += 1
    else:
        result.wrong[index] = outcome
    result.seconds, result.nbytes = max(result.seconds, seconds), max(result.nbytes, nbytes)


def outcome_of(frame: EncodedFrame, decoder: str | None) -> str:
    """`image`, `refused`, or what is neither."""
    try:
        decoded = decode_frame(frame, decoder)
    except DecodeError:
        return "refused"
    except Exception as error:  # noqa: BLE001 - whatever it is, the report names it
        return repr(error)
    right = decoded.pixels.shape == frame_shape(frame.metadata) and decoded.pixels.dtype == stored_dtype(frame.metadata)
    return "image" if right else f"{decoded.pixels.shape} {decoded.pixels.dtype}"


def _run(name: str, decoder: str, seed: int, indices: range, hang_seconds: float) -> None:
    frame = samples()[name]
    decode_frame(frame, decoder)  # imports
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    sys.unraisablehook = lambda _: None  # OpenJPH's dropped errors
    for index in indices:
        encoded = EncodedFrame(frame.metadata, damaged(name, seed, index))
        before = _peak(reset=True)
        signal.setitimer(signal.ITIMER_PROF, hang_seconds)  # nobody handles SIGPROF: the process ends
        start = time.thread_time()  # that of the process ticks in 4 ms while a timer runs
        outcome = outcome_of(encoded, decoder)
        seconds = time.thread_time() - start
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.write(json.dumps((index, outcome, seconds, _peak() - before)) + "\n")
        sys.stdout.flush()


def _peak(*, reset: bool = False) -> int:
    if reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


def _report(count: int, prefix: str, seed: int) -> None:
    for name, frame in samples().items():
        for decoder in decoders_of(frame) if name.startswith(prefix) else ():
            found = trial(name, decoder, seed=seed, count=count)
            sys.stdout.write(
                f"{name:26}{decoder:20}{found.images:5} images {found.refused:5} refused {len(found.wrong):3} wrong"
                f" {len(found.crashes):3} crashes {len(found.hangs):3} hangs"
                f" {found.seconds[0]:7.3f} s (#{found.seconds[1]}) {found.nbytes[0] >> 20:5} MiB (#{found.nbytes[1]})\n"
            )
            if not found.clean:
                sys.stdout.write(f"    {found.wrong} {found.crashes} {found.hangs}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "run":
        sample, decoder_name, seed_of, first, end, hang = sys.argv[2:8]
        _run(sample, decoder_name, int(seed_of), range(int(first), int(end)), float(hang))
    else:
        _report(int(sys.argv[1]), (sys.argv[2:] or [""])[0], int((sys.argv[3:] or ["1"])[0]))
