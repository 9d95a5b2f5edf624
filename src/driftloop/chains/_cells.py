"""What a cell means, the same for every kind of file: nothing, a number, a text, a failure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from ._rows import BadCellError, clean_name, clean_text

NOTHING = frozenset({"nan", "-nan", "+nan", "<na>", "nat", "#n/a", "#na", "<null>"})
"""How programs write that there is no value; nobody calls a thing so. Case does not matter."""
WORDS = NOTHING | {"none", "null", "na", "n/a", "nil", "undefined", "<none>"}
"""Words for nothing, which an arm or a chain may be called all the same."""
FINE = WORDS | {
    "", "false", "no", "ok", "okay", "no error", "no errors", "success", "successful", "succeeded",
    "passed", "done", "complete", "completed", "finished", "-", "--", "[]", "{}",
}  # fmt: skip
"""What a column of failures says where nothing failed."""
UNTOLD = "the source says that it failed, and not why"
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_THOUSANDS = re.compile(
    r"[+-]?\d{1,3}(?:([,. '\u00a0\u2009\u202f\u2019])\d{3})(?:\1\d{3})*", re.ASCII
)
_DECIMAL = re.compile(r"([+-]?\d{1,19})[.,]0*", re.ASCII)
_POWER = re.compile(r"[+-]?\d{1,19}(?:\.\d{0,30})?[eE][+-]?\d{1,2}", re.ASCII)


def is_missing(cell: Any, words: frozenset[str] = WORDS) -> bool:
    """Whether a cell holds no value; a text of blanks is one, and not missing.

    >>> is_missing(float("nan")), is_missing(" NaN "), is_missing("a nan")
    (True, True, False)
    """
    if cell is None:
        return True
    if isinstance(cell, str):
        return len(cell) < 20 and cell.strip().casefold() in words
    # Of floats and decimals alone, this one is not itself.
    return not isinstance(cell, bytes | Mapping | list) and bool(cell != cell)


def scalar(cell: Any, what: str) -> str:
    """A text or a number as a text.

    Raises:
        BadCellError: It is a list, an object, true or false, or could not be read.
    """
    if isinstance(cell, str):
        return cell
    if isinstance(cell, BadCellError):
        raise cell
    if isinstance(cell, bytes):
        try:
            return cell.decode("utf-8")
        except UnicodeDecodeError:
            raise BadCellError(f"the {what} is bytes that are not UTF-8") from None
    if isinstance(cell, list) and len(cell) == 1 and isinstance(cell[0], str):
        return cell[0]
    if isinstance(cell, bool | Mapping | list):
        raise BadCellError(f"the {what} is neither a text nor a number: {type(cell).__name__}")
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        # A column of whole numbers with a missing cell is one of floats in pandas.
        return str(int(cell))
    return str(cell)


def text_of(cell: Any, what: str) -> str:
    """A cell as a text of a chain.

    Raises:
        BadCellError: It is none, or too long, or cannot be kept in a file.
    """
    return clean_text(scalar(cell, what), what)


def name_of(cell: Any, what: str) -> str | None:
    """A cell as a name; None where it is blank.

    Raises:
        BadCellError: It is none, or too long.
    """
    return clean_name(str(cell).lower() if isinstance(cell, bool) else scalar(cell, what), what)


def failure_of(cell: Any) -> str | None:
    """What a cell of failures says; None where it says that nothing failed.

    >>> failure_of("None"), failure_of(0.0), failure_of("out of memory")
    (None, None, 'out of memory')
    """
    if isinstance(cell, Mapping | list):
        if not cell:
            return None
        said = cell.get("message") if isinstance(cell, Mapping) else None
        return clean_text(
            said if isinstance(said, str) else json.dumps(cell, default=str), "failure"
        )
    if isinstance(cell, bool):
        return UNTOLD if cell else None
    if is_missing(cell, FINE):
        return None
    said = scalar(cell, "failure")
    plain = said.strip().casefold()
    if plain in FINE or re.fullmatch(r"[+-]?0+(\.0*)?", plain):
        return None
    return UNTOLD if plain in ("true", "yes", "1") else clean_text(said, "failure")


def whole_number(cell: Any, what: str, *, commas: bool = False) -> int:
    """Read an integer, also as tables and spreadsheets write it: 3.0, 1,000, 1e3.

    Args:
        cell: The cell.
        what: Its meaning, for the reason.
        commas: Whether a comma may be a decimal point, as in tables whose cells are separated by
            something else; then 1,000 can be two numbers.

    Raises:
        BadCellError: It is no whole number, or can be read as two.

    >>> whole_number(" 3.0 ", "round"), whole_number("1,000", "round")
    (3, 1000)
    """
    text = scalar(cell, what).strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    decimal, thousands = _DECIMAL.fullmatch(text), _THOUSANDS.fullmatch(text)
    if thousands and (thousands[1] != "." or commas):
        whole = int(re.sub(r"[^\d+-]", "", text))
        if decimal and commas:
            raise BadCellError(
                f"the {what} can be read as {int(decimal[1]):,} and as {whole:,}: {text[:40]!r}"
            )
        return whole
    if decimal and (commas or "," not in text):
        return int(decimal[1])
    if _POWER.fullmatch(text) and math.isfinite(value := float(text)) and value.is_integer():
        return int(value)
    raise BadCellError(f"the {what} is not a whole number: {text[:40]!r}")


def seed_of(cell: Any, what: str, *, commas: bool = False) -> int:
    """A cell as a seed of 64 bits.

    Raises:
        BadCellError: It is no whole number of that size.
    """
    if isinstance(cell, int) and not isinstance(cell, bool):
        seed = cell
    else:
        seed = whole_number(cell, what, commas=commas)
    if not -(2**63) <= seed < 2**63:
        raise BadCellError(f"the {what} does not fit 64 bits: {seed}")
    return seed
