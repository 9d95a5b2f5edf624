"""Players: every model of the loop behind one small protocol, one module a backend.

A backend is found by its name in the entry-point group ``driftloop.backends``, so that another
package can add one; its library is imported when a model is loaded, not before.

* :class:`Backend` checks a model's settings and loads it.
* :class:`Contact` is what is known of a model's server before it is asked anything.
* :class:`Player` is a loaded model: inputs and seeds in, one outcome each out.
* :func:`get_backend`, :func:`backend_names`, :func:`guess_backend` find backends.
* :func:`check_invariance` tells whether a player's outputs depend on the batch's company;
  :func:`difference` how far two of them are apart.
* :func:`probe_batch_size`, :func:`time_batch` measure how it is best played;
  :func:`is_out_of_memory`, :func:`free_memory` are for when it was too much.
* :class:`Fitted` and :class:`Refusing` keep a text from being longer than a generator reads, which
  its :class:`TextReader` tells; they are players :class:`Around` others.
* :class:`Weights` of a player can wait in main memory until it plays.
* :class:`OnDevices` are settings with a device, or several; :func:`make_stream`, :func:`on_stream`
  let threads use one at the same time.
* :func:`variables_allowed` are the environment's variables that the user says hold keys.
* :func:`recall`, :func:`remember` keep what this machine has learnt about a model.
"""

from ._devices import OnDevices, make_stream, on_stream
from ._keys import variables_allowed
from ._memory import recall, remember
from ._overlong import Around, Fitted, Refusing
from ._probe import SIZES, free_memory, is_out_of_memory, probe_batch_size, time_batch
from ._protocols import Backend, Contact, Located, Player, Settings, TextReader, Weights
from ._registry import backend_names, fetch, get_backend, guess_backend
from ._selftest import Invariance, check_invariance, difference, seeds_to_test

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
    "backend_names",
    "check_invariance",
    "difference",
    "fetch",
    "free_memory",
    "get_backend",
    "guess_backend",
    "is_out_of_memory",
    "make_stream",
    "on_stream",
    "probe_batch_size",
    "recall",
    "remember",
    "seeds_to_test",
    "time_batch",
    "variables_allowed",
]
