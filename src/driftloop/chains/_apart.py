"""Chains that a table tells apart by a column that nobody has named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from ..errors import ChainError, listed
from ._rows import Place, Row

MAX_LOOKED = 100_000
"""Rows that are looked at: of so many, others would say the same."""
MAX_TOGETHER = 12
"""Columns of which two may be needed together."""
TELLING = re.compile(
    r"(?:^|_)(?:id|uuid|seed|sample|image|item|run|chain|key|name|index|idx|no)s?$"
)
WHO = ("model", "generator", "captioner", "editor")
FILLED = 0.5
"""Share of the rounds between a chain's first and last that it has, at least."""

Slots = dict[tuple[int, str], set[str]]


def collides(rows: Iterable[Row]) -> bool:
    """Whether two rows say the same part of the same round."""
    seen = set()
    for row in rows:
        for slot, _ in _contents(row):
            if slot in seen:
                return True
            seen.add(slot)
    return False


def find_apart(
    chains: Sequence[Sequence[Row]],
    cells: Mapping[Place, Mapping[str, str]],
    others: Sequence[str],
    columns: Mapping[str, str],
    where: str,
) -> None:
    """Look for columns that keep rows apart which fall on one place of one chain.

    Args:
        chains: Chains in which some rows do.
        cells: Their cells in the other columns.
        others: Columns that do not tell chains apart so far.
        columns: All columns that are known, by meaning.
        where: The table, for errors.

    Raises:
        ChainError: There are such columns; or no chain can be made out in so many rows.
    """
    differ = [chain for chain in chains if _conflicts(chain)]
    looked = differ or chains
    found = [name for name in others if _keeps_apart(looked, cells, (name,), bool(differ))]
    if found:
        found.sort(key=lambda name: (not _is_telling(name), others.index(name)))
        meaning = _meaning(looked, columns, found[0])
        also = f" (or {listed(found[1:], 4)})" if found[1:] else ""
        raise ChainError(
            f"{where}: several rows say the same round of the same chain, so they are of several "
            f"chains. The column '{found[0]}'{also} keeps them apart: add "
            f"--column {meaning}={found[0]}"
        )
    several = [name for name in others if _has_several(looked, cells, name)][:MAX_TOGETHER]
    for one, other in combinations(several, 2):
        if _keeps_apart(looked, cells, (one, other), bool(differ)):
            first = _meaning(looked, columns, one)
            second = _meaning(looked, {**columns, first: one}, other)
            raise ChainError(
                f"{where}: several rows say the same round of the same chain, so they are of "
                f"several chains. The columns '{one}' and '{other}' keep them apart together: add "
                f"--column {first}={one} --column {second}={other}"
            )
    for chain in differ:
        clashes, rounds = _conflicts(chain), len(_slots(chain))
        if clashes > 1 and clashes >= FILLED * rounds:
            raise ChainError(
                f"{where}: {clashes:,} of {rounds:,} rounds of the chain "
                f"'{chain[0].trajectory or chain[0].prompt_id or chain[0].prompt or 'chain'}' come "
                f"twice with another content, and no column keeps them apart. They are of several "
                f"chains: give the table a column that names the chain of each row"
            )


def worth_looking(chains: Sequence[Sequence[Row]]) -> list[Sequence[Row]]:
    """Chains that contradict themselves, else those that repeat themselves; not too many."""
    some: list[Sequence[Row]] = []
    total = 0
    for chain in [chain for chain in chains if _conflicts(chain)] or chains:
        if some and total + len(chain) > MAX_LOOKED:
            break
        some.append(chain)
        total += len(chain)
    return some


def shown(cell: Any) -> str:
    """A cell as it is compared."""
    return "" if cell is None or isinstance(cell, bytes) else str(cell)[:1_000]


def _contents(row: Row) -> Iterable[tuple[tuple[int, str], str]]:
    for kind in ("text", "image", "failure"):
        value = getattr(row, kind)
        if value is not None:
            yield (row.number, kind), value


def _slots(rows: Iterable[Row]) -> Slots:
    found: Slots = {}
    for row in rows:
        for slot, value in _contents(row):
            found.setdefault(slot, set()).add(value)
    return found


def _conflicts(rows: Iterable[Row]) -> int:
    """How many places have more than one content."""
    return sum(len(values) > 1 for values in _slots(rows).values())


def _groups(
    chain: Sequence[Row], cells: Mapping[Place, Mapping[str, str]], names: Sequence[str]
) -> dict[tuple[str, ...], list[Row]]:
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in chain:
        own = cells.get(row.place, {})
        groups.setdefault(tuple(own.get(name, "") for name in names), []).append(row)
    return groups


def _keeps_apart(
    chains: Sequence[Sequence[Row]],
    cells: Mapping[Place, Mapping[str, str]],
    names: Sequence[str],
    differ: bool,
) -> bool:
    """Whether each chain falls into parts that look like chains and have each place once.

    A score or a time may keep rows apart too; but then a part has one round, or few of many.
    """
    for chain in chains:
        groups = list(_groups(chain, cells, names).values())
        long = have = span = 0
        for rows in groups:
            if _conflicts(rows) if differ else collides(rows):
                return False
            numbers = {row.number for row in rows}
            long += len(numbers) > 1
            have += len(numbers)
            span += max(numbers) - min(numbers) + 1
        if len(groups) < 2 or have < FILLED * span:
            return False
        # Any column keeps the rows of a single round apart; then its name has to say so.
        several = len({row.number for row in chain}) > 1
        if long < 2 if several else not any(map(_is_telling, names)):
            return False
    return True


def _has_several(
    chains: Sequence[Sequence[Row]], cells: Mapping[Place, Mapping[str, str]], name: str
) -> bool:
    """Whether a column has a few values, each in rows of several rounds."""
    groups = _groups(chains[0], cells, (name,))
    rows = groups.values()
    return 1 < len(groups) < len(chains[0]) and all(len({r.number for r in g}) > 1 for g in rows)


def _is_telling(name: str) -> bool:
    return TELLING.search(name.casefold()) is not None


def _meaning(chains: Sequence[Sequence[Row]], columns: Mapping[str, str], name: str) -> str:
    """What a column may mean so that it keeps these chains apart."""
    if name in (columns.get(who) for who in WHO) and "arm" not in columns:
        return "arm"
    named = any(r.trajectory or r.prompt_id or r.prompt or r.prompt_image for r in chains[0])
    if "trajectory" not in columns and not named:
        return "trajectory"
    return next((each for each in ("twin", "arm") if each not in columns), "trajectory")
