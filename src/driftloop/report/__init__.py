"""The report: one HTML file that opens offline and says what a run did.

* :func:`write_report` measures a run and writes it.
* :func:`contact_strip` makes one picture of a few trajectories, for a README or a slide.

It reads the run and never changes what was played; vectors that it computes are kept in the run, so
that a second report is quick. The page loads nothing from anywhere: pictures, style and script are
in it, and everything that models wrote is escaped.
"""

from ._contact import contact_strip
from ._report import write_report

__all__ = ["contact_strip", "write_report"]
