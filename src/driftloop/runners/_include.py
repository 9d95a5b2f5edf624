"""A user's own file: what it defines may then be named in a study."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from os import PathLike
from pathlib import Path
from typing import cast

from ..encoders import Encoder, add_encoder
from ..errors import StudyError
from ..interventions import Rule, RuleBackend
from ..models import Backend, Player, add_backend
from ..models.own import INCLUDED, Made


def include(file: str | PathLike[str]) -> list[str]:
    """Run a Python file of your own, and make known what it defines.

    A class of players, a class of rules or a backend is then a backend of its name; an encoder is
    one of its ``name``. It runs with all your rights, as any program does: a study alone never
    loads code, since it may come from a stranger.

    Args:
        file: The file.

    Returns:
        The names that are known now.

    Raises:
        StudyError: It cannot be run, or defines nothing of the kind.
    """
    path = Path(file).expanduser()
    name = f"{INCLUDED}{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    if not path.is_file():
        raise StudyError(f"{path}: no such file to include")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StudyError(f"{path}: not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise StudyError(f"{path}: cannot be run: {type(error).__name__}: {error}") from error
    known = []
    for label, found in vars(module).items():
        if label.startswith("_"):
            continue
        if isinstance(found, type) and found.__module__ == name:
            if issubclass(found, Rule):
                known.append(_add(label, RuleBackend(found)))
            elif issubclass(found, Player):
                known.append(_add(label, Made(found)))
            elif _is_encoder(found):
                add_encoder(cast(Encoder, found()))
                known.append(label)
        elif isinstance(found, Backend) and type(found).__module__ == name:
            known.append(_add(label, found))
    if not known:
        raise StudyError(
            f"{path}: it defines no class that inherits from driftloop.models.Player or "
            f"driftloop.interventions.Rule, no backend and no encoder, so there is nothing to name"
        )
    return known


def _add(name: str, backend: Backend) -> str:
    add_backend(name, backend)
    return name


def _is_encoder(kind: type[object]) -> bool:
    return callable(getattr(kind, "encode", None))
