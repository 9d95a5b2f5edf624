"""Draw scenes: a backdrop for each setting, pictograms on top, all on the latent grid."""

from __future__ import annotations

import argparse
import random
from functools import cache, lru_cache

import numpy as np
from PIL import Image

from driftloop.postcards import WORLD, PlacedObject, Scene, sample_scene
from training.pictograms import pictogram, rasterise
from training.styles import finish, inked, outlined, tinted

SIDE = int(WORLD.layout["picture"])
HORIZON = 88

SKIES = {  # top, horizon
    "dawn": ("#8fb4e8", "#ffd9c2"),
    "day": ("#4aa8f0", "#bfe6ff"),
    "dusk": ("#6a4a9c", "#ff9350"),
    "night": ("#0d1440", "#2b3a78"),
}
GREY_SKIES = {"dawn": "#c2bcc8", "day": "#b4bec8", "dusk": "#8a6f86", "night": "#272b44"}
SHADE = {
    "dawn": ("#ffb48c", 0.14),
    "day": ("#ffffff", 0.0),
    "dusk": ("#8c2d50", 0.30),
    "night": ("#0a1046", 0.55),
}


def _hills(fill: str, points: str) -> str:
    return f'<path fill="{fill}" d="{points}"/>'


def _waves() -> str:
    out = []
    for row, y in enumerate(range(96, 128, 8)):
        shift = 8 if row % 2 else 0
        for x in range(-16 + shift, 128, 16):
            out.append(
                f'<path d="M{x} {y} q4 -4 8 0 q4 4 8 0" fill="none" stroke="#7cc4f4" '
                'stroke-width="1.6" opacity="0.8"/>'
            )
    return "".join(out)


def _skyline() -> str:
    blocks = [
        (0, 56, 16),
        (16, 40, 12),
        (28, 64, 12),
        (40, 48, 16),
        (56, 68, 16),
        (72, 44, 12),
        (84, 60, 12),
        (96, 36, 16),
        (112, 56, 16),
    ]
    out = [
        f'<rect x="{x}" y="{y}" width="{w}" height="{HORIZON - y}" fill="#8b93a7"/>'
        for x, y, w in blocks
    ]
    for x, y, w in blocks:
        for wx in range(x + 3, x + w - 3, 5):
            for wy in range(y + 4, HORIZON - 4, 8):
                out.append(f'<rect x="{wx}" y="{wy}" width="2.4" height="4" fill="#f6e58d"/>')
    return "".join(out)


def _trees() -> str:
    out = []
    for i, x in enumerate(range(-8, 136, 16)):
        top = 40 if i % 2 else 52
        out.append(f'<path d="M{x} 92 L{x + 10} {top} L{x + 20} 92 Z" fill="#2f6b3c"/>')
    return "".join(out)


WINDOW = (44, 8, 84, 56)
"""Left, top, right and bottom of the hole in a room's wall."""


def _room(wall: str, inside: str, floor: str) -> str:
    left, top, right, bottom = WINDOW
    hole = f"M{left} {top} V{bottom} H{right} V{top} Z"
    return (
        f'<path fill="{wall}" fill-rule="evenodd" d="M0 0 H128 V92 H0 Z {hole}"/>{inside}'
        f'<rect y="88" width="128" height="40" fill="{floor}"/>'
        f'<path d="{hole} M64 {top} V{bottom} M{left} 32 H{right}" fill="none" stroke="#fdfaf2" '
        'stroke-width="3"/>'
    )


def _tiles() -> str:
    return "".join(
        f'<rect x="{x}" y="{y}" width="16" height="8" fill="#b8c4d2"/>'
        for row, y in enumerate(range(88, 128, 8))
        for x in range(16 * (row % 2), 128, 32)
    )


def _shelves() -> str:
    colours = ("#b8433a", "#2f6f8f", "#d9a441", "#5a7d4a", "#8a5a9c", "#e0d6c0")
    out = []
    for left in (2, 92):
        for row, y in enumerate((14, 38, 62)):
            out.append(f'<rect x="{left}" y="{y + 18}" width="34" height="4" fill="#4a2c17"/>')
            for i in range(8):
                tall = 12 + 2 * ((i * 7 + row * 3) % 4)
                colour = colours[(i * 5 + row * 2) % len(colours)]
                out.append(
                    f'<rect x="{left + 1 + 4 * i}" y="{y + 18 - tall}" width="4" height="{tall}" '
                    f'fill="{colour}"/>'
                )
    return "".join(out)


def _planks(fill: str) -> str:
    return "".join(
        f'<rect y="{y}" width="128" height="1.5" fill="{fill}"/>' for y in (96, 104, 116)
    )


ROOMS = {
    "kitchen": _room(
        "#f7dfa6",
        '<rect x="0" y="64" width="128" height="5" fill="#8fb8a8"/>'
        '<rect x="4" y="12" width="32" height="26" fill="#8fb8a8"/>'
        '<rect x="92" y="12" width="32" height="26" fill="#8fb8a8"/>'
        '<circle cx="31" cy="25" r="2" fill="#fdfaf2"/><circle cx="97" cy="25" r="2" '
        'fill="#fdfaf2"/>',
        "#f4f6f8",
    )
    + _tiles(),
    "library": _room("#8c5a35", _shelves(), "#b98a58") + _planks("#8c5a35"),
    "bedroom": _room(
        "#a9bbe6",
        "".join(f'<rect x="{x}" width="4" height="88" fill="#bccbee"/>' for x in range(4, 128, 16))
        + '<path d="M35 4 H47 Q45 36 35 60 Z M93 4 H81 Q83 36 93 60 Z" fill="#d8607a"/>',
        "#c9a27c",
    )
    + '<ellipse cx="64" cy="112" rx="58" ry="12" fill="#d98a9a"/>',
}

GROUNDS = ROOMS | {
    "meadow": _hills("#8fd16a", "M0 84 Q32 68 64 84 T128 80 V128 H0 Z")
    + _hills("#6dbb4a", "M0 96 Q40 84 80 96 T128 92 V128 H0 Z"),
    "sea": f'<rect y="{HORIZON}" width="128" height="40" fill="#2f7fd0"/>' + _waves(),
    "beach": '<rect y="80" width="128" height="20" fill="#3aa6dc"/>'
    + _hills("#f3d998", "M0 100 Q32 92 64 98 T128 94 V128 H0 Z"),
    "city": _skyline()
    + f'<rect y="{HORIZON}" width="128" height="40" fill="#6b6f7a"/>'
    + "".join(
        f'<rect x="{x}" y="116" width="16" height="4" fill="#f2f2f2"/>' for x in range(8, 128, 32)
    ),
    "forest": _trees()
    + f'<rect y="{HORIZON}" width="128" height="40" fill="#4a7d3a"/>'
    + _hills("#3d6b30", "M0 104 Q32 98 64 104 T128 102 V128 H0 Z"),
    "snowfield": _hills("#dfeaf6", "M0 88 Q32 76 64 88 T128 84 V128 H0 Z")
    + _hills("#f6fafe", "M0 100 Q40 92 80 100 T128 98 V128 H0 Z"),
    "mountains": '<path d="M-16 92 L24 36 L64 92 Z M40 92 L88 28 L140 92 Z" fill="#7d8aa0"/>'
    '<path d="M14 50 L24 36 L34 50 L28 54 L24 49 L19 54 Z M75 45 L88 28 L102 45 L94 50 L88 43 '
    'L81 50 Z" fill="#ffffff"/>'
    f'<rect y="{HORIZON}" width="128" height="40" fill="#9aa86a"/>',
    "desert": _hills("#e9b872", "M0 88 Q32 72 72 86 T128 78 V128 H0 Z")
    + _hills("#dca25a", "M0 104 Q48 90 88 102 T128 98 V128 H0 Z"),
}

LIGHTS = {
    "dawn": '<circle cx="64" cy="76" r="14" fill="#ffe9a8"/>',
    "day": '<circle cx="64" cy="20" r="13" fill="#ffdf4d"/>',
    "dusk": '<circle cx="64" cy="80" r="15" fill="#ff5a3c"/>',
    "night": '<path d="M60 8 A13 13 0 1 0 76 26 A11 11 0 0 1 60 8 Z" fill="#f4f0cf"/>'
    + "".join(
        f'<circle cx="{x}" cy="{y}" r="1.3" fill="#ffffff"/>'
        for x, y in [
            (12, 12),
            (36, 28),
            (28, 52),
            (52, 44),
            (84, 52),
            (100, 20),
            (116, 44),
            (92, 8),
            (8, 36),
        ]
    ),
}


def _clouds(fill: str) -> str:
    puffs = [
        (20, 18, 15),
        (40, 14, 17),
        (62, 18, 15),
        (84, 14, 17),
        (106, 18, 15),
        (2, 12, 13),
        (124, 12, 13),
    ]
    return "".join(f'<circle cx="{x}" cy="{y}" r="{r}" fill="{fill}"/>' for x, y, r in puffs)


def _weather(weather: str, time: str) -> str:
    dark = time == "night"
    if weather == "cloudy":
        return _clouds("#59607e" if dark else "#ffffff")
    if weather == "rain":
        drops = "".join(
            f'<path d="M{x} {y} l-4 12" stroke="#5f95e0" stroke-width="2" stroke-linecap="round"/>'
            for row, y in enumerate(range(28, 84, 16))
            for x in range(12 + 8 * (row % 2), 136, 16)
        )
        return drops + _clouds("#3d4460" if dark else "#8791a3")
    if weather == "storm":
        bolt = '<path d="M68 26 L54 56 L64 56 L56 84 L80 48 L69 48 L78 26 Z" fill="#ffe94a"/>'
        return bolt + _clouds("#23263a" if dark else "#474c5e")
    if weather == "snow":
        flakes = "".join(
            f'<circle cx="{x}" cy="{y}" r="2.2" fill="#ffffff"/>'
            for row, y in enumerate(range(28, 88, 12))
            for x in range(8 + 8 * (row % 2), 136, 16)
        )
        return flakes + _clouds("#6a7190" if dark else "#dde3ea")
    return ""


@cache
def _layer(body: str) -> np.ndarray:
    """Part of a picture, float32 RGBA; many pictures share it, so it is not to be changed."""
    head = '<svg xmlns="http://www.w3.org/2000/svg" width="128" height="128">'
    drawn = rasterise(f"{head}{body}</svg>", SIDE, SIDE)
    drawn.flags.writeable = False
    return drawn


SEASONS = {  # what green turns into, how far; colours of the specks on the ground
    "autumn": ("#d98a2b", 0.8, ("#c8501e", "#e8b12c")),
    "winter": ("#eef3f8", 0.75, ("#ffffff", "#ffffff")),
    "spring": ("#b8e05a", 0.45, ("#f78fc0", "#ffffff")),
}


def _specks(colours: tuple[str, str], wide: bool) -> str:
    out = []
    for i in range(22):
        x, y = (i * 47 + 5) % 128, 94 + (i * 29) % 32
        rx, ry = (7, 2.2) if wide else (2.6, 1.8)
        colour = colours[i % 2]
        out.append(f'<ellipse cx="{x}" cy="{y}" rx="{rx}" ry="{ry}" fill="{colour}"/>')
    return "".join(out)


@cache
def _land(ground: str, season: str) -> np.ndarray:
    """A ground with its greens turned, and what lies on it; not to be changed."""
    land = _layer(GROUNDS[ground])
    if season == "summer":
        return land
    turned, strength, colours = SEASONS[season]
    colour = _rgb(turned)
    rgb = land[..., :3]
    green = np.clip((rgb[..., 1:2] - np.maximum(rgb[..., 0:1], rgb[..., 2:3])) * 6, 0, 1)
    # Darker greens turn into darker colours, so that hills and trees keep their shapes.
    level = 0.6 + 0.7 * rgb.mean(-1, keepdims=True)
    share = green * strength
    land = land.copy()
    land[..., :3] = rgb * (1 - share) + np.clip(colour * level, 0, 1) * share
    over = _layer(_specks(colours, wide=season == "winter"))
    land[..., :3] = land[..., :3] * (1 - over[..., 3:]) + over[..., :3] * over[..., 3:]
    land[..., 3:] = np.maximum(land[..., 3:], over[..., 3:])
    land.flags.writeable = False
    return land


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)], dtype=np.float32)


@lru_cache(maxsize=1024)
def backdrop(
    ground: str, time: str, weather: str, season: str = "summer", style: str = "flat"
) -> np.ndarray:
    """The picture of a setting without objects, float32 RGB in [0, 1]."""
    top, bottom = SKIES[time]
    if weather in ("rain", "storm", "snow", "fog"):
        top = bottom = GREY_SKIES[time]
    light = LIGHTS[time] if weather in ("clear", "cloudy") else ""
    tint, strength = SHADE[time]
    veil = ""
    if weather == "fog":
        shade = "#4a5070" if time == "night" else "#e6e9ee"
        veil = (
            '<defs><linearGradient id="v" x1="0" y1="0" x2="0" y2="1">'
            f'<stop offset="0.1" stop-color="{shade}" stop-opacity="0.2"/>'
            f'<stop offset="0.55" stop-color="{shade}" stop-opacity="0.95"/>'
            f'<stop offset="1" stop-color="{shade}" stop-opacity="0.3"/></linearGradient></defs>'
            '<rect width="128" height="128" fill="url(#v)"/>'
        )
    sky = (
        '<defs><linearGradient id="s" x1="0" y1="0" x2="0" y2="1"><stop offset="0" '
        f'stop-color="{top}"/><stop offset="0.7" stop-color="{bottom}"/></linearGradient></defs>'
        f'<rect width="128" height="128" fill="url(#s)"/>{light}'
    )
    drawn = _layer(sky)[..., :3]
    # Only the ground takes the tint: the colours of the sky already tell the time.
    land = _land(ground, season).copy()
    land[..., :3] = land[..., :3] * (1 - strength) + _rgb(tint) * strength
    over = _layer(_weather(weather, time) + veil)
    layers = (over, land) if WORLD.grounds[ground].indoors else (land, over)
    for layer in layers:
        drawn = drawn * (1 - layer[..., 3:]) + layer[..., :3] * layer[..., 3:]
    return inked(drawn, land[..., 3]) if style == "ink" else drawn


def stamps(thing: PlacedObject) -> list[tuple[int, int, int]]:
    """Left, top and size of every pictogram that a placed object is drawn with."""
    layout = WORLD.layout
    box, member = layout["box"], layout["group"]
    left = layout["places"][thing.place]
    top = layout["sky"] if thing.place.startswith("upper") else layout["baseline"] - box
    if thing.count == 1:
        size = layout["sizes"][thing.size]
        if size > box:
            inset = {"left": 0, "middle": 8, "right": 16}[thing.place]
            return [(left - inset, top + box - size, size)]
        inset = (box - size) // 2
        return [(left + inset, top + (inset if top < 60 else box - size), size)]
    low, step = top + box - member, box - member
    pair = [(left, low, member), (left + step, low, member)]
    return pair if thing.count == 2 else [(left + step // 2, top, member), *pair]


def render(scene: Scene) -> np.ndarray:
    """The picture of a scene, uint8 RGB."""
    setting = (scene.ground, scene.time, scene.weather, scene.season, scene.style)
    canvas = backdrop(*setting).copy()
    for thing in scene.objects:
        for left, top, size in stamps(thing):
            stamp = _stamp(WORLD.things[thing.name].file, size, thing.tint, scene.style == "ink")
            area = canvas[top : top + size, left : left + size]
            area *= 1 - stamp[..., 3:]
            area += stamp[..., :3]
    return (finish(canvas, scene.style) * 255 + 0.5).astype(np.uint8)


@cache
def _stamp(file: str, size: int, tint: str, ink: bool) -> np.ndarray:
    """A pictogram as it is put on the picture, premultiplied."""
    stamp = pictogram(file, size)
    stamp = stamp if tint == "natural" else tinted(stamp, tint)
    return outlined(stamp) if ink else stamp


def main() -> None:
    """Draw a sheet of random scenes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="training/runs/scenes.png")
    parser.add_argument("--n", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    pictures = [render(sample_scene(rng)) for _ in range(args.n)]
    rows = [np.concatenate(pictures[i : i + 8], axis=1) for i in range(0, args.n, 8)]
    Image.fromarray(np.concatenate(rows)).save(args.out)


if __name__ == "__main__":
    main()
