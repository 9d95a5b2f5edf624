"""The rows of a JSON document, in the forms that programs write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ._columns import SYNONYMS, plain_name
from ._rows import Place
from ._sheet import Cells, Damage

MAX_DEPTH = 4
"""Lists of objects within objects of a list."""
CHAIN = "trajectory"
ROUND = "round"
NUMBERED = "rows without a round of their own, numbered in their order"
SCALARS = str | int | float | bool


class Forms:
    """Takes documents apart.

    Args:
        is_round: Whether a key is the number of a round.

    Attributes:
        mended: Rows that were read otherwise than they stand, by how.
    """

    def __init__(self, is_round: Callable[[str], bool]) -> None:
        self.mended: dict[str, int] = {}
        self._is_round = is_round

    def in_document(self, document: Any) -> Iterator[Cells | Damage]:
        """All rows of a document.

        It may be a list of objects; an object that holds one, whose other values go for all of its
        rows, and so on inwards; a list of lists, the first of them names; columns of values
        (``{"round": [1, 2]}``); and what pandas writes as ``columns``, ``split`` and ``index``.
        """
        if isinstance(document, Mapping):
            names, data = document.get("columns"), document.get("data")
            if isinstance(names, list) and isinstance(data, list) and _are(data, list):
                yield from _zipped(names, data)
                return
            values = list(document.values())
            if values and _are(values, Mapping):
                yield from self._by_index(document)
                return
        if isinstance(document, list) and document and _are(document, list):
            yield from _zipped(document[0], document[1:])
            return
        yield from self._nested(document if isinstance(document, list) else [document], {}, 0)

    def in_line(self, cells: Mapping[str, Any], number: int) -> Iterator[Cells | Damage]:
        """The row of a line, or the rows where it holds a whole chain."""
        key = self._inner(cells)
        if key is None:
            yield cells
            return
        above = _scalars(cells)
        if not _means(above, "trajectory", "prompt_id"):
            above[CHAIN] = f"line {number}"
        yield from self._nested(cells[key], above, 1)

    def _by_index(self, document: Mapping[str, Any]) -> Iterator[Cells | Damage]:
        """Objects in an object: columns, if they are numbered alike inside; else rows by name."""
        keys = list(next(iter(document.values())))
        alike = all(list(value) == keys for value in document.values())
        if keys and alike and all(key.isdecimal() for key in keys):
            yield from _columnar({name: list(cells.values()) for name, cells in document.items()})
        else:
            yield from self._nested(list(document.values()), {}, 0)

    def _nested(
        self, items: list[Any], above: Mapping[str, Any], depth: int
    ) -> Iterator[Cells | Damage]:
        inner = [self._inner(item, depth == 0 and len(items) == 1) for item in items]
        many = sum(key is not None for key in inner) > 1
        numbered = depth > 0 and not any(map(self._is_round, _keys(items, above)))
        for number, (item, key) in enumerate(zip(items, inner, strict=True), 1):
            if not isinstance(item, Mapping):
                yield Damage(Place("", None), "the item is no JSON object", str(item)[:200])
            elif key is not None and depth < MAX_DEPTH:
                own = {**above, **_scalars(item)}
                if many and not _means(own, "trajectory", "prompt_id"):
                    # The objects that hold them are what keeps these chains apart.
                    own[CHAIN] = f"{key} {number}"
                # A list in a document is the table; a list in its rows is a chain.
                chain = many or depth > 0 or _means(own, "prompt")
                yield from self._nested(item[key], own, depth + chain)
            elif columns := self._columns(item):
                own = {name: cell for name, cell in item.items() if name not in columns}
                for cells in _columnar(columns):
                    yield {**above, **own, **cells}
            elif numbered:
                self.mended[NUMBERED] = self.mended.get(NUMBERED, 0) + 1
                yield {**above, ROUND: number, **item}
            else:
                yield {**above, **item}

    def _inner(self, item: Any, document: bool = False) -> str | None:
        """The key of the one list of objects in an object that is no row itself."""
        if not isinstance(item, Mapping):
            return None
        if not document and any(map(self._is_round, item)):
            return None
        found = [key for key, value in item.items() if isinstance(value, list) and value]
        found = [key for key in found if _are(item[key], Mapping)]
        return found[0] if len(found) == 1 else None

    def _columns(self, item: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Lists of values of one length, one of which numbers the rounds."""
        lists = {name: cell for name, cell in item.items() if isinstance(cell, list)}
        numbers = [cell for name, cell in lists.items() if self._is_round(name)]
        if not numbers:
            return {}
        return {name: cell for name, cell in lists.items() if len(cell) == len(numbers[0])}


def _columnar(columns: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    for cells in zip(*columns.values(), strict=True):
        yield dict(zip(columns, cells, strict=True))


def _zipped(names: list[Any], rows: list[Any]) -> Iterator[Cells | Damage]:
    heads = [str(name) for name in names]
    for row in rows:
        if len(row) == len(heads):
            yield dict(zip(heads, row, strict=True))
        else:
            reason = f"the row has another number of cells: {len(row)} of {len(heads)}"
            yield Damage(Place("", None), reason, str(row)[:200])


def _scalars(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: cell for name, cell in item.items() if isinstance(cell, SCALARS)}


def _keys(items: list[Any], above: Mapping[str, Any]) -> set[str]:
    return {*above, *(key for item in items if isinstance(item, Mapping) for key in item)}


def _are(items: list[Any], kind: type) -> bool:
    return all(isinstance(item, kind) for item in items)


def _means(cells: Mapping[str, Any], *meanings: str) -> bool:
    known = {synonym for meaning in meanings for synonym in SYNONYMS[meaning]}
    return any(plain_name(name) in known for name in cells)
