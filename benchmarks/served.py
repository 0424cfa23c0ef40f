"""A server as the benchmarks see it: where it is, and what it has cost; and Orthanc as one."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.observed import observed_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.coded import Coded

ORTHANC = "Orthanc"
EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Served:
    """A running server.

    Attributes:
        name: Who it is.
        dicomweb: Root of its DICOMweb service.
        cpu_seconds: Processor time of its process so far, to a hundredth of a second.
    """

    name: str
    dicomweb: str
    cpu_seconds: Callable[[], float]


def cpu_of_process(pid: int) -> Callable[[], float]:
    """Reads the processor time of a process, user and system together (`/proc/PID/stat`)."""
    import psutil  # noqa: PLC0415 - of the extra `bench`

    process = psutil.Process(pid)

    def seconds() -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    return seconds


def orthanc_missing() -> str:
    """What is missing to run Orthanc; empty if nothing is."""
    from tests.support.orthanc import missing  # noqa: PLC0415 - the tests know how to start it

    return missing()


@contextmanager
def orthanc_server(folder: Path, coded: Coded) -> Iterator[Served]:
    """Orthanc with its DICOMweb plugin and one series."""
    import psutil  # noqa: PLC0415 - of the extra `bench`

    from tests.support.orthanc import running_orthanc  # noqa: PLC0415

    before = {child.pid for child in psutil.Process().children()}
    with running_orthanc(folder) as orthanc:
        (child,) = [one for one in psutil.Process().children() if one.pid not in before]
        orthanc.upload(coded.series.files)
        yield Served(ORTHANC, orthanc.dicomweb, cpu_of_process(child.pid))


@contextmanager
def embedded_server(coded: Coded) -> Iterator[Served]:
    """The server of this project, in a process of its own, without a link before it."""
    with observed_server(coded.folder, latency_seconds=0, bytes_per_second=None) as server:
        yield Served(EMBEDDED, server.dicomweb, lambda: 0.0)
