"""A transport whose responses wait until the test lets them go, and a loader of small images over it."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reactivex import operators as ops

from cornerstream.images.frames import EncodedFrame
from cornerstream.images.load_object import ImageLoadObject
from cornerstream.images.metadata import FrameMetadata
from cornerstream.operators.bridge import from_async_generator, from_coroutine
from cornerstream.operators.fetch import Body, read_whole
from cornerstream.operators.parts import Part
from cornerstream.operators.protocols import HttpRequest
from tests.support.fakes import make_image

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence

    from reactivex import Observable

    from cornerstream.images.image_id import ImageId
    from cornerstream.loaders.context import LoadContext

SIDE = 64
IMAGE_BYTES = SIDE * SIDE * 2
FRAME_BYTES = 2000  # so much smaller that it is kept beside its image


@dataclass(frozen=True, slots=True)
class _Response:
    gate: asyncio.Future[None]
    headers: Mapping[str, str] = field(default_factory=dict)
    content_length: int | None = FRAME_BYTES

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        yield bytes(FRAME_BYTES // 2)
        await self.gate
        yield bytes(FRAME_BYTES - FRAME_BYTES // 2)


class HeldImages:
    """Opens responses that give half of their bytes.

    Attributes:
        opened: How often each URL was asked for.
        most: Most responses to one URL that were open at once.
    """

    def __init__(self) -> None:
        self.opened: Counter[str] = Counter()
        self.most = 0
        self._gates: dict[str, list[asyncio.Future[None]]] = {}

    @property
    def open_urls(self) -> set[str]:
        """What is open now."""
        return {url for url, gates in self._gates.items() if gates}

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[_Response]:
        """Open a response that is held."""
        gate = asyncio.get_running_loop().create_future()
        gates = self._gates.setdefault(request.url, [])
        gates.append(gate)
        self.opened[request.url] += 1
        self.most = max(self.most, len(gates))
        try:
            yield _Response(gate)
        finally:
            gates.remove(gate)

    def finish(self, url: str, error: Exception | None = None) -> None:
        """Let what is open come to its end, or fail."""
        for gate in self._gates.get(url, ()):
            if gate.done():
                continue
            if error is None:
                gate.set_result(None)
            else:
                gate.set_exception(error)


def url_of(image_id: ImageId | str) -> str:
    """What the loader asks for."""
    return f"http://127.0.0.1/{str(image_id).partition(':')[2]}"


def load(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    """A loader: one request an image, whose encoded frame is kept."""

    async def fetch() -> EncodedFrame:
        body = Body(HttpRequest(url_of(image_id), image_id=image_id), context.http)
        return EncodedFrame(METADATA, await read_whole(body, FRAME_BYTES))

    frames = context.resources.encoded(image_id, from_coroutine(fetch))
    return ImageLoadObject(image_id, frames.pipe(ops.map(lambda _: make_image(image_id, SIDE))))


def load_listed(image_id: ImageId, context: LoadContext) -> ImageLoadObject:
    """A loader of frames that travel in lists: half of a list is there with half of the bytes, the rest with the rest."""

    def parts(shared: LoadContext, chosen: Callable[[], Sequence[int]]) -> Observable[Part]:
        async def run() -> AsyncGenerator[Part, None]:
            base = f"http://127.0.0.1/{image_id.address}"
            request = HttpRequest(base, {}, image_id, lambda: f"{base}/frames/{','.join(map(str, chosen()))}")
            async with shared.http.open(request) as response, aclosing(response.chunks()) as chunks:
                left = list(chosen())
                middle = len(left) // 2
                async for _ in chunks:
                    here, left, middle = left[:middle], left[middle:], len(left)
                    for number in here:
                        yield Part({"content-location": f"frames/{number}"}, bytes(FRAME_BYTES))

        return from_async_generator(run)

    def encoded(part: Part) -> EncodedFrame:
        return EncodedFrame(METADATA, part.data)

    frames = context.resources.encoded(image_id, context.resources.part(image_id, parts).pipe(ops.map(encoded)))
    return ImageLoadObject(image_id, frames.pipe(ops.map(lambda _: make_image(image_id, SIDE))))


METADATA = FrameMetadata(
    transfer_syntax_uid="1.2.840.10008.1.2.5",
    rows=SIDE,
    columns=SIDE,
    photometric_interpretation="MONOCHROME2",
    bits_allocated=16,
    bits_stored=16,
    high_bit=15,
)
