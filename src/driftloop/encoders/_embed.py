"""The vectors of a run's contents: those that are kept, and then the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import StoreError
from ..store import Run
from ._protocols import Encoder, Matrix

Advance = Callable[[int], None]
CHUNK = 1024
"""Contents between two commits: what an interrupted embedding loses at most."""


class Vectors(NamedTuple):
    """Vectors by content."""

    rows: dict[str, int]
    """Where in the matrix each content's vector is; a content without one is not here."""
    matrix: Matrix
    """``(n, d)``, rows of unit norm."""
    missing: frozenset[str]
    """Contents that have no vector: blank, or a picture that cannot be read."""
    cut: dict[str, int]
    """Tokens that the encoder did not read, by content, where it did not read all."""
    computed: int
    """How many were not kept from before."""

    def of(self, contents: Sequence[str | None]) -> Matrix:
        """Vectors of contents in order, ``(len(contents), d)``; NaN where there is none."""
        found = np.array(
            [self.rows.get(c, -1) if c is not None else -1 for c in contents], dtype=int
        )
        result = np.full((len(found), self.matrix.shape[1]), np.nan, dtype=np.float32)
        result[found >= 0] = self.matrix[found[found >= 0]]
        return result


class Places(NamedTuple):
    """Vectors of contents in the order that they were given in."""

    matrix: Matrix
    """``(len(contents), d)``; NaN where there is no content, or it has no vector."""
    missing: frozenset[str]
    """As in :class:`Vectors`."""
    cut: dict[str, int]
    """As in :class:`Vectors`."""
    computed: int
    """As in :class:`Vectors`."""


def embed(
    run: Run, encoder: Encoder, contents: Iterable[str], *, advance: Advance = lambda _: None
) -> Vectors:
    """Embed contents of a run, each once, and keep the vectors in the run.

    Args:
        run: Where the vectors are kept, and where the pictures are.
        encoder: Who embeds.
        contents: Texts, or digests of the run's pictures; repeats cost nothing.
        advance: Called with a number of contents as they are done.

    Returns:
        The :class:`Vectors`. Blank texts and unreadable pictures are in its ``missing``; a vector
        is never made up for them.
    """
    wanted = list(dict.fromkeys(contents))
    found = embed_in_place(run, encoder, wanted, advance=advance)
    here = np.isfinite(found.matrix[:, 0])
    rows = {wanted[at]: row for row, at in enumerate(np.flatnonzero(here))}
    matrix = found.matrix if here.all() else found.matrix[here]
    return Vectors(rows, matrix, found.missing, found.cut, found.computed)


def embed_in_place(
    run: Run, encoder: Encoder, contents: Sequence[str | None], *,
    advance: Advance = lambda _: None,
) -> Places:  # fmt: skip
    """The same with every vector where it belongs, so that those of a large run are held once.

    Args:
        run: Where the vectors are kept, and where the pictures are.
        encoder: Who embeds.
        contents: Texts, or digests of the run's pictures, as often as they come; None where there
            is nothing.
        advance: Called with a number of different contents as they are done.
    """
    wanted = list(dict.fromkeys(content for content in contents if content is not None))
    number = {content: at for at, content in enumerate(wanted)}
    which = np.array([-1 if content is None else number[content] for content in contents], int)
    del number
    # The places of the first content, of the second ...
    places = np.argsort(which, kind="stable")
    first_place = np.searchsorted(which, np.arange(len(wanted) + 1), sorter=places)
    matrix: Matrix = np.full((len(contents), 1), np.nan, dtype=np.float32)
    missing: set[str] = set()
    cut: dict[str, int] = {}
    computed, filled = 0, False
    for first in range(0, len(wanted), CHUNK):
        chunk = wanted[first : first + CHUNK]
        known: dict[str, Matrix] = {}
        for identity, group in _by_identity(encoder, chunk).items():
            known.update(run.embeddings(identity, group))
        if encoder.kind == "text":
            counts = zip(chunk, encoder.cut(chunk), strict=True)
            cut.update((content, count) for content, count in counts if count)
        advance(len(known))
        rest = [content for content in chunk if content not in known]
        for start in range(0, len(rest), encoder.batch_size):
            batch = rest[start : start + encoder.batch_size]
            fresh = _encode(run, encoder, batch)
            for identity, group in _by_identity(encoder, fresh).items():
                run.put_embeddings(identity, [(content, fresh[content]) for content in group])
            known.update(fresh)
            missing.update(content for content in batch if content not in fresh)
            computed += len(fresh)
            advance(len(batch))
        if not known:
            continue
        lengths = {vector.size for vector in known.values()}
        if len(lengths) > 1 or (filled and {matrix.shape[1]} != lengths):
            raise StoreError(
                f"{run.folder}: vectors that are kept of '{encoder.name}' have another length than "
                f"it gives; driftloop doctor {run.folder} --repair takes out those that are wrong"
            )
        filled = True
        found = [at for at, content in enumerate(chunk, first) if content in known]
        vectors = np.stack([known[wanted[at]] for at in found])
        if matrix.shape[1] != vectors.shape[1]:
            matrix = np.full((len(contents), vectors.shape[1]), np.nan, dtype=np.float32)
        each = [places[first_place[at] : first_place[at + 1]] for at in found]
        sizes = [len(rows) for rows in each]
        matrix[np.concatenate(each)] = np.repeat(vectors, sizes, axis=0)
    return Places(matrix, frozenset(missing), cut, computed)


def _by_identity(encoder: Encoder, contents: Iterable[str]) -> dict[str, list[str]]:
    """Contents by the name that their vectors are kept under, mostly one for all."""
    of: Callable[[str], str] = getattr(encoder, "identity_of", lambda _: encoder.identity)
    groups: dict[str, list[str]] = {}
    for content in contents:
        groups.setdefault(of(content), []).append(content)
    return groups


def _encode(run: Run, encoder: Encoder, batch: list[str]) -> dict[str, Matrix]:
    inputs: dict[str, Any] = {}
    for content in batch:
        if encoder.kind == "image":
            try:
                inputs[content] = run.image(content)
            except StoreError:
                continue
        elif content.strip():
            inputs[content] = content
    if not inputs:
        return {}
    vectors = encoder.encode(list(inputs.values()))
    if vectors.shape[0] != len(inputs) or vectors.dtype != np.float32:
        raise TypeError(
            f"encoder '{encoder.name}' gave {vectors.dtype} {vectors.shape} for {len(inputs)}"
        )
    return {
        content: vector
        for content, vector in zip(inputs, vectors, strict=True)
        if np.isfinite(vector).all()
    }
