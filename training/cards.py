"""Write docs/postcards.md and the model cards from the measured figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from driftloop.postcards import WORLD
from training import train_autoencoder, train_captioner, train_text, train_unet
from training.common import load
from training.export import WEIGHTS

DOCS = Path(__file__).parents[1] / "docs"
LICENCE = """## Licence and attribution
The pictograms are [Fluent Emoji](https://github.com/microsoft/fluentui-emoji), copyright Microsoft
Corporation, MIT licence, taken from the package `fluentui-emoji` 1.3.0. Words of free English come
from [emojibase-data](https://github.com/milesj/emojibase) 17.0.0, copyright Miles Johnson, MIT
licence. The weights are published under the licence of this project.
"""


def share(figure: dict[str, float]) -> str:
    """A share with its interval, in per cent."""
    if not figure["n"]:
        return "not said"
    low, high = 100 * figure["low"], 100 * figure["high"]
    return f"{100 * figure['value']:.1f} % [{low:.1f}, {high:.1f}]"


def rows(columns: list[tuple[str, dict[str, dict[str, float]]]]) -> str:
    """A table of figures: one line for each figure, one column for each set of them."""
    names = list(dict.fromkeys(key for _, figures in columns for key in figures))
    lines = [
        "| figure | " + " | ".join(title for title, _ in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name in names:
        cells = [share(figures[name]) if name in figures else "" for _, figures in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def lengths() -> dict[str, str]:
    """How long each part was trained, from its checkpoint."""
    out = {}
    for name, module in (
        ("autoencoder", train_autoencoder),
        ("text encoders", train_text),
        ("UNet", train_unet),
        ("captioner", train_captioner),
    ):
        state = load(module.CHECKPOINT)
        if state:
            samples = state["step"] * state["batch"]
            out[name] = (
                f"{state['step']:,} steps of {state['batch']} ({samples:,} samples), "
                f"{state['spent'] / 60:.0f} minutes on a shared 2-core CPU"
            )
    return out


def size(name: str) -> str:
    """The size of a model's weights."""
    return f"{sum(f.stat().st_size for f in (WEIGHTS / name).rglob('*.safetensors')) / 1e6:.1f} MB"


def budgets(results: dict[str, Any]) -> str:
    """The table of caption budgets."""
    lines = [
        "| words allowed | budget kept | ends in a full stop | mean words | objects found | "
        "objects right |",
        "|---|---|---|---|---|---|",
    ]
    for words, f in results["captioner"]["budgets"].items():
        lines.append(
            f"| {words} | {share(f['budget kept'])} | {share(f['whole sentence'])} | "
            f"{f['mean words']:.1f} | {share(f['objects found'])} | {share(f['objects right'])} |"
        )
    return "\n".join(lines) + "\n"


def pixel_reader(drawn: dict[str, Any]) -> str:
    """The figure that needs no captioner."""
    return (
        f"**Asked objects drawn: {share(drawn['objects drawn'])}**, by a reader of pixels that "
        "takes what stands at the asked place for the object, of all that could stand there, or "
        "nothing, whose true picture is nearest. On true pictures that went once through the "
        f"autoencoder it reads {share(drawn['objects drawn, limit'])} right.\n"
    )


def world_in_short() -> str:
    """A paragraph on the world, with its numbers."""
    return (
        f"`src/driftloop/postcards/world.toml` holds everything: {len(WORLD.things)} objects, "
        f"{len(WORLD.grounds)} grounds, {len(WORLD.times)} times of day, {len(WORLD.weathers)} "
        "weathers, how frequent each is (Zipf over objects) and what goes with what (ships on the "
        "sea, snowmen in snow, owls at night). `driftloop.postcards` samples scenes from it, "
        "writes captions of them within a budget of words, and parses captions back:\n\n"
        "```python\nimport random\nfrom driftloop.postcards import caption, parse, sample_scene"
        "\n\nrng = random.Random(7)\nscene = sample_scene(rng)\n"
        "text = caption(scene, 12, rng)\nprint(text, parse(text).names)\n```\n"
    )


def write(results: dict[str, Any]) -> None:
    """Write the page and both cards."""
    drawn, seen, auto = results["generator"], results["captioner"], results["autoencoder"]
    trained = lengths()
    settings = f"{drawn['steps']} steps, guidance {drawn['guidance']}"
    generator_table = rows(
        [
            ("asked, and read in the drawn picture", drawn["asked"]),
            ("the same scenes, really drawn (the reader's own limit)", drawn["ceiling"]),
        ]
    )
    captioner_table = rows(
        [
            ("greedy, no budget", seen["free"]),
            ("temperature 1, 20 words", seen["temperature 1, 20 words"]),
        ]
    )
    n_seen, n_drawn = seen["free"]["objects found"]["n"], drawn["asked"]["objects found"]["n"]
    note = (
        "Held-out scenes hold at least one pair of objects that training never showed together. "
        "Intervals are 95 %: Wilson for one answer a picture, a bootstrap over pictures otherwise. "
        "A setting or an attribute is counted only where a caption states it.\n"
    )
    (DOCS / "postcards.md").write_text(
        f"""# The bundled pair, measured

This page is written by `python -m training.evaluate`. {note}
![Held-out prompts and their pictures](postcards-contact-sheet.png)

## The world
{world_in_short()}
## postcard-sdxl draws ({n_drawn} captions that tell the whole scene; {settings})
{generator_table}
{pixel_reader(drawn)}
The table's reader is postcard-llava, so its own errors are in the first column; the second column
says how many they are. Blank pictures: {share(drawn["blank pictures"])}.
{drawn["seconds"]:.3f} s a picture.
The autoencoder's mean squared error, in [-1, 1], is {auto["mse"]:.4f} ± {auto["half width"]:.4f}
({auto["n"]} pictures).

## postcard-llava describes ({n_seen} pictures)
{captioner_table}
{budgets(results)}
A caption took {1000 * seen["seconds"]:.0f} ms in batches of 32.

## Free English
Twelve sentences that the grammar cannot write (`postcards-24`, source `free`):

![Free English prompts and their pictures](postcards-free-english.png)

## How long it was trained
"""
        + "".join(f"* {name}: {text}\n" for name, text in trained.items())
    )
    common = f"""{note}
## Known failures
"""
    (WEIGHTS / "postcard-sdxl" / "README.md").write_text(f"""# postcard-sdxl

A small `StableDiffusionXLPipeline` ({size("postcard-sdxl")} in half precision) that draws
Postcards: 128 × 128 scenes of one to four flat pictograms on a ground, under a sky.
It knows nothing else.
Use {settings}; sizes other than 128 × 128 are not supported.

* **Parts**: AutoencoderTiny (16 × 16 × 8 latents), two CLIP text encoders, a UNet with SDXL's
  text_time conditioning, v-prediction with a zero terminal signal-to-noise ratio, DPM-Solver++.
* **Data**: scenes drawn without end from the prior in `world.toml`, captions of its grammar at
  budgets of 5 to 40 words, three in ten roughened towards free English (synonyms, hypernyms, noise
  words, dropped words). One pair of objects in twelve was held out.
* **Training**: autoencoder {trained.get("autoencoder")}; text encoders
  {trained.get("text encoders")}; UNet {trained.get("UNet")}.

## Held-out figures ({n_drawn} captions that tell the whole scene)
{pixel_reader(drawn)}
{generator_table}
{common}{FAILURES["postcard-sdxl"]}
{LICENCE}""")
    (WEIGHTS / "postcard-llava" / "README.md").write_text(f"""# postcard-llava

A small `LlavaForConditionalGeneration` ({size("postcard-llava")} in half precision) that describes
Postcards, 128 × 128 pictures of postcard-sdxl's world, within a budget of words:
"Describe this picture in at most N words.", N from 5 to 50, or without a number.

* **Parts**: a CLIP vision tower (5 layers of 192, patches of 16), LLaVA's projector, a Llama of 4
  layers of 256, a byte-level BPE of 1,024 tokens.
* **Data**: scenes drawn without end from the prior in `world.toml`; three pictures in eight went
  through the autoencoder with noise in their latents, one in eight got pixel noise, so that drawn
  pictures are read as well as rendered ones.
* **Training**: {trained.get("captioner")}.

## Held-out figures ({n_seen} pictures)
{captioner_table}
{budgets(results)}
{common}{FAILURES["postcard-llava"]}
{LICENCE}""")


FAILURES = {
    "postcard-sdxl": """\
* Small objects, groups of three and dark settings are the softest, and animals of one colour
  (lion, camel, dog) are the most easily confused.
* What a caption leaves out is refilled with objects somewhat too often: the training loss gave the
  cells under objects six times the weight, which pulls an open question towards "there is one".
  The settings (ground, time, weather) are not affected in this way.
* Words that the world has none for are mostly ignored; the picture then shows a likely scene.
""",
    "postcard-llava": """\
* The steps above are of its last schedule, which began with the vision tower alone and went on
  from the weights of an earlier one (3,057 steps of 32, 56 minutes).
* Small objects and groups of three are what it misses most, and animals of one colour are what it
  most easily confuses.
* A budget of 30 words is the one that it exceeds most, by a word or two.
* At temperature 1 it now and then spells a word that does not exist.
""",
}


if __name__ == "__main__":
    raise SystemExit("run python -m training.evaluate --parts to rewrite the pages")
