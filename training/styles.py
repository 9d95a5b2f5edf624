"""What a tint does to a pictogram, and a style to a picture."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import grey_dilation

TINTS = {"red": "#d81e2c", "blue": "#2457e6", "green": "#1f9d3f", "golden": "#f2b61a"}
INK = np.array([0.07, 0.07, 0.11], dtype=np.float32)
CREAM = np.array([0.97, 0.92, 0.81], dtype=np.float32)
BROWN = np.array([0.16, 0.09, 0.04], dtype=np.float32)


def _grey(rgb: np.ndarray) -> np.ndarray:
    return rgb @ np.array([0.3, 0.59, 0.11], dtype=np.float32)


def tinted(stamp: np.ndarray, tint: str) -> np.ndarray:
    """A pictogram (premultiplied RGBA) in shades of one colour, its lights and darks kept."""
    alpha = stamp[..., 3:]
    level = _grey(stamp[..., :3] / np.maximum(alpha, 1e-3))
    inside = level[alpha[..., 0] > 0.5]
    low, high = np.quantile(inside, (0.02, 0.98))
    share = np.clip((level - low) / max(high - low, 0.15), 0, 1)[..., None]
    colour = np.array([int(TINTS[tint][i : i + 2], 16) / 255 for i in (1, 3, 5)], dtype=np.float32)
    dark, light = colour * 0.5, colour + (1 - colour) * 0.55
    shade = np.where(
        share < 0.5, dark + (colour - dark) * share * 2, colour + (light - colour) * (share * 2 - 1)
    )
    return np.concatenate([shade * alpha, alpha], -1).astype(np.float32)


def outlined(stamp: np.ndarray) -> np.ndarray:
    """A pictogram (premultiplied RGBA) with a line of ink around it, as far as it has room."""
    alpha = stamp[..., 3]
    ring = np.clip(grey_dilation(alpha, (3, 3)) - alpha, 0, 1)[..., None]
    return np.concatenate(
        [stamp[..., :3] + ring * INK, np.clip(stamp[..., 3:] + ring, 0, 1)], -1
    ).astype(np.float32)


def inked(picture: np.ndarray, land: np.ndarray) -> np.ndarray:
    """A backdrop as a wash of colour under lines of ink."""
    washed = picture + (1 - picture) * 0.45
    level = _grey(picture)
    across = np.abs(np.diff(level, axis=1, prepend=level[:, :1]))
    down = np.abs(np.diff(level, axis=0, prepend=level[:1]))
    shore = np.abs(np.diff(land, axis=0, prepend=land[:1]))
    line = np.clip((np.maximum(across, down) - 0.06) * 8 + shore, 0, 1)[..., None]
    return (washed * (1 - line) + INK * line).astype(np.float32)


def finish(picture: np.ndarray, style: str) -> np.ndarray:
    """What a style does to the whole picture, float32 RGB in [0, 1]."""
    if style == "paper":
        return (picture * 0.5 + CREAM * 0.5).astype(np.float32)
    if style == "sepia":
        level = _grey(picture)[..., None]
        toned = BROWN + (CREAM - BROWN) * level
        toned[:4] = toned[-4:] = toned[:, :4] = toned[:, -4:] = CREAM
        return toned.astype(np.float32)
    return picture
