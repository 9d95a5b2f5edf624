"""Write docs/postcards.md and the model cards from the measured figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from driftloop.postcards import SETTINGS, WORLD, bundled_names
from training.card_texts import ABOUT, FAILURES, LICENCE, METHOD
from training.export import EXPORTS, WEIGHTS
from training.players import CAPTIONERS, GENERATORS
from training.record import read

DOCS = Path(__file__).parents[1] / "docs"


def share(figure: dict[str, float]) -> str:
    """A share with its interval, in per cent."""
    if not figure["n"]:
        return "not said"
    low, high = 100 * figure["low"], 100 * figure["high"]
    return f"{100 * figure['value']:.1f} % [{low:.1f}, {high:.1f}]"


def table(heads: list[str], lines: list[list[str]]) -> str:
    """A table in Markdown."""
    rows = [heads, ["---"] * len(heads), *lines]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def by_figure(columns: dict[str, dict[str, dict[str, float]]]) -> str:
    """One line for each figure, one column for each set of them."""
    names = list(dict.fromkeys(key for figures in columns.values() for key in figures))
    return table(
        ["figure", *columns],
        [
            [
                name,
                *(share(figures[name]) if name in figures else "" for figures in columns.values()),
            ]
            for name in names
        ],
    )


def budgets(figures: dict[str, Any]) -> str:
    """The table of caption budgets."""
    keys = ("budget kept", "whole sentence", "objects found", "objects right")
    return table(
        ["words allowed", "words used", *keys],
        [
            [words, f"{f['mean words']:.1f}", *(share(f[key]) for key in keys)]
            for words, f in figures["budgets"].items()
        ],
    )


def lengths(name: str) -> str:
    """How long each part of a model was trained, from the record beside its weights."""
    lines = []
    for part, stretches in read(WEIGHTS / name).items():
        for s in stretches:
            minutes = f"{s.minutes:.{1 if s.minutes < 10 else 0}f}"
            lines.append(
                f"* {part}, {s.name}: {s.steps:,} steps of {s.batch} ({s.steps * s.batch:,} "
                f"samples), {minutes} minutes on {s.machine}, starting from {s.start}\n"
            )
    return "".join(lines)


def size(name: str) -> float:
    """Megabytes of a model's weights."""
    return sum(f.stat().st_size for f in (WEIGHTS / name).rglob("*.safetensors")) / 1e6


def generator_section(name: str, figures: dict[str, Any]) -> str:
    """What is known of a generator."""
    n = figures["read by"][CAPTIONERS[0]]["objects found"]["n"]
    columns = {f"read by {reader}": figures["read by"][reader] for reader in CAPTIONERS}
    columns |= {f"{reader}'s own limit": figures["limits"][reader] for reader in CAPTIONERS}
    found = table(
        ["asked objects found", "in drawn pictures", "in the true pictures (the judge's limit)"],
        [
            ["by the eye, among 16", share(figures["eye"]), share(figures["eye, limit"])],
            ["by pixels", share(figures["by pixels"]), share(figures["by pixels, limit"])],
            *(
                [
                    f"by {reader}",
                    share(figures["read by"][reader]["objects found"]),
                    share(figures["limits"][reader]["objects found"]),
                ]
                for reader in CAPTIONERS
            ),
        ],
    )
    prior = figures["prior"]
    distances = {"drawn": "distance", "unguided": "without guidance", "control": "reader alone"}
    distances = {k: told for k, told in distances.items() if f"distance, {k}" in prior["ground"]}
    refilled = table(
        ["left open", "in the world", "drawn, where open", *distances.values()],
        [
            [
                role,
                _shares(prior[role]["world"]),
                _shares(prior[role]["drawn"]),
                *(f"{prior[role][f'distance, {key}']:.2f}" for key in distances),
            ]
            for role in SETTINGS
        ],
    )
    objects = prior["objects"]
    words = table(
        ["an object alone, called by", "is drawn"],
        [[title, share(figure)] for title, figure in figures["words"].items()],
    )
    keys = ("objects found", "objects right", "tints right")
    settings = table(
        ["steps", "guidance", "passes of the UNet", *keys],
        [
            [
                f"{row['steps']}{' (meant)' if row['chosen'] else ''}",
                f"{row['guidance']:g}",
                str(row["evaluations"]),
                *(share(row["figures"][key]) for key in keys),
            ]
            for row in figures["settings"]
        ],
    )
    compared = figures["settings"][0]["figures"]["objects found"]["n"]
    return f"""{n:,} captions that tell the whole scene. {figures["seconds"]:.3f} s a picture in
batches of 16, on one core of a busy machine. Blank pictures: {share(figures["blank"])}.

{found}
{by_figure(columns)}
**What it refills.** {prior["n"]:,} scenes of its world told in five words, drawn, and read by
postcard-llava. The distance is the total variation between what the scenes held and what was drawn
(0: as the world has it); the last column is the same for their true pictures. Objects a picture:
{objects["world"]:.2f} in the scenes, {objects["drawn"]:.2f} in the drawn pictures,
{objects["control"]:.2f} read in the true ones.

{refilled}
**Other words.** An object alone, and how often postcard-llava finds it:

{words}
**Settings.** {compared:,} scenes of their own, on which nothing else is measured, drawn with each
and read by postcard-llava:

{settings}"""


def _shares(shares: dict[str, float]) -> str:
    ranked = sorted(shares.items(), key=lambda item: -item[1])[:4]
    return ", ".join(f"{name} {100 * value:.0f} %" for name, value in ranked)


def captioner_section(figures: dict[str, Any]) -> str:
    """What is known of a captioner."""
    n = figures["free"]["objects found"]["n"]
    columns = {
        "greedy, no budget": figures["free"],
        "temperature 1, 20 words": figures["temperature 1, 20 words"],
        "of the unusual, 10 words": figures["unusual, 10 words"],
    }
    surprise = table(
        ["nats that what it tells in ten words is less likely than the likeliest", "value"],
        [
            [title, f"{f['value']:.2f} [{f['low']:.2f}, {f['high']:.2f}]"]
            for title, f in figures["surprise"].items()
        ],
    )
    return f"""{n:,} pictures. A caption took {1000 * figures["seconds"]:.0f} ms in batches of 32,
on one core of a busy machine.

{by_figure(columns)}
{budgets(figures)}
Does it obey when it is asked for the unusual? By the grammar: what obeying it would have said.

{surprise}"""


def eye_section(figures: dict[str, Any]) -> str:
    """What is known of the eye."""
    lines = [[title, share(figure)] for title, figure in figures.items()]
    return "How often the right one comes first:\n\n" + table(["among", "right"], lines)


def section(name: str, results: dict[str, Any]) -> str:
    """What is known of a model."""
    if name in GENERATORS:
        return generator_section(name, results[name])
    if name in CAPTIONERS:
        return captioner_section(results[name])
    return eye_section(results[name])


def world_in_short() -> str:
    """A paragraph on the world, with its numbers."""
    numbers = ", ".join(f"{len(WORLD.settings(role))} {role}s" for role in SETTINGS)
    return f"""`src/driftloop/postcards/world.toml` holds everything: {len(WORLD.things)} objects in
three sizes, five tints, groups of up to three and five places; {numbers}; how frequent each is and
what goes with what (ships on the sea, snowmen in snow, owls at night, teapots in kitchens).
`driftloop.postcards` samples scenes from it, writes captions of them within a budget of words,
parses captions back, and says how likely what was told is. A skew of it,
`WORLD.skewed("nocturne")`, is the world of postcard-turbo and postcard-git.

```python
import random
from driftloop.postcards import WORLD, caption, parse, prior, sample_scene, score

rng = random.Random(7)
scene = sample_scene(rng)
text = caption(scene, 12, rng)
print(text, score(parse(text), scene)["objects found"])
print(prior(WORLD, "weather", "sea"))  # what a caption that says nothing of it leaves open
```
"""


PICTURES = {
    "postcard-sdxl": [
        ("Held-out prompts", "postcard-sdxl-prompts.png"),
        ("Free English, which the grammar cannot write", "postcard-sdxl-free-english.png"),
    ],
    "postcard-turbo": [
        ("Held-out prompts", "postcard-turbo-prompts.png"),
        ("Free English, which the grammar cannot write", "postcard-turbo-free-english.png"),
    ],
    "postcard-llava": [("Captions at each budget", "postcard-llava-captions.png")],
    "postcard-git": [("Captions at each budget", "postcard-git-captions.png")],
    "postcard-clip": [],
}


def write(results: dict[str, Any]) -> None:
    """Write the page and all cards."""
    total = sum(size(name) for name in bundled_names())
    auto = results["autoencoder"]
    shipped = [name for name in EXPORTS if name in bundled_names()]
    models = table(
        ["model", "format", "draws or describes", "MB"],
        [[name, *ABOUT[name].row, f"{size(name):.1f}"] for name in shipped],
    )
    page = [
        f"""# The bundled models, measured

This page is written by `make postcards-eval`. {METHOD}

{models}
Together {total:.1f} MB. The autoencoder's mean squared error, in [-1, 1], is
{auto["mse"]:.4f} ± {auto["half width"]:.4f} ({auto["n"]} pictures).

## The world
{world_in_short()}
## One trajectory of each generator with each captioner
![Trajectories](postcards-trajectories.png)
"""
    ]
    for name in shipped:
        pictures = "".join(f"\n{title}:\n\n![{title}]({file})\n" for title, file in PICTURES[name])
        page.append(f"\n## {name}\n{section(name, results)}{pictures}\n{lengths(name)}")
        (WEIGHTS / name / "README.md").write_text(
            f"""# {name}

{ABOUT[name].text}
{size(name):.1f} MB in half precision. It knows the Postcards world, and nothing else.

## Training
{ABOUT[name].data}

{lengths(name)}
## Held-out figures
{METHOD}

{section(name, results)}
## Known failures
What points to no figure was seen by eye, or follows from how it was made.

{FAILURES[name]}
{LICENCE}"""
        )
    (DOCS / "postcards.md").write_text("".join(page))


if __name__ == "__main__":
    raise SystemExit("run python -m training.evaluate --parts to rewrite the pages")
