"""What a file of prompts holds: lines of text, or a table in any of its forms.

The same prompts have the same names in each form: surrounding blanks are no part of a prompt, and
an ``id`` that only numbers the rows is no name.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import StudyError
from ..given import read_text

TEXTS = {"prompt", "prompts", "text", "caption", "prompt_text"}
"""Columns whose cells are prompts."""
OTHERS = {"id", "image", "source"}
"""Further columns that are read; whatever else a table has says nothing of its prompts."""
NO_TEXT = {
    ".xlsx", ".xls", ".ods", ".parquet", ".feather", ".arrow", ".yaml", ".yml", ".xml", ".html",
    ".docx", ".odt", ".rtf", ".pdf", ".png", ".jpg", ".jpeg", ".webp", ".gz", ".zip",
}  # fmt: skip
"""Endings of files that have no prompt a line."""


def read_items(path: Path) -> dict[str, Any]:
    r"""Read a file that is no TOML: a prompt's text or fields, by its place in the file.

    A line of text that begins with ``#`` is a comment; ``\#`` begins a prompt with one.

    Raises:
        DriftloopError: It cannot be read.
        StudyError: It is not what its name says; with the place and the fix.
    """
    kind = path.suffix.lower()
    if kind in NO_TEXT:
        raise StudyError(
            f"{path}: prompts are not read from {kind} files: save them as .csv with a column "
            f"'prompt', or as .txt with one prompt a line"
        )
    text = read_text(path, western=True)
    if kind in {".csv", ".tsv"}:
        found = _table(text, kind, str(path))
    elif kind == ".json":
        found = _records(_json(text, str(path)), str(path))
    elif kind in {".jsonl", ".ndjson"}:
        found = {
            place: _json(line, f"{path}: {place}") for place, line in _lines(text) if line.strip()
        }
    else:
        found = {
            place: re.sub(r"^\\#", "#", line.strip())
            for place, line in _lines(text)
            if line.strip() and not line.lstrip().startswith("#")
        }
    items = {place: _item(item, f"{path}: {place}") for place, item in found.items()}
    if not items:
        raise StudyError(f"{path}: no prompt in it")
    return _named(items)


def _lines(text: str) -> Iterator[tuple[str, str]]:
    # Not splitlines(), which also breaks at characters that stand inside a prompt.
    for number, line in enumerate(re.split("\r\n|\n|\r", text), 1):
        yield f"line {number}", line


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{where}: not valid JSON: {error}") from error


def _records(data: Any, where: str) -> dict[str, Any]:
    if isinstance(data, dict) and isinstance(data.get("prompts"), list):
        data = data["prompts"]
    if not isinstance(data, list):
        raise StudyError(
            f'{where}: expected a list of prompts: ["...", ...] or [{{"prompt": "..."}}, ...]'
        )
    return {f"prompts[{number}]": item for number, item in enumerate(data)}


def _table(text: str, kind: str, where: str) -> dict[str, Any]:
    said = re.match(r"sep=(.)\r?\n", text)
    body = text[said.end() :] if said else text
    mark = said[1] if said else _delimiter(body, kind)
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=mark, strict=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise StudyError(f"{where}: line {reader.line_num}: {error}") from error
    rows = [(number, row) for number, row in rows if any(row)]
    if not rows:
        return {}
    header = [cell.lower() for cell in rows[0][1]]
    if not TEXTS.union({"image"}) & set(header):
        return _headless(rows, where)
    found: dict[str, Any] = {}
    for number, row in rows[1:]:
        if len(row) != len(header):
            raise StudyError(
                f"{where}: line {number}: {len(row)} cells, and the header has {len(header)}: put "
                f'a text with a "{mark}" in it in double quotes'
            )
        # A name that stands twice is told by what reads the fields.
        found[f"line {number}"] = dict(zip(_apart(header, where), row, strict=True))
    return found


def _delimiter(text: str, kind: str) -> str:
    first = re.sub(r'"[^"]*"', "", text.lstrip().splitlines()[0]) if text.strip() else ""
    return max("\t,;|" if kind == ".tsv" else ",;\t|", key=first.count)


def _apart(header: list[str], where: str) -> list[str]:
    double = {name for name in header if header.count(name) > 1} & (TEXTS | OTHERS)
    if double:
        raise StudyError(f"{where}: two columns are named '{min(double)}'; rename one")
    return header


def _headless(rows: list[tuple[int, list[str]]], where: str) -> dict[str, Any]:
    """The one column of a table without a header."""
    if any(len(row) > 1 for _, row in rows):
        raise StudyError(
            f"{where}: no column is named 'prompt' (there are: {', '.join(rows[0][1][:8])}): name "
            f"one so; a file with one prompt a line ends in .txt"
        )
    first, others = rows[0][1][0], [row[0] for _, row in rows[1:]]
    if others and " " not in first and all(" " in text for text in others):
        raise StudyError(
            f"{where}: is '{first}' the name of the column or a prompt? Name the column 'prompt'; "
            f"a file with one prompt a line ends in .txt"
        )
    return {f"line {number}": row[0] for number, row in rows}


def _item(item: Any, where: str) -> Any:
    """A prompt's fields under the names that prompts have."""
    if isinstance(item, str):
        return item.strip()
    if not isinstance(item, dict):
        raise StudyError(f"{where}: neither a text nor an object with a 'prompt'")
    fields = {str(name).strip().lower(): value for name, value in item.items()}
    texts = sorted(TEXTS & fields.keys())
    if len(texts) > 1:
        raise StudyError(
            f"{where}: both '{texts[0]}' and '{texts[1]}' may be the prompt; rename one"
        )
    kept = {name: fields[name] for name in OTHERS & fields.keys()}
    kept = {name: value for name, value in kept.items() if value not in (None, "")}
    for name, value in kept.items():
        if isinstance(value, int) and not isinstance(value, bool):
            kept[name] = str(value)
    if texts:
        value = fields[texts[0]]
        empty = value is None or (isinstance(value, str) and not value.strip())
        if not (empty and "image" in kept):
            kept["text"] = value.strip() if isinstance(value, str) else value
            if value is None:
                kept["text"] = ""
    return kept


def _named(items: dict[str, Any]) -> dict[str, Any]:
    """The same without ids that count the rows, from 0 or 1."""
    ids = [item.get("id") if isinstance(item, dict) else None for item in items.values()]
    if ids[0] in {"0", "1"} and ids == [str(int(ids[0]) + at) for at in range(len(ids))]:
        return {
            place: {name: value for name, value in item.items() if name != "id"}
            for place, item in items.items()
        }
    return items
