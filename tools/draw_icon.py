"""Draws `tools/bundle/icon.png`: a globe on which one point holds several together.

Run it after a change here, and commit what it wrote: `python -m tools.draw_icon`. A test compares the pixels.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]
ICON = Path(__file__).parent / "bundle" / "icon.png"

SIDE = 512
CORNER = 112.0
LIGHT, DARK = (24, 92, 110), (12, 30, 58)
PAPER, AMBER = (236, 244, 246), (255, 183, 77)
GLOBE = 168.0
THICK = 9.0
ONE = (256.0, 372.0)
SEVERAL = ((150.0, 196.0), (256.0, 148.0), (362.0, 196.0))


def grid() -> tuple[Plane, Plane]:
    """The middle of every pixel, in pixels from the left and from the top."""
    ys, xs = np.mgrid[0:SIDE, 0:SIDE]
    return xs + 0.5, ys + 0.5


def inside(distance: Plane) -> Plane:
    """How much of each pixel lies within a shape: its edge runs where the distance is nought."""
    return np.clip(0.5 - distance, 0.0, 1.0)


def tile(x: Plane, y: Plane) -> Plane:
    """A square with round corners."""
    across, down = (np.abs(each - SIDE / 2) - (SIDE / 2 - CORNER) for each in (x, y))
    beyond = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
    return inside(beyond + np.minimum(np.maximum(across, down), 0) - CORNER)


def ellipse(x: Plane, y: Plane, across: float, down: float) -> Plane:
    """The line of an ellipse about the middle; its distance is as good as exact near the line."""
    dx, dy = (x - SIDE / 2) / across, (y - SIDE / 2) / down
    height = np.hypot(dx, dy)
    slope = np.hypot(dx / across, dy / down) / np.maximum(height, 1e-9)
    return inside(np.abs(height - 1) / np.maximum(slope, 1e-9) - THICK / 2)


def stroke(x: Plane, y: Plane, start: tuple[float, float], end: tuple[float, float]) -> Plane:
    """A line with round ends."""
    (ax, ay), (bx, by) = start, end
    along = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2), 0, 1)
    return inside(np.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay)) - THICK / 2)


def disc(x: Plane, y: Plane, middle: tuple[float, float], radius: float) -> Plane:
    """A full circle."""
    return inside(np.hypot(x - middle[0], y - middle[1]) - radius)


def over(below: Plane, colour: tuple[int, int, int], cover: Plane) -> Plane:
    """A colour laid over a picture where it covers."""
    return below + (np.array(colour, float) - below) * cover[..., None]


def drawn() -> NDArray[np.uint8]:
    """The picture: rows of pixels of red, green, blue and opacity."""
    x, y = grid()
    fall = (y / SIDE)[..., None]
    picture = np.array(LIGHT, float) * (1 - fall) + np.array(DARK, float) * fall
    for across in (GLOBE, 70.0):
        picture = over(picture, PAPER, 0.30 * ellipse(x, y, across, GLOBE))
    picture = over(picture, PAPER, 0.30 * ellipse(x, y, GLOBE, 58.0))
    for each in SEVERAL:
        picture = over(picture, AMBER, stroke(x, y, ONE, each))
    for each in SEVERAL:
        picture = over(picture, PAPER, disc(x, y, each, 27))
    picture = over(picture, AMBER, disc(x, y, ONE, 38))
    opaque = 255 * tile(x, y)
    return np.rint(np.dstack((picture, opaque))).astype(np.uint8)


def png(picture: NDArray[np.uint8]) -> bytes:
    """The picture as a file."""
    rows = np.zeros((SIDE, 1 + 4 * SIDE), np.uint8)
    rows[:, 1:] = picture.reshape(SIDE, -1)
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 6, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


if __name__ == "__main__":
    ICON.write_bytes(png(drawn()))
    print(f"{ICON}: {ICON.stat().st_size} bytes")
