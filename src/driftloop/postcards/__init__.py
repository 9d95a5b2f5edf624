"""Postcards: the miniature world that the bundled models know, and nothing else.

* :data:`WORLD` is its statistics; :meth:`World.skewed` gives a world with others.
* :func:`sample_scene` draws a :class:`Scene`, :func:`prior` tells how likely a setting is, and
  :func:`refill` how likely it is where a caption leaves it open.
* :func:`caption` tells a scene within a budget of words, :func:`parse` reads any text back into
  what it says of a scene, :func:`score` compares the two.
* :func:`bundled_path` says where the weights lie, :func:`home_world` which world they know.
"""

from .bundled import bundled_names, bundled_path, home_world
from .grammar import caption
from .parser import Parsed, ParsedObject, Relation, parse
from .refill import refill
from .salience import LOOKS, Look, surprise
from .scenes import PlacedObject, Scene, held_out, prior, sample_scene, thing_prior
from .score import Score, score
from .world import SETTINGS, WORLD, Setting, Thing, World, load_world

__all__ = [
    "LOOKS",
    "SETTINGS",
    "WORLD",
    "Look",
    "Parsed",
    "ParsedObject",
    "PlacedObject",
    "Relation",
    "Scene",
    "Score",
    "Setting",
    "Thing",
    "World",
    "bundled_names",
    "bundled_path",
    "caption",
    "held_out",
    "home_world",
    "load_world",
    "parse",
    "prior",
    "refill",
    "sample_scene",
    "score",
    "surprise",
    "thing_prior",
]
