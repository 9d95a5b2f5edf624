"""Write the trained pair into the package, in half precision."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch

from training import assemble, train_captioner, train_unet
from training.common import load, milestone

WEIGHTS = Path(__file__).parents[1] / "src" / "driftloop" / "postcards" / "weights"


def export_generator(folder: Path) -> None:
    """Write postcard-sdxl."""
    state = load(train_unet.CHECKPOINT)
    weights = state["average"] if state else assemble.unet().state_dict()
    assemble.pipeline(weights).to(torch.float16).save_pretrained(folder)
    # AutoencoderTiny writes a key that it warns about when it reads it.
    config = folder / "vae" / "config.json"
    kept = {k: v for k, v in json.loads(config.read_text()).items() if k != "block_out_channels"}
    config.write_text(json.dumps(kept, indent=2) + "\n")


def main() -> None:
    """Export one model or both; model cards that lie in the folders stay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["postcard-sdxl", "postcard-llava"])
    args = parser.parse_args()
    jobs = {"postcard-sdxl": export_generator, "postcard-llava": train_captioner.export}
    for name, job in jobs.items():
        if args.only not in (None, name):
            continue
        folder, part = WEIGHTS / name, WEIGHTS / f"{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        job(part)
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
