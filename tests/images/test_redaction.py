from __future__ import annotations

import pytest

from cornerstream.images.errors import FetchError
from cornerstream.images.redaction import redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://pacs/a?b=1&frame=2", "https://pacs/a?b=1&frame=2"),
        ("wadouri:https://me:pw@pacs:8042/a@b", "wadouri:https://pacs:8042/a@b"),
        ("https://token@pacs/", "https://pacs/"),
        ("https://pacs/a?access_token=x&b=1", "https://pacs/a?access_token=…&b=1"),
        (
            "https://pacs/a?b=1&X-Amz-Signature=x&X-Amz-Credential=y",
            "https://pacs/a?b=1&X-Amz-Signature=…&X-Amz-Credential=…",
        ),
        ("https://pacs/a?apiKey=x#f", "https://pacs/a?apiKey=…#f"),
        ("https://pacs/token=x", "https://pacs/token=x"),
        ("", ""),
    ],
)
def test_redacted(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_an_error_shows_its_image_without_credentials() -> None:
    error = FetchError("reset", image_id="wadors:https://me:pw@pacs/frames/1?token=x")
    assert str(error) == "wadors:https://pacs/frames/1?token=…: reset"
