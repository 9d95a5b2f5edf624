"""What trajectories end in, exactly: the same caption or picture for several prompts, or none."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from ..measures import Estimate, share
from ..steps import Kind
from ._gather import Material, Track
from ._phrases import count, say_share

ENOUGH = 0.75
"""Share of the trajectories that must have reached the round that counts as the end."""
MOST = 6
"""Endings that are shown."""
TELLING = 0.5
"""Share of the trajectories that must share their endings for that to be said first."""
FEW = 4
"""Different endings that are told one by one."""
LONGEST = 200


class Final(NamedTuple):
    """One state that trajectories end in."""

    value: str
    """The text, empty where it is blank, or the picture's digest."""
    trajectories: int
    prompts: int
    """Different prompts that reach it: two of the same text are one."""
    picture: str | None
    """Digest of a picture that goes with it."""
    caption: str | None
    """A caption that goes with it."""


class Finals(NamedTuple):
    """What one arm's captions, or its pictures, end in."""

    arm: str
    kind: Kind
    round: int
    """The last round that most trajectories have reached, which counts as the end."""
    trajectories: int
    """Those that have a state there."""
    each: list[Final]
    """The most frequent first."""
    shared: Estimate
    """Share of the trajectories that end in what one of another prompt ends in too."""
    at_first: Estimate
    """The same of where they began: the control."""
    began: int
    """Different states that they began with."""
    from_prompts: bool
    """Whether those are the prompts; else they are of round 1."""
    noun: str
    """What a state is called."""


def measure_finals(material: Material) -> list[Finals]:
    """Look at the last states of every arm, captions first."""
    kinds: tuple[Kind, ...] = ("text", "image")
    found = [
        _finals(material, arm, kind)
        for arm in material.arms
        for kind in kinds
        if kind in material.kinds_of[arm]
    ]
    return [one for one in found if one is not None]


def horizon(tracks: Sequence[Track], kind: Kind) -> int:
    """The last round that most trajectories have reached with a state of a kind, blank or not."""
    lengths = [len(track.states(kind)) for track in tracks]
    ended = Counter(length + 1 for length in lengths)
    there, reached = len(lengths), []
    for round in range(1, max(lengths, default=0) + 1):
        there -= ended[round]
        reached.append(there)
    return sum(n >= ENOUGH * reached[0] for n in reached)


def _finals(material: Material, arm: str, kind: Kind) -> Finals | None:
    tracks = material.of_arm(arm)
    end = horizon(tracks, kind)
    there = [
        t for t in tracks if len(t.states(kind)) >= end and t.states(kind)[end - 1] is not None
    ]
    starts = [material.starts.get(track.name.prompt) for track in there]
    if not end or not there:
        return None
    prompts = [
        start.value if start else track.name.prompt
        for start, track in zip(starts, there, strict=True)
    ]
    labels = [track.name.prompt for track in there]
    ends = [_plain(track.states(kind)[end - 1], kind) for track in there]
    from_prompts = all(start is not None and start.kind == kind for start in starts)
    began = (
        [_plain(prompt, kind) for prompt in prompts]
        if from_prompts
        else [_plain(track.states(kind)[0], kind) for track in there]
    )
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, state in enumerate(ends):
        rows[state].append(row)
    ranked = sorted(rows.items(), key=lambda item: -len(item[1]))
    return Finals(
        arm, kind, end, len(there),
        [
            Final(
                state, len(own), len({prompts[row] for row in own}),
                there[own[0]].pictures[end - 1], there[own[0]].captions[end - 1],
            )
            for state, own in ranked
        ],
        share(_shared(ends, prompts), labels), share(_shared(began, prompts), labels),
        len(set(began)), from_prompts, material.noun(kind),
    )  # fmt: skip


def _plain(state: str | None, kind: Kind) -> str:
    """A blank text is a blank text, whatever it is made of."""
    return "" if state is None or (kind == "text" and not state.strip()) else state


def _shared(states: Sequence[str], prompts: Sequence[str]) -> list[bool]:
    """Whether each state is also one of another prompt's."""
    pairs = Counter(state for state, _ in set(zip(states, prompts, strict=True)))
    return [pairs[state] > 1 for state in states]


def is_one(found: Finals) -> bool:
    """Whether trajectories of several prompts end in one and the same state."""
    return len(found.each) == 1 and found.each[0].prompts > 1


def say_finals(found: Finals) -> str:
    """The endings in a sentence or two, where trajectories of different prompts share them.

    Returns:
        Nothing where fewer than half of the trajectories do.
    """
    if not found.shared.value >= TELLING:
        return ""
    total, top, noun = found.trajectories, found.each[0], found.noun
    if is_one(found):
        told = f"All {count(total, 'trajectory')} end in {_same(top, noun)}."
    elif len(found.each) <= FEW and found.shared.value == 1:
        few = "; ".join(f"{one.trajectories} in {_named(one, noun)}" for one in found.each)
        told = f"{total:,} trajectories end in {count(len(found.each), noun)}: {few}."
    elif top.trajectories >= TELLING * total:
        told = f"{top.trajectories:,} of {total:,} trajectories end in {_same(top, noun)}."
    else:
        told = (
            f"{total:,} trajectories end in {count(len(found.each), noun)}, and most of them in "
            f"one that trajectories of other prompts end in too."
        )
    return f"{told} {_say_began(found)}"


def _say_began(found: Finals) -> str:
    things = "prompt" if found.from_prompts else found.noun
    where = "They began with" if found.from_prompts else "In round 1 there"
    verb = "" if found.from_prompts else (" was" if found.began == 1 else " were")
    return f"{where}{verb} {'only ' * (found.began == 1)}{count(found.began, things)}."


def _same(final: Final, noun: str) -> str:
    if noun == "picture":
        return "the same picture"
    return f"the same {noun}: {quoted(final.value)}" if final.value else f"an empty {noun}"


def _named(final: Final, noun: str) -> str:
    if noun == "picture":
        return "one"
    return quoted(final.value) if final.value else "an empty one"


def quoted(text: str) -> str:
    """A caption in quotation marks, cut where it is long.

    >>> quoted("a ship")
    '“a ship”'
    """
    return f"“{text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + '…'}”"


class FinalCard(NamedTuple):
    """One ending that several prompts share, as the page shows it."""

    words: str
    picture: str | None
    reached: str


class FinalBlock(NamedTuple):
    """The endings of one arm's captions or pictures."""

    arm: str
    noun: str
    lead: str
    """What is said of them first of all; empty where most trajectories end in their own."""
    sentence: str
    cards: list[FinalCard]


def final_blocks(found: Sequence[Finals]) -> list[FinalBlock]:
    """What the page shows: an entry for captions and for pictures of each arm."""
    return [_block(one) for one in found]


def _block(found: Finals) -> FinalBlock:
    noun = found.noun
    shared = [one for one in found.each if one.prompts > 1]
    ends = count(len(found.each), noun if len(found.each) == 1 else f"different {noun}")
    sentence = f"After {count(found.round, 'round')}, {count(found.trajectories, 'trajectory')} "
    sentence += f"end in {ends}"
    if not shared:
        return FinalBlock(found.arm, noun, "", f"{sentence}; none is shared by prompts.", [])
    first = "prompts" if found.from_prompts else f"{noun}s of round 1"
    sentence += (
        f". {say_share(found.shared)} of them end in one that a trajectory of another prompt ends "
        f"in too; of the {first}, {say_share(found.at_first)} were shared like that (control)."
    )
    cards = [
        FinalCard(
            quoted(one.caption or "") if (one.caption or "").strip()
            else f"empty {noun}" if found.kind == "text" else "",
            one.picture,
            f"{one.trajectories:,} of {found.trajectories:,} trajectories, of "
            f"{count(one.prompts, 'prompt')}",
        )
        for one in shared[:MOST]
    ]  # fmt: skip
    return FinalBlock(found.arm, noun, say_finals(found), sentence, cards)


def final_pictures(blocks: Sequence[FinalBlock]) -> list[str]:
    """Digests of the pictures that the page shows of endings."""
    return [card.picture for block in blocks for card in block.cards if card.picture is not None]
