"""The corpus on embedded servers, and the address of every frame by every route."""

from __future__ import annotations

import shutil
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cornerstream.server.running import ServerAddress, running_server
from tests.corpus.files import CorpusFile, corpus_files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

ROUTES = ("dicomfile", "wadouri", "wadors")


@dataclass(frozen=True)
class Served:
    """Where each file is served, by its name."""

    places: Mapping[str, ServerAddress] = field(default_factory=dict)

    def image_id(self, file: CorpusFile, route: str, frame_number: int) -> str | None:
        """The image id of a frame; `None` where the route has no address for the file."""
        if route == "dicomfile":
            return f"dicomfile:{file.path}?frame={frame_number}"
        at = self.places[file.name]
        if route == "wadouri":
            return f"wadouri:{at.file(file.short_name)}?frame={frame_number}"
        uids = file.uids()
        if uids is None:
            return None
        study, series, instance = uids
        return f"wadors:{at.dicomweb}/studies/{study}/series/{series}/instances/{instance}/frames/{frame_number}"


def shelves(files: tuple[CorpusFile, ...]) -> list[list[CorpusFile]]:
    """As few groups as can be, with every SOP Instance UID once in each: up to twelve files have the same one."""
    groups: list[tuple[list[CorpusFile], set[str]]] = []
    for file in files:
        uids = file.uids()
        instance = uids[2] if uids else ""
        group = next((one for one in groups if not instance or instance not in one[1]), None)
        if group is None:
            group = ([], set())
            groups.append(group)
        group[0].append(file)
        group[1].add(instance)
    return [group[0] for group in groups]


@asynccontextmanager
async def served_corpus(folder: Path) -> AsyncIterator[Served]:
    """Serve all files on the running loop, from copies below a folder (the server follows no links out of its own)."""
    places: dict[str, ServerAddress] = {}
    async with AsyncExitStack() as servers:
        for number, shelf in enumerate(shelves(corpus_files())):
            below = folder / str(number)
            below.mkdir()
            for file in shelf:
                shutil.copyfile(file.path, below / file.short_name)
            at = await servers.enter_async_context(running_server(below))
            places |= {file.name: at for file in shelf}
        yield Served(places)
