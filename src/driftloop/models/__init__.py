"""Players: every model of the loop is one class to the rest, one module a backend.

A backend is found by its name in the entry-point group ``driftloop.backends``, so that another
package can add one; its library is imported when a model is loaded, not before.

* :class:`Backend` checks a model's settings and loads it.
* :class:`Contact` is what is known of a model's server before it is asked anything.
* :class:`Player` is a loaded model, or whatever else takes a turn: inputs and seeds in, one outcome
  each out; :func:`load_player` loads one, :func:`as_player` refuses what is none.
* :func:`get_backend`, :func:`backend_names`, :func:`guess_backend` find backends;
  :func:`add_backend` makes one known in this process alone.
* :func:`check_invariance` tells whether a player's outputs depend on the batch's company;
  :func:`difference` how far two of them are apart.
* :func:`probe_batch_size`, :func:`time_batch` measure how it is best played;
  :func:`is_out_of_memory`, :func:`free_memory` are for when it was too much.
* :class:`Fitted` and :class:`Refusing` keep a text from being longer than a generator reads, which
  its :class:`TextReader` tells; they are players :class:`Around` others.
* :class:`Weights` of a player can wait in main memory until it plays.
* :class:`OnDevices` are settings with a device, or several; :func:`make_stream`, :func:`on_stream`
  let threads use one at the same time.
* :func:`load_texts`, :func:`locate_texts` are for players that draw on a collection of texts.
* :func:`variables_allowed` are the environment's variables that the user says hold keys.
* :func:`recall`, :func:`remember` keep what this machine has learnt about a model.
"""

from ._backend import Backend
from ._devices import OnDevices, make_stream, on_stream
from ._keys import variables_allowed
from ._memory import recall, remember
from ._overlong import Around, Fitted, Refusing
from ._player import Player, as_player, check_class, check_outcomes
from ._probe import SIZES, free_memory, is_out_of_memory, probe_batch_size, time_batch
from ._protocols import Contact, Located, Settings, TextReader, Weights
from ._registry import add_backend, backend_names, get_backend, guess_backend, load_player
from ._selftest import Invariance, check_invariance, difference, seeds_to_test
from ._texts import load_texts, locate_texts

__all__ = [
    "SIZES",
    "Around",
    "Backend",
    "Contact",
    "Fitted",
    "Invariance",
    "Located",
    "OnDevices",
    "Player",
    "Refusing",
    "Settings",
    "TextReader",
    "Weights",
    "add_backend",
    "as_player",
    "backend_names",
    "check_class",
    "check_invariance",
    "check_outcomes",
    "difference",
    "free_memory",
    "get_backend",
    "guess_backend",
    "is_out_of_memory",
    "load_player",
    "load_texts",
    "locate_texts",
    "make_stream",
    "on_stream",
    "probe_batch_size",
    "recall",
    "remember",
    "seeds_to_test",
    "time_batch",
    "variables_allowed",
]
