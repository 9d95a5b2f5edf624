"""Worlds whose dynamics are known, as arrays."""

from __future__ import annotations

import numpy as np


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def attractors(k: int, d: int, near: float, rng: np.random.Generator) -> np.ndarray:
    """*k* unit vectors, each at cosine distance ``1 - near`` from every other."""
    axes, _ = np.linalg.qr(rng.normal(size=(d, d)))
    return np.sqrt(near) * axes[0] + np.sqrt(1 - near) * axes[1 : k + 1]


def world(
    seed: int, *, k: int = 6, near: float = 0.6, pull: float = 0.6, escape: float = 0.1,
    noise: float = 0.4, by_prompt: bool = False, prompts: int = 24, twins: int = 2,
    rounds: int = 60, d: int = 64,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Trajectories that are drawn to attractors; ``(trajectories, rounds, d)`` and their prompts.

    With *by_prompt* a prompt's attractor is its own for ever; else each twin has one at random,
    and leaves it for another at random at the escape rate.
    """
    rng = np.random.default_rng(seed)
    places = attractors(k, d, near, rng)
    z = np.repeat(unit(rng.normal(size=(prompts, 1, d))), twins, axis=1)
    basin = rng.integers(k, size=(prompts, 1 if by_prompt else twins))
    basin = np.broadcast_to(basin, (prompts, twins)).copy()
    states = []
    for _ in range(rounds):
        if not by_prompt:
            leaves = rng.random((prompts, twins)) < escape
            basin[leaves] = rng.integers(k, size=int(leaves.sum()))
        z = z + pull * (places[basin] - z)
        states.append(unit(z + noise / np.sqrt(d) * rng.normal(size=z.shape)))
    x = np.stack(states, axis=2).reshape(prompts * twins, rounds, d)
    return x.astype(np.float32), np.repeat(np.arange(prompts), twins)


def still(seed: int, *, noise: float = 0.3, prompts: int = 24, twins: int = 2, rounds: int = 60,
          d: int = 64) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Every prompt stays where it is."""
    rng = np.random.default_rng(seed)
    z = np.repeat(unit(rng.normal(size=(prompts, 1, d))), twins, axis=0)
    x = unit(z + noise / np.sqrt(d) * rng.normal(size=(prompts * twins, rounds, d)))
    return x.astype(np.float32), np.repeat(np.arange(prompts), twins)


def shuffled(seed: int, x: np.ndarray) -> np.ndarray:
    """Every round's states dealt out anew: what the *shuffled* control does."""
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(len(x))[:, None], x.shape[1]), axis=0)
    return np.take_along_axis(x, order[:, :, None], axis=0)
