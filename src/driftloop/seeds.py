"""Seeds from names, never from order or arithmetic.

A seed is a hash of *what is being computed*: it does not change when prompts are re-ordered,
arms are added or a run is resumed, and two different steps never share one by accident
(id * 100 + round does, from round 100 on). The arm is left out on purpose: arms share their
seeds (common random numbers), so that a difference between arms is theirs and not the dice's.
"""

from __future__ import annotations

from hashlib import blake2b

SEED_BITS = 63
"""Seeds fit SQLite's signed integers and every framework's generator."""


def digest(*parts: object) -> bytes:
    """Hash the parts so that no two different lists of parts run together."""
    pieces: list[bytes] = []
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        pieces += (len(data).to_bytes(8, "big"), data)
    return blake2b(b"".join(pieces), digest_size=16).digest()


def seed(root: int, prompt: str, twin: int, round: int, slot: str) -> int:
    """Return the seed of one step.

    Args:
        root: The study's seed.
        prompt: The content of the prompt (its text, or the digest of its image).
        twin: Which twin, from 0.
        round: Which round, from 1.
        slot: Which turn of the round: its role, e.g. ``"generator"``, or a name of its own.

    Returns:
        An integer in ``[0, 2**63)``.

    >>> seed(7, "a ship at sea", 0, 1, "generator") == seed(7, "a ship at sea", 0, 1, "generator")
    True
    >>> seed(7, "a ship at sea", 0, 1, "generator") == seed(7, "a ship at sea", 1, 1, "generator")
    False
    """
    value = int.from_bytes(digest("seed", root, prompt, twin, round, slot)[:8], "big")
    return value >> (64 - SEED_BITS)
