"""``pixels``: what colour is where in a picture. Deterministic, no weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..steps import Kind
from ._protocols import Matrix, unit_rows

SIDE = 16
"""Pixels of the thumbnail's sides: layout and palette survive, objects become blobs."""

_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE = _TO_XYZ.sum(axis=1)


class PixelEncoder:
    """A small thumbnail in CIE L*a*b*, where equal distances look equally large.

    Mid grey is the origin, so that two pictures are alike when they depart from grey in the same
    places and the same direction. Without it all lightnesses are positive and all cosines near 1.
    """

    name = "pixels"
    title = "colours in the same places"
    family = "pixels"
    kind: Kind = "image"
    identity = f"pixels/1/{SIDE}"
    batch_size = 256
    limit = None

    def encode(self, contents: Sequence[Image.Image]) -> Matrix:
        """Encode pictures; one that is mid grey all over has no vector (NaN)."""
        thumbnails = np.empty((len(contents), SIDE, SIDE, 3))
        for index, image in enumerate(contents):
            small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
            thumbnails[index] = np.asarray(small)
        lab = to_lab(thumbnails / 255.0)
        lab[..., 0] -= 50.0
        return unit_rows(lab.reshape(len(contents), -1))

    def cut(self, contents: Sequence[Image.Image]) -> list[int]:
        """Nothing: every pixel counts."""
        return [0] * len(contents)


def to_lab(srgb: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Convert sRGB to CIE L*a*b* under D65.

    Args:
        srgb: ``(..., 3)`` in ``[0, 1]``.

    Returns:
        ``(..., 3)``: lightness in ``[0, 100]``, and the two colour axes.

    >>> import numpy as np
    >>> to_lab(np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])).round(3).tolist()
    [[100.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T / _WHITE
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def encoder() -> PixelEncoder:
    """Make the encoder."""
    return PixelEncoder()
