"""Write the trained models into the package, in half precision."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from training import (
    assemble,
    train_autoencoder,
    train_clip,
    train_git,
    train_llava,
    train_text,
    train_turbo,
    train_unet,
)
from training.common import milestone
from training.record import history, write
from training.schedule import trained

WEIGHTS = Path(__file__).parents[1] / "src" / "driftloop" / "postcards" / "weights"


SHARED = {
    "autoencoder": train_autoencoder.checkpoint("decoder"),
    "text encoders": train_text.CHECKPOINT,
}


def export_generator(folder: Path, *, checkpoint: Path, few_steps: bool) -> None:
    """Write a generator around the UNet of a checkpoint."""
    pipeline = assemble.pipeline(trained(checkpoint)["average"], few_steps=few_steps)
    pipeline.to(torch.float16).save_pretrained(folder)
    # AutoencoderTiny writes a key that it warns about when it reads it.
    config = folder / "vae" / "config.json"
    kept = {k: v for k, v in json.loads(config.read_text()).items() if k != "block_out_channels"}
    config.write_text(json.dumps(kept, indent=2) + "\n")


PARTS: dict[str, dict[str, Path]] = {
    "postcard-sdxl": {**SHARED, "UNet": train_unet.checkpoint("prior")},
    "postcard-turbo": {**SHARED, "UNet": train_turbo.CHECKPOINT},
    "postcard-llava": {"LLaVA": train_llava.CHECKPOINT},
    "postcard-git": {"GIT": train_git.CHECKPOINT},
    "postcard-clip": {"CLIP": train_clip.CHECKPOINT},
}
"""The checkpoint of each part of each model."""
EXPORTS: dict[str, Callable[[Path], None]] = {
    "postcard-sdxl": partial(
        export_generator, checkpoint=train_unet.checkpoint("prior"), few_steps=False
    ),
    "postcard-turbo": partial(export_generator, checkpoint=train_turbo.CHECKPOINT, few_steps=True),
    "postcard-llava": train_llava.export,
    "postcard-git": train_git.export,
    "postcard-clip": train_clip.export,
}


def main() -> None:
    """Export some models or all; model cards that lie in the folders stay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=EXPORTS, default=list(EXPORTS))
    args = parser.parse_args()
    for name in args.only:
        job = EXPORTS[name]
        folder, part = WEIGHTS / name, WEIGHTS / f"{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        job(part)
        parts = {key: history(trained(path)) for key, path in PARTS[name].items()}
        write(part, parts)
        card = folder / "README.md"
        if card.exists():
            shutil.copy(card, part / "README.md")
        for path in part.rglob("*.safetensors"):
            path.chmod(0o644)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
        size = sum(f.stat().st_size for f in folder.rglob("*.safetensors")) / 1e6
        milestone(f"exported {name}: {size:.1f} MB of weights")
        print(f"{folder}: {size:.1f} MB")


if __name__ == "__main__":
    main()
