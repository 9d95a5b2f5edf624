"""Backend ``planted``: a network whose dynamics are known, as an oracle for measures.

Its world has a number of attractors. A state is nine words, drawn as nine tiles of the words'
colours and told as the nine words, so that either player reads the other's state exactly. The
generator adds noise and lets a state escape to another attractor; the captioner pulls it towards
the attractor whose basin it is in. Everything is a seeded chance a word::

    [models.draw]
    backend = "planted"
    role = "generator"
    attractors = 6
    noise = 0.03
    escape = 0.1

    [models.tell]
    backend = "planted"
    role = "captioner"
    attractors = 6
    pull = 0.4

Both need the same ``attractors``, ``common`` and ``world``. With ``pull``, ``noise`` and ``escape``
at 0 nothing moves; with ``basins = "prompt"`` twins end alike, and the prompt is never forgotten.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

from PIL import Image
from pydantic import Field

from ..errors import ModelError
from ..seeds import digest
from ..steps import Failure, Output, Reading, Role
from ._backend import Backend
from ._player import Player
from ._protocols import Located, Settings

WORDS = tuple(
    "harbour lighthouse lantern anchor gull rope tower storm cliff ferry mast pier island wave "
    "cathedral candle organ arch saint window choir bell marble altar palace mirror throne velvet "
    "chandelier staircase fountain garden statue peacock village barn meadow sheep orchard fence "
    "wagon mill bridge river willow heron boat reed stadium racket ball runner medal flag crowd "
    "whistle mountain glacier eagle pine snow valley lake cabin city tram neon rain taxi umbrella "
    "billboard subway kitchen bread kettle apple spoon basket table flour factory chimney crane "
    "rail engine smoke hammer steel desert camel dune oasis tent caravan palm cactus piano violin "
    "trumpet stage curtain dancer mask theatre library clock book desk globe owl ladder moth "
    "jungle parrot orchid tiger".split()
)
SLOTS = 9
TILE = 8
Slots = tuple[int, ...]
"""A state: which word is in each of the nine places."""
Chance = Annotated[float, Field(ge=0, le=1)]


class PlantedSettings(Settings):
    """What is planted."""

    path: str = "planted"
    role: Literal["generator", "captioner"]
    attractors: Annotated[int, Field(ge=0, le=64)] = 6
    """How many motifs there are; with none, nothing is pulled anywhere."""
    common: Annotated[int, Field(ge=0, le=SLOTS - 1)] = 4
    """Places that all attractors agree on: how alike the motifs are."""
    pull: Chance = 0.4
    """Contraction: the chance of each word, each round, to become the attractor's (captioner)."""
    basins: Literal["chance", "prompt"] = "chance"
    """What decides where a state that is near no attractor goes: the dice, or the state itself."""
    noise: Chance = 0.03
    """Chance of each word to become any other (generator)."""
    escape: Chance = 0.05
    """Chance to be thrown into the basin of another attractor (generator)."""
    world: int = 0
    """Which world: the words of the attractors follow from it."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 64


class PlantedPlayer(Player):
    """One half of the planted network."""

    def __init__(self, settings: PlantedSettings) -> None:
        self.settings = settings
        self.batch_size = settings.batch_size
        self.role = Role(settings.role)
        self._attractors = attractors(settings.world, settings.attractors, settings.common)

    @property
    def fingerprint(self) -> str:
        """All settings."""
        return digest("planted", *sorted(self.settings.model_dump().items())).hex()

    def resized(self, batch_size: int) -> PlantedPlayer:
        """The same player with another micro-batch."""
        return PlantedPlayer(self.settings.model_copy(update={"batch_size": batch_size}))

    def play(self, inputs: Sequence[Any], seeds: Sequence[int]) -> list[Output | Failure]:
        """Answer each by itself."""
        one = self._draw if self.role is Role.GENERATOR else self._tell
        return [one(item, random.Random(seed)) for item, seed in zip(inputs, seeds, strict=True)]

    def limits(self) -> dict[str, Any]:
        """How large the world is."""
        return {"words": len(WORDS), "places": SLOTS}

    def samples(self, count: int) -> list[Any]:
        """States at random, as texts or pictures."""
        dice = random.Random(0)
        states = [tuple(dice.choices(range(len(WORDS)), k=SLOTS)) for _ in range(count)]
        return [tell(s) if self.role is Role.GENERATOR else draw(s) for s in states]

    def _draw(self, text: str, dice: random.Random) -> Output | Failure:
        state, unread = read_words(text)
        if self._attractors and dice.random() < self.settings.escape:
            others = [a for a in self._attractors if a != self._nearest(state, dice)]
            state = dice.choice(others or self._attractors)
        noisy = tuple(
            dice.randrange(len(WORDS)) if dice.random() < self.settings.noise else word
            for word in state
        )
        return Output(draw(noisy), (Reading(SLOTS, len(unread), " ".join(unread)),))

    def _tell(self, image: Image.Image, dice: random.Random) -> Output | Failure:
        try:
            state = read_tiles(image)
        except ValueError as error:
            return Failure(str(error))
        if self._attractors:
            goal = self._nearest(state, dice)
            state = tuple(
                there if dice.random() < self.settings.pull else here
                for here, there in zip(state, goal, strict=True)
            )
        return Output(tell(state), tokens_written=SLOTS)

    def _nearest(self, state: Slots, dice: random.Random) -> Slots:
        """The attractor that shares most of the places in which attractors differ."""
        own = self.settings.common
        scores = [sum(map(int.__eq__, state[own:], a[own:])) for a in self._attractors]
        best = [
            a for a, score in zip(self._attractors, scores, strict=True) if score == max(scores)
        ]
        if self.settings.basins == "chance":
            return dice.choice(best)
        return best[int.from_bytes(digest("basin", *state)[:4], "big") % len(best)]


class PlantedBackend(Backend):
    """Makes the players of a planted network."""

    settings = PlantedSettings

    def role(self, settings: PlantedSettings) -> Role:
        """As it is set."""
        return Role(settings.role)

    def locate(self, settings: PlantedSettings) -> Located:
        """There is but one place."""
        if settings.path != "planted":
            raise ModelError(f"no planted world at '{settings.path}': leave path out")
        return Located(None, "planted", 0)

    def load(self, settings: PlantedSettings, located: Located) -> PlantedPlayer:
        """Make the player."""
        return PlantedPlayer(settings)


@lru_cache(maxsize=64)
def attractors(world: int, count: int, common: int) -> tuple[Slots, ...]:
    """The attractors of a world: different in every place but the first *common* ones.

    >>> a, b = attractors(0, 2, 4)
    >>> [i for i in range(9) if a[i] == b[i]]
    [0, 1, 2, 3]
    """
    dice = random.Random(int.from_bytes(digest("world", world)[:8], "big"))
    shared = tuple(dice.sample(range(len(WORDS)), common))
    columns = [dice.sample(range(len(WORDS)), count) for _ in range(SLOTS - common)]
    return tuple(shared + tuple(column[k] for column in columns) for k in range(count))


def tell(state: Slots) -> str:
    """A state as a caption.

    >>> tell((0, 1, 2, 3, 4, 5, 6, 7, 8))
    'harbour lighthouse lantern, anchor gull rope, tower storm cliff'
    """
    words = [WORDS[word] for word in state]
    return ", ".join(" ".join(words[i : i + 3]) for i in range(0, SLOTS, 3))


def read_words(text: str) -> tuple[Slots, list[str]]:
    """The state that a text tells, and the known words that there was no place for.

    A text of other words has a state too, the same one every time, which the known words among
    them are part of.
    """
    known = [w for w in re.findall(r"[a-z]+", text.lower()) if w in _INDEX]
    found = [_INDEX[w] for w in known[:SLOTS]]
    if len(found) < SLOTS:
        dice = random.Random(int.from_bytes(digest("text", text)[:8], "big"))
        found += dice.choices(range(len(WORDS)), k=SLOTS - len(found))
    return tuple(found), known[SLOTS:]


def draw(state: Slots) -> Image.Image:
    """A state as three by three tiles."""
    image = Image.new("RGB", (3, 3))
    image.putdata([colour(word) for word in state])
    return image.resize((3 * TILE, 3 * TILE), Image.Resampling.NEAREST)


def read_tiles(image: Image.Image) -> Slots:
    """The state that a picture shows.

    Raises:
        ValueError: The picture is not one of this world.
    """
    if image.size != (3 * TILE, 3 * TILE):
        raise ValueError(f"not a picture of the planted world: {image.width} × {image.height}")
    places = [(x * TILE + TILE // 2, y * TILE + TILE // 2) for y in range(3) for x in range(3)]
    try:
        return tuple(_COLOURS[_pixel(image, place)] for place in places)
    except KeyError as error:
        raise ValueError(f"not a picture of the planted world: no word is {error}") from None


def _pixel(image: Image.Image, place: tuple[int, int]) -> tuple[int, int, int]:
    levels = image.getpixel(place)
    if not isinstance(levels, tuple) or len(levels) != 3:
        raise KeyError(levels)
    red, green, blue = levels
    return red, green, blue


def colour(word: int) -> tuple[int, int, int]:
    """A word's own colour: hues a golden angle apart, in four lightnesses."""
    import colorsys

    hue = word * 0.618034 % 1
    red, green, blue = colorsys.hls_to_rgb(hue, 0.3 + 0.13 * (word % 4), 0.45 + 0.2 * (word % 3))
    return round(red * 255), round(green * 255), round(blue * 255)


_INDEX = {word: index for index, word in enumerate(WORDS)}
_COLOURS = {colour(word): word for word in range(len(WORDS))}
assert len(_INDEX) == len(_COLOURS) == len(WORDS)

backend = PlantedBackend()
