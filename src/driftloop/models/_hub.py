"""The Hugging Face hub and its cache on this machine: what is where, and fetching what is not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ..errors import ModelError, UnreachableError

COMMIT = re.compile(r"[0-9a-f]{40}")
TRUE = {"1", "true", "yes", "on"}


class Repository(NamedTuple):
    """A repository as the hub lists it."""

    name: str
    revision: str | None
    commit: str
    sizes: dict[str, int]
    """Bytes of each file."""


def cached_snapshot(name: str, revision: str | None) -> Path | None:
    """The folder in which the cache keeps a revision, whole or not; None where there is none.

    Raises:
        ModelError: The hub could have no such name.
    """
    try:
        from huggingface_hub import constants
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id
    except ImportError:
        return None
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise ModelError(f"'{name}' is not a name that the hub could have: {error}") from error
    kept = Path(constants.HF_HUB_CACHE).expanduser() / f"models--{name.replace('/', '--')}"
    commit = revision or "main"
    reference = kept / "refs" / commit
    if not COMMIT.fullmatch(commit) and reference.is_file():
        commit = reference.read_text("utf-8").strip()
    snapshot = kept / "snapshots" / commit
    return snapshot if commit and snapshot.is_dir() else None


def known_names(name: str, commit: str) -> frozenset[str]:
    """The files of a commit, where an earlier download kept their list; else none."""
    try:
        from huggingface_hub import get_cached_repo_tree
    except ImportError:
        return frozenset()
    try:
        return frozenset(file.path for file in get_cached_repo_tree(name, revision=commit))
    except Exception:  # There is no list, or one of another version of the library.
        return frozenset()


def ask(name: str, revision: str | None) -> Repository:
    """Ask the hub for a repository's files.

    Raises:
        ModelError: It has no such repository or revision, or does not give it to this user.
        UnreachableError: It cannot be asked.
    """
    with _told(name, revision):
        from huggingface_hub import HfApi

        info = HfApi().model_info(name, revision=revision, timeout=20, files_metadata=True)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    return Repository(name, revision, str(info.sha), sizes)


def fetch(
    repository: Repository, files: list[str], *, again: bool = False, bars: bool = False
) -> Path:
    """Fetch files of a repository into the cache; those that are there are not fetched again.

    Args:
        repository: What the hub lists.
        files: Names of its files.
        again: Fetch also those that are there, since they are damaged.
        bars: Show progress.

    Returns:
        The folder of the snapshot.

    Raises:
        ModelError: It does not give them to this user, or has moved on to another commit.
        UnreachableError: The hub went away; what has come stays, and the next try goes on there.
    """
    with _told(repository.name, repository.revision), _bars(bars):
        from huggingface_hub import snapshot_download

        # By its own name, not the commit's, so that the cache knows the branch too.
        folder = Path(
            snapshot_download(
                repository.name,
                revision=repository.revision,
                allow_patterns=_literally(files),
                force_download=again,
            )
        )
    if folder.name != repository.commit:
        raise ModelError(
            f"'{repository.name}' has changed on the hub since it was looked at; try again, or set "
            f"its revision to a commit"
        )
    return folder


def _literally(files: list[str]) -> list[str]:
    return [re.sub(r"([*?[])", r"[\1]", name) for name in files]


@contextmanager
def _bars(wish: bool) -> Iterator[None]:
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if wish or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


@contextmanager
def _told(name: str, revision: str | None) -> Iterator[None]:
    """Say in our words what went wrong with the hub, and what to do."""
    try:
        from huggingface_hub import constants, errors
    except ImportError:
        raise ModelError(
            f"'{name}' is not on this machine; to fetch models from the hub: "
            f"pip install 'driftloop[all]'"
        ) from None
    if constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "").lower() in TRUE:
        raise UnreachableError(
            f"'{name}' is not on this machine and HF_HUB_OFFLINE forbids fetching it"
        )
    try:
        yield
    except errors.RevisionNotFoundError as error:
        raise ModelError(
            f"'{name}' has no revision '{revision}' on the hub: give a branch, a tag or a commit"
        ) from error
    except Exception as error:
        status = _status(error)
        if isinstance(error, errors.GatedRepoError) or status in {401, 403}:
            raise ModelError(
                f"the hub does not give '{name}' to you ({_cause(error, status)}): check the "
                f"spelling; if it is gated or private, accept its licence at "
                f"{constants.ENDPOINT}/{name} and log in with 'hf auth login', or set HF_TOKEN"
            ) from error
        if isinstance(error, errors.RepositoryNotFoundError) or status == 404:
            raise ModelError(
                f"no model named '{name}' on the hub: check the spelling; if it is private, log in "
                f"with 'hf auth login', or set HF_TOKEN"
            ) from error
        lost = isinstance(error, ConnectionError | TimeoutError) or status is not None
        if isinstance(error, OSError) and error.errno is not None and not lost:
            raise ModelError(
                f"'{name}' cannot be kept in the cache {constants.HF_HUB_CACHE}: {error}; make "
                f"room there, or set HF_HOME to another folder"
            ) from error
        raise UnreachableError(
            f"'{name}' is not on this machine, whole, and the hub cannot be asked for it "
            f"({_cause(error, status)}); go online and try again, which goes on where it stopped, "
            f"or give the path of a folder"
        ) from error


def _status(error: BaseException | None) -> int | None:
    """The status of the answer that an error comes from, its own or that of what caused it."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status is not None:
            return int(status)
        error = error.__cause__
    return None


def _cause(error: BaseException, status: int | None) -> str:
    if status is not None:
        return f"status {status}"
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}".splitlines()[0]
