"""What the model cards say that no measurement does."""

from __future__ import annotations

from typing import NamedTuple

METHOD = """Held-out scenes hold at least one pair of objects that training never showed together;
each model is measured on scenes of the world that it was trained on. Intervals are 95 %: Wilson for
one answer a picture, a bootstrap over pictures otherwise. A setting or an attribute is counted only
where a caption states it."""

LICENCE = """
## Licence and attribution
The pictograms are [Fluent Emoji](https://github.com/microsoft/fluentui-emoji), copyright Microsoft
Corporation, MIT licence, taken from the package `fluentui-emoji` 1.3.0. Words of free English come
from [emojibase-data](https://github.com/milesj/emojibase) 17.0.0, copyright Miles Johnson, MIT
licence, and from [WordNet](https://wordnet.princeton.edu) 3.0, copyright Princeton University,
WordNet licence. The weights are published under the licence of this project.
"""


class About(NamedTuple):
    """A model in words."""

    row: tuple[str, str]
    """Format, and what it does, for the table of all."""
    text: str
    data: str


_GENERATOR = """An AutoencoderTiny (16 × 16 × 8 latents), two CLIP text encoders, a UNet with SDXL's
text_time conditioning, v-prediction with a zero terminal signal-to-noise ratio."""
_SCENES = """Scenes drawn without end from the prior in `world.toml`, captions of its grammar at
budgets of 5 to 40 words, one in five roughened towards free English (synonyms, hypernyms,
WordNet's names for a kind of it, noise words, dropped words, shuffled words). One pair of objects
in twelve was held out."""
_LOOKED_AT = """Three pictures in eight went through the autoencoder with noise in their latents,
one in eight got pixel noise, so that drawn pictures are read as well as rendered ones. While it
trained, a head that was thrown away afterwards read the scene off each patch of the tower."""

ABOUT = {
    "postcard-sdxl": About(
        ("StableDiffusionXLPipeline", "draws in 6 steps with guidance 2"),
        f"""A small `StableDiffusionXLPipeline` that draws 128 × 128 pictures: one to four flat
pictograms on a ground, under a sky or in a room. Use 6 steps and guidance 2; other sizes are not
supported. {_GENERATOR} The scheduler is DPM-Solver++.""",
        f"""{_SCENES} The UNet was first trained on a world in which rare objects are less rare,
with six times the weight on the parts of a picture where objects are; then on the world as it is,
every part alike, so that what a caption leaves open is refilled more as the world has it; guidance
moves it to the likeliest again.""",
    ),
    "postcard-turbo": About(
        ("StableDiffusionXLPipeline", "draws the nocturne world in 4 steps without guidance"),
        f"""A small `StableDiffusionXLPipeline` that draws 128 × 128 pictures in 4 steps without
guidance (set guidance to 1), a third of postcard-sdxl's work. {_GENERATOR} The scheduler is
DDIM.""",
        f"""{_SCENES} Its UNet started as postcard-sdxl's and went on in the **nocturne** world
(`WORLD.skewed("nocturne")`: nights, storms, cities, buildings, figures and ink drawings are more
frequent, meadows, beaches, animals and plants less); it was then distilled
from 8 guided steps of its own into 4 unguided ones (progressive distillation).""",
    ),
    "postcard-llava": About(
        ("LlavaForConditionalGeneration", "describes, objects first"),
        """A small `LlavaForConditionalGeneration` that describes 128 × 128 pictures within a budget
of words: "Describe this picture in at most N words.", N from 5 to 50, or without a number; or "Name
what is unusual in this picture in at most N words.". A CLIP vision tower (5 layers of 192, patches
of 16), LLaVA's projector, a Llama of 4 layers of 256, a byte-level BPE of 1,280 tokens.""",
        f"""Scenes of the prior in `world.toml`. {_LOOKED_AT}""",
    ),
    "postcard-git": About(
        ("GitForCausalLM", "describes the nocturne world, the setting first"),
        """A small `GitForCausalLM` that describes 128 × 128 pictures within a budget of words. The
instruction is a prefix of the caption, as GIT takes it; the instructions are those of
postcard-llava. One transformer (4 layers of 256) reads the patches of a vision tower and the
words.""",
        f"""Scenes of the **nocturne** world (`WORLD.skewed("nocturne")`), captions that tell the
setting before the objects. Its vision tower starts from postcard-llava's and was trained on.
{_LOOKED_AT}""",
    ),
    "postcard-clip": About(
        ("CLIPModel", "the eye: pictures and texts in one space of 128 dimensions"),
        """A small `CLIPModel` to judge with: it shares no weights with any generator or
captioner.""",
        f"""Contrastive. Every scene of a batch stands beside one that differs from it in one object
or one part of the setting, and every second picture is also compared with captions that are true
but for one object. Rare objects are somewhat less rare than in the world.
{_LOOKED_AT}""",
    ),
}

FAILURES = {
    "postcard-sdxl": """* Small objects and groups are the softest, in fog, at night and in sepia
  most of all; a person may see a blob where the captioners still see what was asked for.
* Where a caption leaves the setting open, the picture may be a grey mixture of several.
* What a caption leaves open is refilled only roughly as the world has it: guidance moves it to the
  likeliest (see the distances with it and without).
* Of WordNet's names for an object it understands about every second (see the other words).
* A tint that an object has by nature (a red apple) changes nothing.
* Words that the world has none for are mostly ignored; the picture then shows a likely scene.
""",
    "postcard-turbo": """* Softer than postcard-sdxl, and more often a grey mixture of settings
  where a caption leaves them open: four steps settle less than six guided ones.
* Guidance above 1 doubles the work and changes little in what is found of the objects (see the
  settings): it is distilled in already.
* Words that the world has none for are mostly ignored; the picture then shows a likely night.
""",
    "postcard-llava": """* Asked for the unusual, it tells much the same as when it is asked to
  describe: see the surprise of what it says beside that of a captioner that obeys.
* In sepia, dawn and day under clouds look alike.
* At temperature 1 it now and then spells a word that does not exist.
""",
    "postcard-git": """* Under a tight budget it names few objects (see the budgets): it was
  taught to tell the setting first.
* At temperature 1 it now and then spells a word that does not exist.
""",
    "postcard-clip": """* Outside the Postcards world its similarities mean nothing.
""",
}
