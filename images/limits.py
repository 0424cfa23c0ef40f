"""Limits: every quantity that a stranger's bytes can drive has one, and every one can be set."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds; reaching one raises `LimitError`, which names it.

    Attributes:
        response_bytes: Bytes of one HTTP response or one Part 10 file.
        part_bytes: Bytes of one part of a multipart response.
        parts: Parts of one multipart response.
        part_header_bytes: Bytes of all header lines of one part.
        part_headers: Header lines of one part.
        header_bytes: Bytes of a Part 10 data set in front of its pixel data.
        inflated_bytes: Bytes that a deflated data set may expand to.
        metadata_bytes: Bytes of one DICOM JSON answer.
        frames: Number of Frames of one instance.
        frame_pixels: Rows × columns of one frame.
        fragments: Fragments of one encapsulated pixel data element.
        sequence_depth: Nesting of sequences, in Part 10 and in DICOM JSON.
        elements: Data elements and items that are passed on the way through one Part 10 header.
        empty_fragments: Fragments without a byte in one encapsulated pixel data element.
        redirects: HTTP redirects followed, within one origin.
        connect_seconds: Time to connect.
        read_seconds: Longest silence of a server in the middle of a response, and longest wait for its whole header.
        decode_seconds: Time for one frame on a worker; a worker process is ended then, a thread is given up.
        decode_bytes: Memory that a worker process may take beyond what it has at its start (Linux), and that a plane through a
            volume may take while it is computed.
        response_seconds: Time that one response may keep its reader waiting in all; the reader's own time does not count.
        response_header_bytes: Bytes of the status line, and of one header field, of a response.
        response_headers: Header fields of a response.
        json_values: Values, members and commas of one DICOM JSON answer, each of which takes 60 to 200 bytes of memory.
        references: Values that the metadata of one instance may leave to be fetched (BulkDataURI).
        list_frames: Frames of one instance that one request asks for; more take several requests, 1 sends no lists.
        list_bytes: Bytes that one such request asks for, as far as the size of a frame is known; and bytes of frames that
            come before a stream has got to them.
        volume_bytes: Bytes of the array that a whole series is decoded into.
        icc_profile_bytes: Bytes of the colour profile of a web image, inflated.
        archive_members: Members of one zip archive.
        archive_ratio: How many times its packed size a member of a zip archive may have that is larger than 16 MiB.
    """

    response_bytes: int = 4096 * MIB
    part_bytes: int = 1024 * MIB
    parts: int = 20_000
    part_header_bytes: int = 8190
    part_headers: int = 128
    header_bytes: int = 256 * MIB
    inflated_bytes: int = 1024 * MIB
    metadata_bytes: int = 512 * MIB
    frames: int = 1_000_000
    frame_pixels: int = 1 << 28
    fragments: int = 1_000_000
    sequence_depth: int = 64
    elements: int = 1_000_000
    empty_fragments: int = 10_000
    redirects: int = 5
    connect_seconds: float = 30.0
    read_seconds: float = 60.0
    decode_seconds: float = 60.0
    decode_bytes: int = 4096 * MIB
    response_seconds: float = 3600.0
    response_header_bytes: int = 8190
    response_headers: int = 128
    json_values: int = 32_000_000
    references: int = 256
    list_frames: int = 128
    list_bytes: int = 64 * MIB
    volume_bytes: int = 8192 * MIB
    icc_profile_bytes: int = 16 * MIB
    archive_members: int = 200_000
    archive_ratio: int = 200


DEFAULT_LIMITS = Limits()
