"""Trajectories as moving pictures: one with its captions, or all of them side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from ..drawing import EDGE, INK, LINE, PAPER, SOFT, fitted, write_text
from ..errors import ChainError, ModelError, StoreError, lacking
from ..files import exported
from ..steps import Content, Trajectory
from ..store import Run
from ._progress import Advance

SIDE = 384
"""Pixels of one trajectory's picture."""
LONGEST = 1280
"""Pixels of a mosaic's longer side."""
LEAST_TILE = 12
MOST_FRAMES = 300
"""Longer runs are shown at every second, third ... round."""
CAPTION_LINES = 5
TITLE, BODY, SMALL = 15, 14, 11
"""Pixels of letters."""
MARGIN = 20


class _Track(NamedTuple):
    name: Trajectory
    start: Content | None
    pictures: dict[int, str]
    captions: dict[int, str]


def write_film(
    run: Run, trajectories: Sequence[Trajectory], target: Path, advance: Advance, *, rate: float
) -> Path:
    """Write a GIF or an MP4.

    Args:
        run: Where they were played.
        trajectories: One, to see it with its captions; or several, as a mosaic.
        target: A ``.gif`` or ``.mp4`` file.
        advance: Told of frames as they are done.
        rate: Rounds a second.

    Raises:
        ChainError: There is nothing to show, or too much.
        ModelError: An MP4 is wanted, and the library that writes it is not installed.
        StoreError: A picture cannot be read, or the file cannot be written.
    """
    prompts = {row["id"]: Content(row["kind"], row["value"]) for row in run.prompts()}
    tracks = [_track(run, name, prompts.get(name.prompt)) for name in trajectories]
    last = max((max([*t.pictures, *t.captions], default=0) for t in tracks), default=0)
    if not last:
        raise ChainError(f"{run.folder}: nothing has been played that a film could show")
    if len(tracks) > 1 and not any(track.pictures for track in tracks):
        raise ChainError(
            f"{run.folder}: there are no pictures for a mosaic; --trajectory shows the texts of one"
        )
    rounds = range(0, last + 1, math.ceil(last / MOST_FRAMES))
    frames = _one(run, tracks[0], rounds) if len(tracks) == 1 else _mosaic(run, tracks, rounds)

    def counted() -> Iterator[Image.Image]:
        for frame in frames:
            yield frame
            advance("frames", 1, len(rounds))

    write = _write_gif if target.suffix.lower() == ".gif" else _write_mp4
    try:
        with exported(target) as stream:
            write(counted(), stream, rate)
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error}") from error
    return target


def _track(run: Run, name: Trajectory, start: Content | None) -> _Track:
    pictures, captions = {}, {}
    for step in run.steps_of(name):
        if step["image"] is not None:
            pictures[step["round"]] = step["image"]
        else:
            captions[step["round"]] = step["text"]
    return _Track(name, start, pictures, captions)


def _one(run: Run, track: _Track, rounds: Sequence[int]) -> Iterator[Image.Image]:
    """A picture with its caption, round by round; the first frame is the start."""
    title = ImageFont.load_default(TITLE)
    pictured = bool(track.pictures) or (track.start is not None and track.start.kind == "image")
    width = SIDE + 2 * MARGIN
    top = MARGIN + 28
    height = top + (SIDE if pictured else 0) + 14 + CAPTION_LINES * LINE + MARGIN
    if not pictured:
        height += 10 * LINE
    # Both sides even, which is what the usual kind of video wants.
    width, height = width + width % 2, height + height % 2
    for round in rounds:
        sheet = Image.new("RGB", (width, height), PAPER)
        pen = ImageDraw.Draw(sheet)
        digest, text = track.pictures.get(round), track.captions.get(round, "")
        if round == 0 and track.start is not None:
            digest = track.start.value if track.start.kind == "image" else None
            text = track.start.value if track.start.kind == "text" else ""
        pen.text((MARGIN, MARGIN), "start" if round == 0 else f"round {round}", SOFT, title)
        y = top
        if digest is not None:
            sheet.paste(fitted(run.image(digest), SIDE), (MARGIN, y))
        if pictured:
            pen.rectangle((MARGIN, y, MARGIN + SIDE - 1, y + SIDE - 1), outline=EDGE)
            y += SIDE + 14
        room = (height - MARGIN - y) // LINE
        if round == 0 and pictured:
            # The start's text stands where its picture would be.
            write_text(pen, text, (MARGIN + 16, top + 16), SIDE - 32, TITLE, INK, SIDE // LINE - 2)
        else:
            write_text(pen, text, (MARGIN, y), SIDE, BODY, INK, room)
        yield sheet


def _mosaic(run: Run, tracks: Sequence[_Track], rounds: Sequence[int]) -> Iterator[Image.Image]:
    """All trajectories side by side, in the order of their names; an empty tile has no picture."""
    columns = math.ceil(math.sqrt(len(tracks)))
    tile = min(160, LONGEST // columns)
    if tile < LEAST_TILE:
        raise ChainError(
            f"{run.folder}: {len(tracks):,} trajectories do not fit a mosaic; choose some with "
            f"--trajectory, which takes part of a name such as an arm's"
        )
    lines = math.ceil(len(tracks) / columns)
    gap = 2 if tile > 24 else 1
    head = 30
    width, height = columns * tile + gap, head + lines * tile + gap
    width, height = width + width % 2, height + height % 2
    title = ImageFont.load_default(TITLE)
    for round in rounds:
        sheet = Image.new("RGB", (width, height), PAPER)
        pen = ImageDraw.Draw(sheet)
        pen.text((8, 6), "start" if round == 0 else f"round {round}", SOFT, title)
        for number, track in enumerate(tracks):
            x, y = number % columns * tile + gap, head + number // columns * tile + gap
            digest = track.pictures.get(round)
            if round == 0 and track.start is not None and track.start.kind == "image":
                digest = track.start.value
            side = tile - gap
            if digest is not None:
                sheet.paste(fitted(run.image(digest), side), (x, y))
            elif round == 0 and track.start is not None and tile >= 100:
                lines_of_text = (side - 12) // LINE
                write_text(
                    pen, track.start.value, (x + 6, y + 6), side - 12, SMALL, INK, lines_of_text
                )
            else:
                pen.rectangle((x, y, x + side - 1, y + side - 1), outline=EDGE)
        yield sheet


def _write_gif(frames: Iterator[Image.Image], stream: IO[bytes], rate: float) -> None:
    # 256 colours of its own for each frame: one palette for all would band the skies.
    small = (frame.quantize(256, dither=Image.Dither.FLOYDSTEINBERG) for frame in frames)
    first = next(small)
    pause = max(20, round(1000 / rate))
    first.save(
        stream, "GIF", save_all=True, append_images=small, duration=pause, loop=0, disposal=1,
        optimize=False,
    )  # fmt: skip


def _write_mp4(frames: Iterator[Image.Image], file: IO[bytes], rate: float) -> None:
    try:
        import av
    except ImportError as error:
        told = lacking("an MP4 (a .gif needs nothing more)", "film", error)
        raise ModelError(told) from error
    from fractions import Fraction

    first = next(frames)
    try:
        with av.open(file.name, "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1000))
            stream.width, stream.height = first.size
            stream.pix_fmt = "yuv420p"
            stream.options = {"crf": "18", "preset": "fast"}
            for frame in chain([first], frames):
                for packet in stream.encode(av.VideoFrame.from_image(frame)):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
    except av.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error
