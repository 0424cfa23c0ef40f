from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cornerstream.server.guard import is_loopback

if TYPE_CHECKING:
    from tests.pipeline.server.conftest import Served


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8042", 200),
        ("127.0.0.1:8042", 200),
        ("[::1]:8042", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:80", 403),
        ("10.0.0.1", 403),
    ],
)
async def test_only_names_of_this_machine(served: Served, host: str, status: int) -> None:
    assert (await served.get(served.address.dicomweb + "/studies", Host=host)).status == status


def test_loopback_names() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost", "Localhost.")))
    assert not any(map(is_loopback, ("", "0.0.0.0", "192.168.0.1", "localhost.example")))
