"""Figures: free functions, data in, a piece of SVG out, one module a figure.

Colours are those of the page's style sheet (classes, not values), so that a figure follows the
reader's choice of dark or light. What a pointer reads at a round is carried along as text.

* :func:`drift_figure`: distance per round, of one arm with its spread or of several.
* :func:`ending_figure`: a quantity of arms per round, with its control.
* :func:`map_figure`: states as dots in a plane (:class:`Spot`).
* :func:`pull_figure`: a number at the end against the same at first.
* :func:`repeats_figure`: which rounds of each trajectory were new, seen before, settled.
* :func:`crowded`: whether rounds have so little room that several share a place.
"""

from ._chart import crowded
from .drift import Line, drift_figure
from .endings import EndingLine, ending_figure
from .map import Spot, map_figure
from .pull import pull_figure
from .repeats import NARROWEST, repeats_figure

__all__ = [
    "NARROWEST",
    "EndingLine",
    "Line",
    "Spot",
    "crowded",
    "drift_figure",
    "ending_figure",
    "map_figure",
    "pull_figure",
    "repeats_figure",
]
