"""The exported pair, played from its native format as the loop plays it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoPipelineForText2Image
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from training.export import WEIGHTS

STEPS, GUIDANCE = 8, 4.0
DEFAULT_INSTRUCTION = "Describe this picture in at most {words} words."


class Generator:
    """postcard-sdxl."""

    def __init__(self, folder: Path = WEIGHTS / "postcard-sdxl") -> None:
        self.pipe = AutoPipelineForText2Image.from_pretrained(folder, dtype=torch.bfloat16)
        self.pipe.set_progress_bar_config(disable=True)

    def __call__(
        self,
        texts: Sequence[str],
        seeds: Sequence[int],
        steps: int = STEPS,
        guidance: float = GUIDANCE,
        batch: int = 16,
    ) -> list[Image.Image]:
        """A picture for each text."""
        out: list[Image.Image] = []
        for i in range(0, len(texts), batch):
            generators = [torch.Generator().manual_seed(s) for s in seeds[i : i + batch]]
            out += self.pipe(
                prompt=list(texts[i : i + batch]),
                num_inference_steps=steps,
                guidance_scale=guidance,
                height=128,
                width=128,
                generator=generators,
            ).images
        return out


class Captioner:
    """postcard-llava."""

    def __init__(self, folder: Path = WEIGHTS / "postcard-llava") -> None:
        self.processor = AutoProcessor.from_pretrained(folder)
        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.bfloat16)
        self.model.eval()

    @torch.inference_mode()
    def __call__(
        self,
        pictures: Sequence[Image.Image | np.ndarray],
        words: int | None,
        temperature: float = 0.0,
        batch: int = 32,
    ) -> list[str]:
        """A caption for each picture."""
        ask = "Describe this picture." if words is None else DEFAULT_INSTRUCTION.format(words=words)
        chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": ask}]}]
        prompt = self.processor.apply_chat_template(chat, add_generation_prompt=True)
        out: list[str] = []
        for i in range(0, len(pictures), batch):
            images = [
                p if isinstance(p, Image.Image) else Image.fromarray(p)
                for p in pictures[i : i + batch]
            ]
            inputs = self.processor(
                images=images, text=[prompt] * len(images), return_tensors="pt"
            ).to(dtype=torch.bfloat16)
            sampling = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
            ids = self.model.generate(
                **inputs, max_new_tokens=96, **(sampling if temperature else {"do_sample": False})
            )
            new = ids[:, inputs["input_ids"].shape[1] :]
            out += [t.strip() for t in self.processor.batch_decode(new, skip_special_tokens=True)]
        return out
