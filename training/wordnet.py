"""Other names of the world's objects, out of WordNet: synonyms and what is a kind of them.

A dog is also a hound, a terrier, a poodle. Training captions call objects so now and then, which is
how the models come to understand words that the grammar never writes.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from driftloop.postcards import WORLD
from driftloop.postcards.parser import lexicon
from training.pictograms import CACHE

KINDS = {  # what an object of a kind is somewhere below, in WordNet
    "animal": {"animal"},
    "bird": {"bird"},
    "fish": {"animal"},
    "insect": {"arthropod"},
    "plant": {"plant", "plant part"},
    "building": {"structure", "shelter"},
    "boat": {"vessel"},
    "vehicle": {"vehicle", "wheeled vehicle", "conveyance"},
    "aircraft": {"craft"},
    "food": {"food", "plant part"},
}
"""Of people and of things in general WordNet has much that is no name of what is drawn."""
RUDE = {"bastard", "pussy", "ass", "cur", "bitch", "tup", "cock"}
DEEPEST, MOST = 2, 40


class Synset(NamedTuple):
    """A meaning: its words, the meanings above it and below it."""

    words: tuple[str, ...]
    above: tuple[str, ...]
    below: tuple[str, ...]


def fetch() -> Path:
    """Unpack WordNet's data files from Debian's package into the cache, once."""
    folder = CACHE / "wordnet"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "--quiet", "wordnet-base"], cwd=CACHE, check=True)
        package = next(CACHE.glob("wordnet-base*.deb"))
        subprocess.run(["dpkg", "-x", package, folder], check=True)
    return folder / "usr" / "share" / "wordnet"


@cache
def _nouns() -> tuple[dict[str, Synset], dict[str, list[str]]]:
    """Synsets by offset, and the offsets of each word's meanings, the commonest first."""
    synsets = {}
    for line in (fetch() / "data.noun").read_text().splitlines():
        if line.startswith(" "):
            continue
        fields = line.split(" | ")[0].split()
        count = int(fields[3], 16)
        words = tuple(w.replace("_", " ").lower() for w in fields[4 : 4 + 2 * count : 2])
        pointers = fields[5 + 2 * count :]
        links = list(zip(pointers[::4], pointers[1::4], strict=False))
        synsets[fields[0]] = Synset(
            words,
            tuple(to for kind, to in links if kind in ("@", "@i")),
            tuple(to for kind, to in links if kind == "~"),
        )
    meanings = {}
    for line in (fetch() / "index.noun").read_text().splitlines():
        if not line.startswith(" "):
            fields = line.split()
            meanings[fields[0].replace("_", " ")] = fields[-int(fields[2]) :]
    return synsets, meanings


def _ancestors(offset: str) -> Iterator[str]:
    synsets, _ = _nouns()
    for above in synsets[offset].above:
        yield from synsets[above].words
        yield from _ancestors(above)


def _names(offset: str, depth: int) -> Iterator[str]:
    synsets, _ = _nouns()
    yield from synsets[offset].words
    if depth:
        for below in synsets[offset].below:
            yield from _names(below, depth - 1)


@cache
def other_names() -> dict[str, tuple[str, ...]]:
    """For each object the words for it that the world does not know; empty where none are found."""
    _, meanings = _nouns()
    known = {" ".join(phrase) for phrase in lexicon()}
    found: dict[str, tuple[str, ...]] = {}
    claimed: set[str] = set(known)
    for name, thing in WORLD.things.items():
        offset = next(
            (
                offset
                for word in (name, *thing.synonyms)
                for offset in meanings.get(word, ())
                if KINDS.get(thing.kind, set()) & set(_ancestors(offset))
            ),
            None,
        )
        names = dict.fromkeys(_names(offset, DEEPEST)) if offset else {}
        mine = [
            n for n in names if n not in claimed and n.count(" ") < 2 and not RUDE & set(n.split())
        ][:MOST]
        claimed.update(mine)
        found[name] = tuple(mine)
    return found


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    for thing, words in other_names().items():
        print(f"{thing} ({len(words)}): {', '.join(words[:12])}")
