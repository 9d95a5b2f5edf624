"""A reading of the scene off a vision tower, trained along with it and thrown away after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from driftloop.postcards import Scene
from training.common import DEVICE
from training.labels import FORMS, NAMES, PLACES, SETTING_SIZES, TINTS, label
from training.render import stamps

PATCH, SIDE = 16, 128
TOWER = {
    "hidden_size": 192,
    "intermediate_size": 768,
    "num_hidden_layers": 5,
    "num_attention_heads": 6,
    "image_size": SIDE,
    "patch_size": PATCH,
    "hidden_act": "gelu",
}
"""The shape of every vision tower here, so that one may start from another's weights."""


class View(NamedTuple):
    """What there is to be seen in n pictures, as numbers of classes."""

    setting: torch.Tensor
    """As in :class:`training.labels.Labels`."""
    patches: torch.Tensor
    """Object (0: none), form, place and tint at the centre of each patch, (n, patches, 4)."""


def view(scenes: Sequence[Scene]) -> View:
    """What there is to be seen in pictures of scenes."""
    return View(label(scenes).setting, patches(scenes))


class Sight(nn.Module):
    """Reads the scene off each patch of a vision tower.

    A caption names what it likes in the order it likes, which teaches the tower slowly what
    stands where. Asking every patch does it at once, and puts what, how and where into the very
    token that a language model attends to.

    Args:
        tower: Whose last hidden states (n, 1 + patches, width) are read.
        width: Of the tower.
    """

    def __init__(self, tower: nn.Module, width: int = TOWER["hidden_size"]) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []
        tower.register_forward_hook(
            lambda module, given, result: self.seen.__setitem__(
                slice(None), [result.last_hidden_state]
            )
        )
        self.parts = (len(NAMES) + 1, len(FORMS), len(PLACES), len(TINTS))
        self.patch = nn.Linear(width, sum(self.parts))
        self.overall = nn.Linear(width, sum(SETTING_SIZES))
        self.to(DEVICE)

    def forward(self, truth: View) -> torch.Tensor:
        """The loss of reading this off what the tower has just made of the pictures."""
        seen = self.seen.pop()
        features = nn.functional.layer_norm(seen[:, 1:], seen.shape[-1:])
        ce = nn.functional.cross_entropy
        overall = self.overall(features.mean(1)).float().split(SETTING_SIZES, -1)
        loss = torch.stack([ce(part, truth.setting[:, i]) for i, part in enumerate(overall)]).mean()
        labels = truth.patches
        covered = labels[..., 0] > 0
        parts = self.patch(features).float().split(self.parts, -1)
        loss = loss + 0.3 * ce(parts[0][~covered], labels[~covered][:, 0])
        for part, logits in enumerate(parts):
            loss = loss + ce(logits[covered], labels[covered][:, part])
        return loss


def patches(scenes: Sequence[Scene]) -> torch.Tensor:
    """What stands at the centre of each patch; see `View`."""
    across = SIDE // PATCH
    labels = torch.zeros(len(scenes), across, across, 4, dtype=torch.long)
    for i, scene in enumerate(scenes):
        for thing in scene.objects:
            form = FORMS.index((thing.size, thing.count))
            row = (NAMES[thing.name], form, PLACES.index(thing.place), TINTS.index(thing.tint))
            for left, top, size in stamps(thing):
                rows, columns = (
                    slice((a + PATCH // 2 - 1) // PATCH, (a + size + PATCH // 2 - 1) // PATCH)
                    for a in (top, left)
                )
                labels[i, rows, columns] = torch.tensor(row)
    return labels.flatten(1, 2)
