"""Fetch the pictograms and draw them, once, in the sizes that the world uses."""

from __future__ import annotations

import argparse
import io
import subprocess
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

CACHE = Path(__file__).parent / "cache"
PACKAGES = ("fluentui-emoji@1.3.0", "emojibase-data@17.0.0")


def fetch() -> Path:
    """Unpack the two packages into the cache; does nothing where they already lie."""
    CACHE.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        name = package.split("@")[0]
        if (CACHE / name).is_dir():
            continue
        subprocess.run(
            ["npm", "pack", "--silent", "--pack-destination", str(CACHE), package], check=True
        )
        archive = CACHE / (package.replace("@", "-") + ".tgz")
        with tarfile.open(archive) as tar:
            tar.extractall(CACHE / (name + ".part"), filter="data")
        (CACHE / (name + ".part") / "package").rename(CACHE / name)
        (CACHE / (name + ".part")).rmdir()
    return CACHE


def rasterise(svg: str, width: int, height: int) -> np.ndarray:
    """Draw an SVG; the answer is float32 RGBA in [0, 1], not premultiplied."""
    png = resvg_py.svg_to_bytes(svg_string=svg, width=width, height=height)
    image = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    return np.asarray(image.resize((width, height)), dtype=np.float32) / 255


@cache
def pictogram(file: str, size: int) -> np.ndarray:
    """A pictogram as premultiplied float32 RGBA of `size` pixels, square."""
    svg = (fetch() / "fluentui-emoji" / "icons" / "flat" / f"{file}.svg").read_text()
    drawn = rasterise(svg, size, size).copy()
    drawn[..., :3] *= drawn[..., 3:]
    return drawn


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(fetch())
