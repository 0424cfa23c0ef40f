"""`cornerstream demo`: everything once, on a study made for it."""

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cornerstream.cli.console import CANCELLED, FAILED, complain, counted, megabytes, say

if TYPE_CHECKING:
    from cornerstream.cli.demo_report import Report
    from cornerstream.cli.gallery import Gallery
    from cornerstream.phantom import PhantomStudy
    from cornerstream.series import Series
    from cornerstream.session import Session

_LATENCY_SECONDS = 0.02
_BYTES_PER_SECOND = 40e6
_CACHED_SERIES = 1.1  # what the cache holds of decoded images: one series whole, which those that follow push out


def demo(
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the study and the montage there.")] = None,
    slices: Annotated[int, typer.Option(min=8, max=1000, help="Slices of each CT series.")] = 208,
    seconds: Annotated[float, typer.Option(min=0.5, max=60, help="Length of the scroll storm.")] = 3.0,
) -> None:
    """Make a CT study, serve it on loopback, stream it, scroll through it, cancel, and sum up."""
    from cornerstream.cli.demo_report import Report  # noqa: PLC0415 - for `--help` to be quick

    report = Report()
    folder = keep or Path(tempfile.mkdtemp(prefix="cornerstream-demo-"))
    try:
        _demo(folder, slices, seconds, report)
    except KeyboardInterrupt as error:  # outside of the loop, which tells for itself
        complain(f"cancelled: {report.told()}")
        raise typer.Exit(CANCELLED) from error
    finally:
        if keep is None:
            shutil.rmtree(folder / "study", ignore_errors=True)
            _remove_if_empty(folder)


def _demo(folder: Path, slices: int, seconds: float, report: "Report") -> None:
    from multiprocessing import resource_tracker  # noqa: PLC0415 - for `--help` to be quick

    from cornerstream.cli.demo_study import make_study  # noqa: PLC0415
    from cornerstream.cli.gallery import Gallery  # noqa: PLC0415
    from cornerstream.cli.interrupt import interrupts_later, run  # noqa: PLC0415
    from cornerstream.cli.montage import draw_montage  # noqa: PLC0415
    from cornerstream.server import server_process  # noqa: PLC0415

    report.stage = "making the study"
    say(f"1  Making a study of {counted(slices, 'slice')} in three transfer syntaxes, and a colour cine")
    study = make_study(folder / "study" / f"{slices}-slices", slices)
    say(f"   {counted(study.frames, 'image')} in {megabytes(study.nbytes)} of files")
    gallery = Gallery()
    with ExitStack() as stack:
        report.stage = "starting the server"
        resource_tracker.ensure_running()  # it lets Ctrl-C through again when it starts
        with interrupts_later():
            server = server_process(study.folder, latency_seconds=_LATENCY_SECONDS, bytes_per_second=_BYTES_PER_SECOND)
            address = stack.enter_context(server)
        say(f"2  Serving it in another process: {address.dicomweb}, {_LATENCY_SECONDS * 1000:.0f} ms away, 40 MB/s")
        run(lambda: _acts(address.dicomweb, study, seconds, report, gallery), report.told)
    report.stage = "drawing the montage"
    report.show()
    path = folder / "montage.png"
    images = sum(one.images for one in report.streamed)
    draw_montage(gallery, path, f"{images} images streamed over DICOMweb from a phantom computed in code")
    for problem in (problems := report.problems(study)):
        complain(f"problem: {problem}")
    say(f"Montage: {path.absolute()}")
    if problems:
        raise typer.Exit(FAILED)


async def _acts(root: str, study: "PhantomStudy", seconds: float, report: "Report", gallery: "Gallery") -> int:
    import asyncio  # noqa: PLC0415 - for `--help` to be quick

    from cornerstream.cli.census import Census  # noqa: PLC0415
    from cornerstream.session import Session  # noqa: PLC0415

    before = Census.take()
    longest = max(one.frames for one in study.series[:-1]) * 2 * 512 * 512
    async with Session(cache_bytes=int(_CACHED_SERIES * longest * 4 / 3)) as session:
        try:
            await _stream_and_scroll(session, root, study, seconds, report, gallery)
        except asyncio.CancelledError:
            figures = session.stats()
            report.interrupted = figures.running + figures.cancelled
            raise
    report.left = Census.take().beyond(before)
    return 0


async def _stream_and_scroll(
    session: "Session", root: str, study: "PhantomStudy", seconds: float, report: "Report", gallery: "Gallery"
) -> None:
    from cornerstream.cli.demo_acts import prefetch_halfway, stream_series  # noqa: PLC0415 - as above
    from cornerstream.cli.demo_scroll import scroll_storm  # noqa: PLC0415
    from cornerstream.cli.series import show_series  # noqa: PLC0415
    from cornerstream.images.errors import ImageLoadError  # noqa: PLC0415

    report.stage = "listing the series"
    found: list[Series] = await session.study(root, study.study_instance_uid)
    show_series(found)
    if len(found) != len(study.series):
        raise ImageLoadError(f"the server lists {len(found)} of {len(study.series)} series")
    report.stage = "streaming"
    say("3  Streaming every series, in order")
    order = [found[place] for place in (0, 3, 2, 1)]  # what scroll and prefetch will want has left the cache by then
    for series in order:
        report.streamed.append(await stream_series(session, series, gallery, found.index(series)))
    by_series = {one.series.series_instance_uid: one for one in report.streamed}
    first, third = (by_series[found[place].series_instance_uid] for place in (0, 2))
    report.stage = "scrolling"
    say(f"4  Scroll storm over {first.series.series_description!r}: 30 moves a second for {seconds:g} s")
    report.acts.append(await scroll_storm(session, first, seconds))
    report.stage = "prefetching"
    say(f"5  Prefetch of {third.series.series_description!r}, cancelled when half of it is there")
    report.acts.append(await prefetch_halfway(session, third))
    report.stage = "closing the session"


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
