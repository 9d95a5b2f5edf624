"""Who is ready for which model.

* :class:`Scheduler` hands out micro-batches of calls and takes back their outcomes.
* :class:`Course` is a trajectory to play, :class:`Seat` a player as the scheduler sees it,
  :class:`Played` a step of an earlier session.
"""

from ._courses import Course, Played, Seat
from ._scheduler import Scheduler

__all__ = ["Course", "Played", "Scheduler", "Seat"]
