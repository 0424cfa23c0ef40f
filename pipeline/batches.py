"""Few, large requests: frames of one instance that are wanted together travel in one (PS3.18 section 10.4.1.1.3).

What a request asks for is settled when its turn in the network lane has come, not when it was first wanted; so whoever
leaves or is ranked anew until then costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornerstream.instance_frames import InstanceFrames
from cornerstream.waiting import Place

if TYPE_CHECKING:
    from reactivex.abc import DisposableBase

    from cornerstream.images.image_id import ImageId
    from cornerstream.instance_frames import PartsOf
    from cornerstream.list_rules import ListRules
    from cornerstream.wanted import FrameWaiter, Upcoming


class FrameLists:
    """The frames of all instances that a session wants at the moment. Touched on the loop only.

    Args:
        rules: What holds for all of them.
    """

    def __init__(self, rules: ListRules) -> None:
        self._rules = rules
        self._instances: dict[tuple[str, str], InstanceFrames] = {}

    def __len__(self) -> int:
        return len(self._instances)

    def join(self, image_id: ImageId, waiter: FrameWaiter, parts: PartsOf) -> DisposableBase:
        """Wait for a frame; what is returned lets it go."""
        key = image_id.scheme, image_id.address
        instance = self._instances.get(key)
        if instance is None:
            instance = self._instances[key] = InstanceFrames(self._rules, key, parts, self._forget)
        instance.join(waiter)
        return Place(instance, waiter)

    def announce(self, upcoming: Upcoming) -> None:
        """Frames that a stream will want are asked for along with those that it wants now, until `ended` is called."""
        self._rules.upcoming.append(upcoming)

    def clear(self) -> None:
        """Cancel every request."""
        self._rules.upcoming.clear()
        for instance in tuple(self._instances.values()):
            instance.clear()
        self._instances.clear()

    def ended(self, upcoming: Upcoming) -> None:
        """Let go of what came, or is coming, for that alone."""
        if upcoming in self._rules.upcoming:
            self._rules.upcoming.remove(upcoming)
            for instance in tuple(self._instances.values()):
                instance.drop_unannounced()

    def _forget(self, key: tuple[str, str], instance: InstanceFrames) -> None:
        if self._instances.get(key) is instance:  # who hears of its last frame may want the next one already
            del self._instances[key]
