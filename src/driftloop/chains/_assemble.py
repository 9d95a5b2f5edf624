"""Rows put together: which trajectory, which round, which start; what contradicts is kept out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ..prompts import name_prompt
from ..seeds import digest
from ..steps import Content, Trajectory
from ._rows import MAX_GAP, Account, Numbered, Row

ARM = "imported"


@dataclass
class Round:
    """What is known of one round."""

    text: Row | None = None
    image: Row | None = None
    failure: Row | None = None


@dataclass
class Chain:
    """One trajectory, put together."""

    name: Trajectory
    start: Content | None
    """None where it is not known."""
    rounds: dict[int, Round]
    """By number, from 1, in order; some may be missing."""
    start_notes: tuple[str, ...] = ()
    """What was done to a picture that it starts from."""


class _Key(NamedTuple):
    arm: str
    item: str | None
    twin: str | None


@dataclass
class _Draft:
    rows: list[Row] = field(default_factory=list)
    start: Content | None = None
    start_notes: tuple[str, ...] = ()
    rounds: dict[int, Round] = field(default_factory=dict)


def assemble(
    rows: Iterable[Row], account: Account, *, numbered: Numbered, first: int | None
) -> list[Chain]:
    """Put rows together as trajectories.

    Args:
        rows: In any order.
        account: Told of what is kept out and of what was decided.
        numbered: What the numbers count.
        first: The number of the first round, or step, where it is not 1 and not 0.
    """
    drafts: dict[_Key, _Draft] = {}
    for row in rows:
        item = row.trajectory or row.prompt_id or row.prompt or row.prompt_image
        drafts.setdefault(_Key(row.arm or ARM, item, row.twin), _Draft()).rows.append(row)
    for draft in drafts.values():
        draft.rows.sort(key=lambda row: row.number)
    offset = _offset(list(drafts.values()), account, numbered, first)
    for draft in drafts.values():
        _fill(draft, account, numbered, offset)
    kept = {key: draft for key, draft in drafts.items() if draft.rounds}
    bare = sum(draft.start is not None for draft in drafts.values() if not draft.rounds)
    if bare:
        account.notes.append(f"chains that have a start and nothing else: {bare:,}, left out")
    _note_gaps(kept.values(), account)
    return list(_named(kept, account))


def _offset(drafts: list[_Draft], account: Account, numbered: Numbered, first: int | None) -> int:
    """What is added to a number so that 1 is the first that was played and 0 is the start."""
    if first is not None:
        return 1 - first
    least = min((draft.rows[0].number for draft in drafts), default=0)
    if least > 1:
        account.notes.append(
            f"the first {numbered} is numbered {least}: {numbered}s keep their numbers, and what "
            f"came before is missing; --first {least} counts them from 1"
        )
    if any(_is_round(draft) for draft in drafts):
        account.notes.append(
            f"{numbered}s are counted from 0 in the source and from 1 here; --first 1 would take 0 "
            f"as the start"
        )
        return 1
    return 0


def _is_round(draft: _Draft) -> bool:
    """Whether what is numbered 0 is no start: it has two contents, or the start has another."""
    zero = [row for row in draft.rows if row.number == 0]
    texts = {row.text for row in zero} - {None}
    images = {row.image for row in zero} - {None}
    if texts and images:
        return True
    prompts = {row.prompt for row in draft.rows[:1]} - {None}
    starts = {row.prompt_image for row in draft.rows[:1]} - {None}
    if prompts or starts:
        return bool(texts - prompts) or bool(images - starts)
    return False


def _fill(draft: _Draft, account: Account, numbered: Numbered, offset: int) -> None:
    for row in draft.rows:
        # The picture is what the chain started from; a text beside it describes it.
        if row.prompt_image:
            draft.start = Content("image", row.prompt_image)
            draft.start_notes = row.prompt_notes
            break
        if row.prompt and row.prompt.strip():
            draft.start = Content("text", row.prompt)
            break
    last = 0
    for row in draft.rows:
        place = row.number + offset
        if place < 0:
            account.reject(row.place, f"the {numbered} comes before the first: {row.number}")
            continue
        if place == 0:
            _begin(draft, row, account)
            continue
        number = (place + 1) // 2 if numbered == "step" else place
        # Chains that begin late are allowed to: that is one decision, not a gap in each.
        if draft.rounds and number - last > MAX_GAP:
            account.reject(
                row.place,
                f"the gap before the round is too long: {number} follows {last}, and at most "
                f"{MAX_GAP:,} rounds may be missing",
            )
            continue
        if not draft.rounds and number > MAX_GAP:
            account.reject(
                row.place,
                f"the chain begins too late: round {number}; --first says which number comes first",
            )
            continue
        if _place(draft.rounds.setdefault(number, Round()), row, account):
            last = number
        elif draft.rounds[number] == Round():
            del draft.rounds[number]


def _begin(draft: _Draft, row: Row, account: Account) -> None:
    contents = []
    if row.text is not None:
        contents.append(Content("text", row.text))
    if row.image is not None:
        contents.append(Content("image", row.image))
    for content in contents:
        if content.kind == "text" and not content.value.strip():
            account.reject(row.place, "the start is an empty text")
        elif draft.start is None:
            draft.start = content
            draft.start_notes = row.image_notes if content.kind == "image" else ()
        elif draft.start != content:
            account.reject(row.place, "the chain has a start already, another one", content.value)


def _place(round: Round, row: Row, account: Account) -> bool:
    """Put a row's contents where there are none yet."""
    placed = False
    for kind in ("text", "image", "failure"):
        value, there = getattr(row, kind), getattr(round, kind)
        if value is None:
            continue
        if there is None:
            setattr(round, kind, row)
            placed = True
            continue
        same = "the same" if getattr(there, kind) == value else "another"
        noun = {"text": "text", "image": "picture", "failure": "failure"}[kind]
        account.reject(
            row.place,
            f"the round has a {noun} already: {same}, from {there.place}",
            value,
            "picture" if kind == "image" else "row",
        )
    return placed


def _note_gaps(drafts: Iterable[_Draft], account: Account) -> None:
    gaps = missing = 0
    for draft in drafts:
        absent = max(draft.rounds) - min(draft.rounds) + 1 - len(draft.rounds)
        gaps += absent > 0
        missing += absent
    if gaps:
        account.notes.append(
            f"rounds that are missing between others: {missing:,} in {gaps:,} trajectories; they "
            f"stay missing, and no measure fills them in"
        )


def _named(drafts: dict[_Key, _Draft], account: Account) -> Iterator[Chain]:
    """Give each chain the id of its prompt and the number of its twin."""
    contents: dict[str, Content | None] = {}
    groups: dict[tuple[str, str], list[tuple[_Key, _Draft]]] = {}
    apart = set()
    for key, draft in drafts.items():
        given = next((row.prompt_id for row in draft.rows if row.prompt_id), None)
        id = given or _prompt_id(draft.start) or key.item or "chain"
        if draft.start is None and id in contents:
            # Most likely the same prompt, whose row is missing here.
            pass
        elif contents.setdefault(id, draft.start) is None:
            contents[id] = draft.start
        elif contents[id] != draft.start and draft.start is not None:
            apart.add(id)
            id = f"{id}~{digest(*draft.start).hex()[:4]}"
            contents[id] = draft.start
        groups.setdefault((key.arm, id), []).append((key, draft))
    if apart:
        some = ", ".join(sorted(apart)[:5])
        account.notes.append(
            f"prompts that have more than one content under one id: {len(apart):,} ({some}); each "
            f"content became a prompt of its own"
        )
    numbers = _twins(groups)
    for (arm, id), members in groups.items():
        for at, (key, draft) in enumerate(members):
            twin = numbers[key.twin] if numbers is not None and key.twin else at
            rounds = dict(sorted(draft.rounds.items()))
            notes = draft.start_notes
            yield Chain(Trajectory(arm, id, twin), contents[id], rounds, notes)


def _prompt_id(start: Content | None) -> str | None:
    if start is None:
        return None
    return name_prompt(start.value) if start.kind == "text" else f"picture-{start.value[:8]}"


def _twins(groups: dict[tuple[str, str], list[tuple[_Key, _Draft]]]) -> dict[str, int] | None:
    """Twins by their own numbers, counted from 0; None where these are no numbers or repeat."""
    numbers: dict[str, int] = {}
    for members in groups.values():
        names = [key.twin or "" for key, _ in members]
        if not all(name.isdecimal() and len(name) <= 6 for name in names):
            return None
        found = [int(name) for name in names]
        if len({*found}) < len(found):
            return None
        numbers |= zip(names, found, strict=True)
    least = min(numbers.values(), default=0)
    return {name: number - least for name, number in numbers.items()}
