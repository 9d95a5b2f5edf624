"""Postcards: the miniature world that the bundled models know, and nothing else."""

from driftloop.postcards.bundled import bundled_names, bundled_path
from driftloop.postcards.grammar import caption
from driftloop.postcards.parser import Parsed, ParsedObject, Relation, parse
from driftloop.postcards.scenes import PlacedObject, Scene, held_out, sample_scene
from driftloop.postcards.world import WORLD, Setting, Thing, World

__all__ = [
    "WORLD",
    "Parsed",
    "ParsedObject",
    "PlacedObject",
    "Relation",
    "Scene",
    "Setting",
    "Thing",
    "World",
    "bundled_names",
    "bundled_path",
    "caption",
    "held_out",
    "parse",
    "sample_scene",
]
