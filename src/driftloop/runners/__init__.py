"""Who drives ask and tell.

* :func:`open_session` loads a study's models and opens its run folder; a :class:`Session` is what a
  driver drives, which may be a user's own loop.
* :func:`run` plays a study to its end on this machine, the way the command line does.
* :func:`drive` plays a session with a thread a player; :data:`Overlap` says who may play together.
* :func:`cast_study` checks a study against its backends, before anything is loaded.
* :func:`include` runs a user's own file, whose players, rules and encoders can then be named.
* :func:`make_plan` says what a study would take.
* :func:`search_prompts` finds prompts that are far from each other.
* :func:`check_model` loads one model and tests it, :func:`check_encoders` an encoder.
* :func:`study_schema` is the JSON Schema of a study with the installed backends' settings.
"""

from ._casting import Casting, cast_study, study_schema
from ._check import ModelCheck, check_model
from ._check_encoder import EncoderCheck, check_encoders
from ._crew import Overlap, drive
from ._include import include
from ._local import default_folder, run
from ._opening import open_session
from ._plan import Plan, PlanRow, make_plan
from ._prompts import PromptSearch, search_prompts
from ._seats import SeatSpec
from ._session import Session

__all__ = [
    "Casting",
    "EncoderCheck",
    "ModelCheck",
    "Overlap",
    "Plan",
    "PlanRow",
    "PromptSearch",
    "SeatSpec",
    "Session",
    "cast_study",
    "check_encoders",
    "check_model",
    "default_folder",
    "drive",
    "include",
    "make_plan",
    "open_session",
    "run",
    "search_prompts",
    "study_schema",
]
