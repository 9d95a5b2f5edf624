"""One picture of a few trajectories: a row each, a few rounds across, captions beneath."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ..drawing import EDGE, INK, LINE, PAPER, SOFT, fitted, write_text
from ..errors import StoreError
from ..files import exported
from ..steps import Trajectory
from ..store import Run
from ._gather import Material, Track, gather

ROUNDS = (0, 1, 2, 5, 10, 20)
MARGIN, GUTTER = 28, 18
CAPTION_LINES = 3
TITLE, BODY = 15, 13
"""Pixels of letters."""
LONGEST = 16_000
"""Pixels of a picture's side: larger ones are refused by most viewers."""


def contact_strip(
    run: Run,
    trajectories: Iterable[Trajectory | tuple[str, str, int]],
    path: str | PathLike[str],
    *,
    rounds: Sequence[int] = ROUNDS,
    side: int = 168,
) -> Path:
    """Draw trajectories as rows of pictures with their captions.

    Args:
        run: Where they were played.
        trajectories: Names (arm, prompt's id, twin), a row each.
        path: The PNG file to write.
        rounds: Columns; 0 is the start, and those that were not played are left out.
        side: Pixels of a picture's longer side.

    Returns:
        The file.

    Raises:
        ValueError: A trajectory is not in the run, or there are too many for one picture.
        StoreError: The file cannot be written.
    """
    material = gather(run)
    known = {track.name: track for track in material.tracks}
    rows = []
    for name in trajectories:
        if Trajectory(*name) not in known:
            raise ValueError(f"the run has no trajectory {tuple(name)}")
        rows.append(known[Trajectory(*name)])
    columns = [r for r in rounds if r <= max((track.rounds for track in rows), default=0)]
    title = ImageFont.load_default(TITLE)
    row_height = side + 10 + CAPTION_LINES * LINE + 22
    width = 2 * MARGIN + len(columns) * side + (len(columns) - 1) * GUTTER
    height = MARGIN + 30 + len(rows) * row_height + MARGIN - 22
    if not rows or not columns or max(width, height) > LONGEST:
        raise ValueError(f"{len(rows)} trajectories by {len(columns)} rounds do not fit a picture")
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, round in enumerate(columns):
        x = MARGIN + column * (side + GUTTER)
        pen.text((x, MARGIN), "start" if round == 0 else f"round {round}", SOFT, title)
    for number, track in enumerate(rows):
        y = MARGIN + 30 + number * row_height
        for column, round in enumerate(columns):
            x = MARGIN + column * (side + GUTTER)
            picture, text = _cell(run, material, track, round)
            if picture is not None:
                sheet.paste(fitted(picture, side), (x, y))
                pen.rectangle((x, y, x + side - 1, y + side - 1), outline=EDGE)
                write_text(pen, text, (x, y + side + 8), side, BODY, SOFT, CAPTION_LINES)
            elif round == 0:
                pen.rectangle((x, y, x + side - 1, y + side - 1), fill="#f3f3ee", outline=EDGE)
                write_text(pen, text, (x + 12, y + 12), side - 24, TITLE, INK, (side - 24) // LINE)
            else:
                write_text(pen, text, (x, y + 8), side, BODY, SOFT, CAPTION_LINES)
    target = Path(path)
    try:
        with exported(target) as stream:
            sheet.save(stream, "PNG", optimize=True)
    except OSError as error:
        raise StoreError(f"{target}: the picture cannot be written there: {error}") from error
    return target


def _cell(run: Run, material: Material, track: Track, round: int) -> tuple[Image.Image | None, str]:
    if round == 0:
        start = material.starts.get(track.name.prompt)
        if start is None:
            return None, ""
        return (run.image(start.value), "") if start.kind == "image" else (None, start.value)
    if round > track.rounds:
        return None, ""
    digest = track.pictures[round - 1]
    return (run.image(digest) if digest else None), track.captions[round - 1] or ""
