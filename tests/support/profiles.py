"""ICC profiles made by hand: a matrix and one gamma for all channels (ICC.1:2001-04, version 2)."""

from __future__ import annotations

import struct

import numpy as np

# Colorants of sRGB as seen under D50 (IEC 61966-2-1, Bradford adapted): columns are red, green and blue.
SRGB_COLORANTS = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
D50 = (0.9642, 1.0, 0.8249)


def matrix_profile(
    gamma: float, colorants: np.ndarray = SRGB_COLORANTS, intent: int = 1, space: bytes = b"RGB "
) -> bytes:
    """A display profile; its connection space is XYZ.

    Args:
        gamma: Of the tone curves.
        colorants: 3 × 3, XYZ of red, green and blue in columns.
        intent: Rendering intent of the header.
        space: Signature of the colour space.
    """
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = {b"wtpt": _xyz(*D50)}
    tags |= {name: _xyz(*column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants.T, strict=True)}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    tags[b"desc"] = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(12 + 67)
    tags[b"cprt"] = b"text" + bytes(4) + b"none\0"
    place, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for name, value in tags.items():
        table += name + struct.pack(">II", place + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    size = place + len(data)
    header = struct.pack(">I4xI4s4s4s12x4s", size, 0x02100000, b"mntr", space, b"XYZ ", b"acsp")
    header += bytes(24) + struct.pack(">I", intent) + _s15(*D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def matrix_to_srgb(rgb: np.ndarray, gamma: float, colorants: np.ndarray = SRGB_COLORANTS) -> np.ndarray:
    """What `matrix_profile` makes of 8-bit RGB, by the formulas: curve, matrix, inverse matrix, sRGB's curve."""
    linear = (rgb / 255.0) ** (round(gamma * 256) / 256)
    srgb = np.clip(linear @ colorants.T @ np.linalg.inv(SRGB_COLORANTS).T, 0, 1)
    encoded = np.where(srgb <= 0.0031308, 12.92 * srgb, 1.055 * srgb ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * encoded))


def _s15(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + _s15(*values)
