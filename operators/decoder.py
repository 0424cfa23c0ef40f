"""A decoder, and a transfer syntax with its decoders: a row of the decoder table."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from cornerstream.images.errors import UnsupportedTransferSyntaxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cornerstream.images.frames import DecodedFrame, EncodedFrame

CODECS = "cornerstream.operators.codecs."


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """One row: a function, what it needs, and what is known about it.

    Attributes:
        name: What `prefer` selects it by.
        function: `module:function`; called with an `EncodedFrame`, on a worker.
        module: What must be importable; empty if nothing beyond the base needs be.
        install: What to install where that is missing.
        releases_gil: Threads beside the event loop go on while it decodes.
        crash_safe: Corrupt input was never seen to crash or hang it, behind the guards of `operators/codecs`: from
            1,300 damaged frames of the simplest to 37,000 of JPEG-LS (`tests/hostile/test_damaged_codestreams.py` has a few hundred of each).
            It is no promise: what must survive any frame decodes in processes.
        reason: Why it stands where it stands.
        header: `module:function` from the bytes of a codestream to the `CodestreamHeader` (`operators/codecs/guards.py`)
            that it begins with, for codestreams that are not those of a transfer syntax of PS3.5: what it says is compared
            with the data set before the decoder is called.
        distribution: Whose plug-in it is; empty for the table's own.
    """

    name: str
    function: str
    module: str = ""
    install: str = ""
    releases_gil: bool = True
    crash_safe: bool = True
    reason: str = ""
    header: str = ""
    distribution: str = ""

    @property
    def built_in(self) -> bool:
        """It is one of the table's own, which look at their codestreams themselves."""
        return self.function.startswith(CODECS)

    @property
    def available(self) -> bool:
        """Everything it needs is installed."""
        return not self.module or _importable(self.module)

    def load(self) -> Callable[[EncodedFrame], DecodedFrame]:
        """Import the function.

        Raises:
            UnsupportedTransferSyntaxError: It is a plug-in's, and does not import.
        """
        function: Callable[[EncodedFrame], DecodedFrame] = self.imported(self.function)
        return function

    def imported(self, target: str) -> Any:
        """Import what `module:function` names; raises as `load`."""
        module, _, name = target.partition(":")
        try:
            return getattr(__import__(module, fromlist=(name,)), name)  # which is quick where the module is here
        except (Exception, SystemExit) as error:
            if self.built_in:
                raise
            raise UnsupportedTransferSyntaxError(
                f"the decoder {self.name} ({target}{self.distribution and ' of '}{self.distribution}) does not import: "
                f"{type(error).__name__}: {error}"
            ) from error


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """One transfer syntax and its decoders, the preferred one first."""

    uid: str
    name: str
    decoders: tuple[Decoder, ...]

    @property
    def decoder(self) -> Decoder | None:
        """The decoder that is chosen when none is asked for; `None` where none is installed."""
        for decoder in self.decoders:
            if decoder.available:
                return decoder
        return None

    @property
    def available(self) -> bool:
        """A decoder is installed."""
        return self.decoder is not None

    @property
    def install(self) -> str:
        """What to install for the preferred decoder."""
        return self.decoders[0].install


def _importable(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package above the module is missing
        return False
