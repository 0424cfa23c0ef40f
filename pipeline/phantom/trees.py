"""Branching vessels and airways: grown towards random points, thicker where more of them are supplied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cornerstream.phantom.canvas import FIELD_MM, float32

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cornerstream.phantom.canvas import Array, Ellipsoid

_STEP_MM = 4.0  # between two nodes of a branch
_FINE_MM = 0.7  # between two spheres along it
_PATCH_RADII = (1.2, 3.0, 12.0)  # spheres are drawn in patches of these sizes


@dataclass(frozen=True, slots=True)
class Tree:
    """Spheres along all branches, sorted by z.

    Attributes:
        centers: n × 3, millimetres.
        radii: n, millimetres.
    """

    centers: NDArray[np.float32]
    radii: NDArray[np.float32]

    def coverage(self, size: int, z: float, thicker: float = 0.0) -> Array:
        """Where the slice at z meets the tree: rows × columns, 0 to 1.

        Args:
            size: Rows and columns.
            z: The slice.
            thicker: Millimetres added to every radius.
        """
        canvas = np.zeros((size, size), np.float32)
        first, last = np.searchsorted(self.centers[:, 2], (z - _PATCH_RADII[-1], z + _PATCH_RADII[-1]))
        centers, radii = self.centers[first:last], self.radii[first:last] + np.float32(thicker)
        rest = radii**2 - (centers[:, 2] - np.float32(z)) ** 2
        met = rest > 0
        centers, cut = centers[met], np.sqrt(rest[met])
        smallest = 0.0
        for largest in _PATCH_RADII:
            chosen = (cut > smallest) & (cut <= largest)
            _draw(canvas, centers[chosen], cut[chosen], largest)
            smallest = largest
        return canvas


def grow_tree(
    root: tuple[float, float, float],
    within: Ellipsoid,
    twigs: int,
    radius: float,
    random: np.random.Generator,
) -> Tree:
    """Grow a tree.

    Args:
        root: Where it enters.
        within: Its twigs end in here.
        twigs: Number of ends.
        radius: Of the trunk.
        random: Makes it the same every time.
    """
    ends = _points_within(within, twigs, random)
    ends = ends[np.argsort(np.linalg.norm(ends - root, axis=1))]  # near ones first, so that far ones branch off them
    nodes, parents, last = _connect(np.asarray(root, np.float32), ends)
    supplied = np.zeros(len(nodes))
    for leaf in last:
        node = leaf
        while node >= 0:
            supplied[node] += 1
            node = parents[node]
    # Murray's law: the cube of a vessel's radius is the sum of its branches' cubes; 2.6 looks like a CT.
    radii = (radius * (supplied / twigs) ** (1 / 2.6)).astype(np.float32)
    return _spheres(nodes, np.asarray(parents), radii)


def _points_within(within: Ellipsoid, count: int, random: np.random.Generator) -> NDArray[np.float32]:
    directions = random.standard_normal((count, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    distances = random.random((count, 1)) ** (1 / 3)
    scaled = directions * distances * (within.rx, within.ry, within.rz)
    return float32(scaled + np.array((within.x, within.y, within.z)))


def _connect(root: NDArray[np.float32], ends: NDArray[np.float32]) -> tuple[NDArray[np.float32], list[int], list[int]]:
    """Join every end to the nearest node there is: nodes, the parent of each, and the node of each end."""
    steps = np.linalg.norm(ends - root, axis=1).max() / _STEP_MM
    nodes = np.empty((int(len(ends) * (steps + 2)) + 1, 3), np.float32)
    nodes[0] = root
    parents, last = [-1], []
    for end in ends:
        near = int(np.argmin(np.linalg.norm(nodes[: len(parents)] - end, axis=1)))
        start = nodes[near]
        count = max(1, int(np.linalg.norm(end - start) / _STEP_MM))
        # A branch leaves its parent in the parent's direction and then bends towards its end.
        heading = (start - nodes[parents[near]]) if parents[near] >= 0 else np.zeros(3, np.float32)
        for step in range(1, count + 1):
            part = step / count
            point = start + part * (end - start) + heading * np.float32(2.0 * part * (1 - part))
            nodes[len(parents)] = point
            parents.append(near if step == 1 else len(parents) - 1)
        last.append(len(parents) - 1)
    return nodes[: len(parents)].copy(), parents, last


def _spheres(nodes: NDArray[np.float32], parents: NDArray[np.int64], radii: NDArray[np.float32]) -> Tree:
    count = int(np.ceil(_STEP_MM * 1.3 / _FINE_MM))
    ends, starts = np.arange(1, len(nodes)), parents[1:]
    parts = (np.arange(1, count + 1, dtype=np.float32) / count)[:, None, None]
    centers = (nodes[starts] + parts * (nodes[ends] - nodes[starts])).reshape(-1, 3)
    thickness = np.broadcast_to(radii[ends], (count, len(ends))).reshape(-1)
    order = np.argsort(centers[:, 2], kind="stable")
    return Tree(centers[order], thickness[order])


def _draw(canvas: Array, centers: NDArray[np.float32], radii: NDArray[np.float32], largest: float) -> None:
    if not len(radii):
        return
    size = len(canvas)
    spacing = FIELD_MM / size
    reach = int(np.ceil(largest / spacing)) + 1
    offsets = np.arange(-reach, reach + 1)
    position = centers[:, :2] / np.float32(spacing) + np.float32((size - 1) / 2)
    nearest = np.rint(position).astype(np.int64)
    columns, rows = nearest[:, 0, None] + offsets, nearest[:, 1, None] + offsets
    dx = (columns - position[:, 0, None]) * np.float32(spacing)
    dy = (rows - position[:, 1, None]) * np.float32(spacing)
    distance = np.sqrt(dy[:, :, None] ** 2 + dx[:, None, :] ** 2)
    soft = np.float32(max(1.0, spacing))
    coverage = np.clip((radii[:, None, None] - distance) / soft + 0.5, 0, 1).astype(np.float32)
    inside = ((rows >= 0) & (rows < size))[:, :, None] & ((columns >= 0) & (columns < size))[:, None, :]
    flat = np.clip(rows, 0, size - 1)[:, :, None] * size + np.clip(columns, 0, size - 1)[:, None, :]
    np.maximum.at(canvas.reshape(-1), flat[inside], coverage[inside])
