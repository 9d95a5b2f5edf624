"""Rows put together: which trajectory, which round, which start; what contradicts is kept out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..prompts import name_prompt
from ..seeds import digest
from ..steps import Content, Trajectory
from ._apart import collides
from ._rows import MAX_GAP, Account, Kept, Numbered, Row

ARM = "imported"
NOUNS = {"text": "text", "image": "picture", "failure": "failure"}

TellApart = Callable[[Sequence[Sequence[Row]]], None]
"""Looks at chains in which several rows fall on one place; raises if they are several."""


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
    rows: Iterable[Row],
    account: Account,
    *,
    numbered: Numbered | None,
    first: int | None,
    tell_apart: TellApart | None = None,
) -> list[Chain]:
    """Put rows together as trajectories.

    Args:
        rows: In any order.
        account: Told of what is kept out and of what was decided.
        numbered: What the numbers count; None where the rows tell.
        first: The number of the first round, or step, where it is not 1 and not 0.
        tell_apart: Asked about chains in which rows fall on the same place.

    Raises:
        ChainError: Rows of several chains would be one.
    """
    drafts: dict[_Key, _Draft] = {}
    for row in rows:
        item = row.trajectory or row.prompt_id or row.prompt or row.prompt_image
        drafts.setdefault(_Key(row.arm or ARM, item, row.twin), _Draft()).rows.append(row)
    _place_nameless(drafts, account)
    for draft in drafts.values():
        draft.rows.sort(key=lambda row: row.number)
    clashing = [draft.rows for draft in drafts.values() if collides(draft.rows)]
    if clashing and tell_apart is not None:
        tell_apart(clashing)
    if numbered is None:
        numbered = _numbered(list(drafts.values()), account)
    offset = _offset(list(drafts.values()), account, numbered, first)
    pictured = {arm or ARM for arm in account.pictured}
    for key, draft in drafts.items():
        _fill(draft, account, numbered, offset)
        _settle_failures(draft, account, key.arm in pictured)
    kept = {key: draft for key, draft in drafts.items() if draft.rounds}
    _note_gaps(kept.values(), account)
    return list(_named(kept, account))


def _place_nameless(drafts: dict[_Key, _Draft], account: Account) -> None:
    """Rows that do not say their chain are of the only one, or are kept out."""
    for arm in {key.arm for key in drafts}:
        named = {key.item for key in drafts if key.arm == arm and key.item is not None}
        for key in [key for key in drafts if named and key.arm == arm and key.item is None]:
            rows = drafts.pop(key).rows
            only = key._replace(item=next(iter(named)))
            # A prompt that stands in its first row alone; a chain would be named in each.
            if len(named) == 1 and only in drafts and drafts[only].rows[0].trajectory is None:
                drafts[only].rows += rows
                account.tell("rows without a prompt, of the only chain", "", len(rows))
                continue
            for row in rows:
                account.reject(row.place, "nothing says which chain the row is of", row.text or "")


def _numbered(drafts: list[_Draft], account: Account) -> Numbered:
    """Steps, where texts and pictures alternate and no number has both."""
    if not account.stepwise:
        return "round"
    alternate = False
    for draft in drafts:
        parts = [(row.number % 2, kind) for row in draft.rows for kind in _parts(row)]
        texts, pictures = ({odd for odd, kind in parts if kind == k} for k in ("text", "image"))
        pictures |= {number % 2 for number in account.unread}
        # Even numbers are one and odd ones the other; a step that is missing changes nothing.
        if len(texts) > 1 or len(pictures) > 1 or texts & pictures:
            return "round"
        alternate = alternate or bool(texts and pictures)
    if not alternate:
        return "round"
    account.notes.append(
        "texts and pictures alternate, so the numbers count steps, two of them a round; "
        "--numbered round counts each as a round"
    )
    return "step"


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
    starts: list[Row] = []
    for row in draft.rows:
        place = row.number + offset
        if place < 0:
            account.reject(row.place, f"the {numbered} comes before the first: {row.number}")
            continue
        if place == 0:
            if _begin(draft, row, bool(starts), account):
                starts.append(row)
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
        if not _parts(row):
            # A row of the first round that has the start and nothing else.
            starts.append(row)
        elif _place(draft.rounds.setdefault(number, Round()), row, account):
            last = number
    if draft.rounds:
        account.used += len(starts)
        return
    for row in starts:
        account.reject(
            row.place, "the chain has a start and no round", row.text or row.prompt or ""
        )


def _parts(row: Row) -> dict[str, str]:
    """What a row has of its round, by kind."""
    found = {kind: getattr(row, kind) for kind in NOUNS}
    return {kind: value for kind, value in found.items() if value is not None}


def _begin(draft: _Draft, row: Row, begun: bool, account: Account) -> bool:
    """Take a row of the start; False where it is kept out."""
    parts = _parts(row)
    odd: list[tuple[str, str]] = []
    same = 0
    for kind, value in parts.items():
        if kind == "failure":
            odd.append((kind, f"the start failed: {value}"))
        elif kind == "text" and not value.strip():
            odd.append((kind, "the start is an empty text"))
        elif draft.start is None:
            draft.start = Content("text" if kind == "text" else "image", value)
            draft.start_notes = row.image_notes if kind == "image" else ()
        elif draft.start.value == value and draft.start.kind == kind:
            same += 1
        else:
            odd.append((kind, "the chain has a start already, another one"))
    if begun and same and same == len(parts):
        account.reject(row.place, "the row is an exact repeat", row.text or "", "repeat")
        return False
    _keep_out(row, odd, len(odd) == len(parts) > 0, account)
    return not odd or len(odd) < len(parts)


def _place(round: Round, row: Row, account: Account) -> bool:
    """Put a row's contents where there are none yet; whether the row has a part in the round."""
    odd: list[tuple[str, str]] = []
    repeats = 0
    parts = _parts(row)
    for kind, value in parts.items():
        there: Row | None = getattr(round, kind)
        if there is None:
            setattr(round, kind, row)
            continue
        same = getattr(there, kind) == value
        repeats += same
        told = "the same" if same else "another"
        odd.append((kind, f"the round has a {NOUNS[kind]} already: {told}, from {there.place}"))
    if repeats == len(parts):
        account.reject(row.place, odd[0][1], next(iter(parts.values())), "repeat")
        return False
    odd.sort(key=lambda part: getattr(getattr(round, part[0]), part[0]) == parts[part[0]])
    nothing = len(odd) == len(parts)
    _keep_out(row, odd, nothing, account)
    account.used += not nothing
    return not nothing


def _keep_out(row: Row, odd: list[tuple[str, str]], whole: bool, account: Account) -> None:
    """Tell of the parts of a row that have no place, as one row if it has no other part."""
    if whole:
        kind, reason = odd[0]
        account.reject(row.place, reason, getattr(row, kind))
        return
    for kind, reason in odd:
        what: Kept = "text" if kind == "text" else "picture" if kind == "image" else "failure"
        account.reject(row.place, reason, getattr(row, kind), what)


def _settle_failures(draft: _Draft, account: Account, pictured: bool) -> None:
    """Take a failure as one only where something is missing from its round."""
    for round in draft.rounds.values():
        if round.failure is None or round.text is None or (pictured and round.image is None):
            continue
        failed, round.failure = round.failure, None
        if failed in (round.text, round.image):
            account.reject(
                failed.place, "nothing of the round is missing, so it did not fail",
                failed.failure or "", "failure",
            )  # fmt: skip
        else:
            account.used -= 1
            account.reject(
                failed.place, f"the round failed, but was made after all: {round.text.place}",
                failed.failure or "",
            )  # fmt: skip


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
