"""Worlds whose dynamics are known, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
Draw = Callable[..., tuple[Floats, Ints]]


def unit(x: Floats) -> Floats:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def attractors(k: int, d: int, near: float, rng: np.random.Generator) -> Floats:
    """*k* unit vectors, each at cosine distance ``1 - near`` from every other."""
    axes, _ = np.linalg.qr(rng.normal(size=(d, d)))
    return np.sqrt(near) * axes[0] + np.sqrt(1 - near) * axes[1 : k + 1]


def world(
    seed: int, *, k: int = 6, near: float = 0.6, pull: float = 0.6, escape: float = 0.1,
    noise: float = 0.4, loyal: float = 0.0, prompts: int = 24, twins: int = 2, rounds: int = 60,
    d: int = 64,
) -> tuple[Floats, Ints]:  # fmt: skip
    """Trajectories that are drawn to attractors, *near* each other's cosine.

    Every prompt has an attractor of its own, at random. A share of the trajectories is *loyal* to
    it for ever; the others begin at any, and leave for any other at the *escape* rate. A round
    moves a state by the share *pull* of its way, and what is seen of it has *noise* on it.

    Returns:
        ``(trajectories, rounds, d)`` float32, and the prompt of each.
    """
    rng = np.random.default_rng(seed)
    places = attractors(k, d, near, rng)
    z = np.repeat(unit(rng.normal(size=(prompts, 1, d))), twins, axis=1)
    own = np.repeat(rng.integers(k, size=(prompts, 1)), twins, axis=1)
    stays = rng.random((prompts, twins)) < loyal
    basin = np.where(stays, own, rng.integers(k, size=(prompts, twins)))
    states = []
    for _ in range(rounds):
        leaves = (rng.random((prompts, twins)) < escape) & ~stays
        basin[leaves] = rng.integers(k, size=int(leaves.sum()))
        z = z + pull * (places[basin] - z)
        states.append(unit(z + noise / np.sqrt(d) * rng.normal(size=z.shape)))
    x = np.stack(states, axis=2).reshape(prompts * twins, rounds, d)
    return x.astype(np.float32), np.repeat(np.arange(prompts), twins)


def still(seed: int, *, noise: float = 0.3, prompts: int = 24, twins: int = 2, rounds: int = 60,
          d: int = 64) -> tuple[Floats, Ints]:  # fmt: skip
    """Every prompt stays where it is."""
    rng = np.random.default_rng(seed)
    z = np.repeat(unit(rng.normal(size=(prompts, 1, d))), twins, axis=0)
    x = unit(z + noise / np.sqrt(d) * rng.normal(size=(prompts * twins, rounds, d)))
    return x.astype(np.float32), np.repeat(np.arange(prompts), twins)


def shuffled(seed: int, x: Floats) -> Floats:
    """Every round's states dealt out anew: what the *shuffled* control does."""
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(len(x))[:, None], x.shape[1]), axis=0)
    return np.take_along_axis(x, order[:, :, None], axis=0)


def corpus(
    seed: int, *, texts: int = 24, prompts: int = 24, twins: int = 2, rounds: int = 60, d: int = 64
) -> tuple[Floats, Ints]:
    """What the *random* control does: every state is one of a few texts, whatever came before."""
    rng = np.random.default_rng(seed)
    known = unit(rng.normal(size=(texts, d))).astype(np.float32)
    return known[rng.integers(texts, size=(prompts * twins, rounds))], np.repeat(
        np.arange(prompts), twins
    )


def wander(
    seed: int, *, step: float = 0.3, noise: float = 0.3, prompts: int = 24, twins: int = 2,
    rounds: int = 60, d: int = 64,
) -> tuple[Floats, Ints]:  # fmt: skip
    """Every trajectory walks away from its prompt, to nowhere in particular."""
    rng = np.random.default_rng(seed)
    z = np.repeat(unit(rng.normal(size=(prompts, 1, d))), twins, axis=0)
    states = []
    for _ in range(rounds):
        z = unit(z + step / np.sqrt(d) * rng.normal(size=z.shape))
        states.append(unit(z + noise / np.sqrt(d) * rng.normal(size=z.shape)))
    return np.concatenate(states, axis=1).astype(np.float32), np.repeat(np.arange(prompts), twins)


def cycle(
    seed: int, *, period: int = 2, swing: float = 1.0, kept: float = 0.2, noise: float = 0.0,
    shared: bool = False, prompts: int = 24, twins: int = 2, rounds: int = 60, d: int = 64,
) -> tuple[Floats, Ints]:  # fmt: skip
    """Trajectories that alternate between the places of a cycle, and go nowhere else.

    A trajectory has *kept* of its variance from its prompt, and the rest is its own. To that each
    of the cycle's places adds a vector of length *swing*. It is the trajectory's own, or the same
    for all, as a change of register is: then only every other place has one, and strangers come
    closer and part again in each turn.
    """
    rng = np.random.default_rng(seed)
    own = unit(rng.normal(size=(prompts, twins, d)))
    z = np.sqrt(kept) * unit(rng.normal(size=(prompts, 1, d))) + np.sqrt(1 - kept) * own
    places = swing * unit(
        rng.normal(size=(1, 1, period, d) if shared else (*own.shape[:2], period, d))
    )
    if shared:
        places[:, :, ::2] = 0.0
    x = z[:, :, None] + places[:, :, np.arange(rounds) % period]
    x = unit(x + noise / np.sqrt(d) * rng.normal(size=x.shape)).reshape(prompts * twins, rounds, d)
    return x.astype(np.float32), np.repeat(np.arange(prompts), twins)


def alternating(
    seed: int, *, period: int = 2, swing: float = 1.0, **sizes: Any
) -> tuple[Floats, Ints]:
    """:func:`world`, whose states alternate on top of it, each trajectory in a way of its own."""
    x, prompts = world(seed, **sizes)
    rng = np.random.default_rng(seed + 1_000_000)
    places = swing * unit(rng.normal(size=(len(x), period, x.shape[2])))
    return unit(x + places[:, np.arange(x.shape[1]) % period]).astype(np.float32), prompts


def outliers(
    seed: int, *, share: float = 0.1, noise: float = 0.4, kept: float = 0.5, prompts: int = 24,
    twins: int = 2, rounds: int = 60, d: int = 64,
) -> tuple[Floats, Ints]:  # fmt: skip
    """Prompts of which *kept* is left, but for a share of them that nothing is left of."""
    rng = np.random.default_rng(seed)
    left = np.where(rng.random((prompts, 1, 1)) < share, 0.0, kept)
    own = unit(rng.normal(size=(prompts, twins, d)))
    z = np.sqrt(left) * unit(rng.normal(size=(prompts, 1, d))) + np.sqrt(1 - left) * own
    x = z[:, :, None] + noise / np.sqrt(d) * rng.normal(size=(prompts, twins, rounds, d))
    x = unit(x).reshape(prompts * twins, rounds, d)
    return x.astype(np.float32), np.repeat(np.arange(prompts), twins)


def missing(seed: int, draw: Draw, rounds: Sequence[int], **sizes: Any) -> tuple[Floats, Ints]:
    """Another world, some rounds of which (from 1) nobody recorded."""
    x, prompts = draw(seed, **sizes)
    x[:, [round - 1 for round in rounds]] = np.nan
    return x, prompts


def copied(seed: int, draw: Draw, **sizes: Any) -> tuple[Floats, Ints]:
    """Another world, in which every twin is a copy of the first: a loop without randomness."""
    x, prompts = draw(seed, **sizes)
    return x[np.searchsorted(prompts, prompts)], prompts


def factorial(
    seed: int, *, prompt: float = 0.0, arm: float = 0.0, both: float = 0.0, dice: float = 0.0,
    uneven: float = 0.0, prompts: int = 24, arms: int = 2, twins: int = 2, d: int = 64,
) -> tuple[Floats, dict[str, Ints]]:  # fmt: skip
    """End positions of crossed arms, with the variance of each part where that of luck is 1.

    Arms are what they are; prompts, what a prompt and an arm do together, and luck are drawn.
    *dice* is luck that a twin has in all arms; prompts are further out than others where they are
    *uneven*, by a log-normal factor.

    Returns:
        ``(prompts * arms * twins, d)``, and the prompt and the arm of each.
    """
    rng = np.random.default_rng(seed)
    shape = (prompts, arms, twins, d)

    def centred(x: Floats) -> Floats:
        return (x - x.mean(axis=1, keepdims=True)) * np.sqrt(arms / (arms - 1))

    of_arm = centred(rng.normal(size=(1, arms, 1, d)))
    of_arm /= np.sqrt((of_arm**2).mean())
    far = np.exp(uneven * rng.normal(size=(prompts, 1, 1, 1)) - uneven**2)
    x = (
        np.sqrt(prompt) * far * rng.normal(size=(prompts, 1, 1, d))
        + np.sqrt(arm) * of_arm
        + np.sqrt(both) * centred(rng.normal(size=(prompts, arms, 1, d)))
        + np.sqrt(dice) * rng.normal(size=(prompts, 1, twins, d))
        + np.sqrt(1 - dice) * rng.normal(size=shape)
    )
    return x.reshape(-1, d), crossed(prompts, arms, twins)


def ends(
    seed: int, *, k: int = 4, loyal: float = 0.5, prompts: int = 24, arms: int = 2, twins: int = 2,
    d: int = 64,
) -> tuple[Floats, dict[str, Ints]]:  # fmt: skip
    """Ends in *k* motifs: a share of the trajectories in their prompt's own, the others in any."""
    rng = np.random.default_rng(seed)
    shape = (prompts, arms, twins)
    own = np.where(rng.random(shape) < loyal, rng.integers(k, size=(prompts, 1, 1)), -1)
    at = np.where(own < 0, rng.integers(k, size=shape), own)
    return np.eye(k, d)[at.ravel()], crossed(prompts, arms, twins)


def crossed(prompts: int, arms: int, twins: int) -> dict[str, Ints]:
    index = np.indices((prompts, arms, twins)).reshape(3, -1)
    return {"prompt": index[0], "arm": index[1]}
