"""Reading multipart bodies with the standard library's mail parser."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message


def mail_parts(content_type: str, body: bytes) -> list[tuple[str, bytes]]:
    """Content-Type and body of every part; asserts that the message is well-formed."""
    message = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    assert not message.defects, message.defects
    assert message.get_content_type() == "multipart/related"
    parts = []
    for part in message.get_payload():
        assert isinstance(part, Message)  # the default policy leaves header fields as they are
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        assert part["Content-Length"] is None or int(part["Content-Length"]) == len(payload)
        parts.append((str(part["Content-Type"]), payload))
    return parts
