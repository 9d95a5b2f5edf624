"""Open a session: everything that can be checked first, then the folder, then the models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path

from pydantic import ValidationError

from ..errors import StudyError
from ..models import Player
from ..pictures import Picture, PictureError, read_picture
from ..prompts import Prompt
from ..steps import Content, image_digest
from ..store import STEPS_ASKED, Run, sole_run
from ..study import Study, load_study
from ._casting import Casting, cast_study, steps_done
from ._environment import describe_environment
from ._loading import Met, Say, introduce, load_players
from ._overlong import read_whole
from ._servers import check_servers
from ._session import Session
from ._turns import Turns

Starts = dict[str, tuple[Content, Picture | None]]
"""What each prompt brings, by its id."""


def open_session(
    study: Study | str | PathLike[str],
    folder: str | PathLike[str],
    *,
    players: Mapping[str, object] | None = None,
    where: str | None = None,
    turns: bool = False,
    say: Say = lambda _: None,
) -> Session:
    """Load a study's models and open its run folder (new, or to go on in it).

    All that can be checked is checked before a model is loaded.

    Args:
        study: A study, the path of its file, or the name of one that ships.
        folder: The run folder.
        players: Players of your own, by the name of the model that each stands for in the study,
            where its backend is ``own``.
        where: What to call the study in errors, by default its file.
        turns: Models that share a device take turns with its memory: the weights of one are on it,
            those of the others in main memory.
        say: Called with a line at each stage that takes long.

    Returns:
        The session. The caller closes it.

    Raises:
        StudyError: The study cannot be played, or the folder holds another study.
        StoreError: The folder cannot be used, or another process plays in it.
        ModelError: A model cannot be loaded, or its server is not there.
    """
    where = where or ("study" if isinstance(study, Study) else str(study))
    study = study if isinstance(study, Study) else load_study(Path(study))
    casting = cast_study(study, where, players=players)
    starts = _starts(study, where)
    at_work = Turns(everywhere=turns)
    with ExitStack() as stack:
        run = stack.enter_context(sole_run(folder))
        _check_same_study(casting, starts, run, where)
        if steps_done(casting, run) < casting.steps:
            check_servers(casting, where)
        # All before the first is loaded: what cannot be fetched is told while it costs little.
        casting = casting.fetched(say)
        # Before anything is written: a model that is refused leaves the folder as it was.
        met = _load(casting, run, at_work, say)
        _begin(run, casting, starts, met)
        replicas = {name: one.players for name, one in met.items()}
        contents = {id: content for id, (content, _) in starts.items()}
        session = Session(casting, run, replicas, contents, turns=at_work)
        session.hold(stack.pop_all())
    return session


def _load(casting: Casting, run: Run, turns: Turns, say: Say) -> dict[str, Met]:
    """Load and test every seat's players."""
    loaded: dict[str, list[Player]] = {}
    for seat in casting.seats.values():
        say(f"loading {seat.name}")
        loaded[seat.name] = load_players(seat, run, turns, say)
    loaded = read_whole(casting, loaded)
    known = {row["fingerprint"]: row["details"] for row in run.players()}
    met: dict[str, Met] = {}
    for seat in casting.seats.values():
        one = met[seat.name] = introduce(seat, loaded.pop(seat.name), known, turns, say)
        known[one.players[0].fingerprint] = one.details
    return met


def _begin(run: Run, casting: Casting, starts: Starts, met: Mapping[str, Met]) -> None:
    """Note the study and its players in the run, and keep the pictures that its prompts bring."""
    study = casting.study
    run.begin(
        study=study.model_dump_json(exclude_unset=True),
        digest=study.digest(),
        prompts=[(prompt.id, starts[prompt.id][0], prompt.source) for prompt in study.prompts],
        environment={**describe_environment(), STEPS_ASKED: casting.steps},
        flags={id: start.notes for id, (_, start) in starts.items() if start},
    )
    for content, picture in starts.values():
        if picture is not None:
            run.put_image(picture.image, content.value)
    for name, (players, details) in met.items():
        first = players[0]
        run.add_player(first.fingerprint, name, first.role, first.batch_size, details)


def _starts(study: Study, where: str) -> Starts:
    starts: Starts = {}
    owners: dict[Content, str] = {}
    for prompt in study.prompts:
        if prompt.text is not None:
            starts[prompt.id] = (Content("text", prompt.text), None)
        else:
            picture = _open_picture(prompt, where)
            starts[prompt.id] = (Content("image", image_digest(picture.image)), picture)
        content, _ = starts[prompt.id]
        # Their trajectories would be the same ones, counted as if each were evidence of its own.
        if (other := owners.setdefault(content, prompt.id)) != prompt.id:
            raise StudyError(
                f"{where}: prompts '{other}' and '{prompt.id}' are the same {content.kind}; "
                f"leave one out"
            )
    return starts


def _open_picture(prompt: Prompt, where: str) -> Picture:
    try:
        return read_picture(Path(str(prompt.image)))
    except (OSError, PictureError) as error:
        raise StudyError(
            f"{where}: prompt '{prompt.id}': {prompt.image} cannot be read as a picture: {error}"
        ) from error


def _check_same_study(casting: Casting, starts: Starts, run: Run, where: str) -> None:
    found, earlier = [], []
    for data in run.studies():
        try:
            earlier.append(Study.model_validate(data))
        except ValidationError:
            found.append(f"it cannot be played on ({data.get('title') or 'of unknown origin'})")
    free = {seat.model: seat.settings.UNDECIDING for seat in casting.seats.values()}
    found += casting.study.deciding(free).conflicts(*(study.deciding(free) for study in earlier))
    found += _other_peers(casting, run, earlier)
    for prompt in run.prompts():
        content, picture = starts.get(prompt["id"], (None, None))
        if content is not None and content != (prompt["kind"], prompt["value"]):
            # Older versions did nothing of this to a picture, and so started from another one.
            notes = picture.notes if picture is not None else ()
            done = f" (its picture, as it is read now: {', '.join(notes)})" if notes else ""
            found.append(f"prompt '{prompt['id']}' has another content{done}")
    for player in run.players():
        seat = casting.seats.get(player["model"])
        # Of a player that played elsewhere nobody knows the weights.
        identity = player["details"].get("identity")
        if seat and identity not in (None, seat.located.identity):
            found.append(
                f"the weights, or the code, of model '{seat.name}' are not those it was played with"
            )
    if found:
        raise StudyError(
            f"{where}: {run.folder} holds another study: {'; '.join(dict.fromkeys(found))}. More "
            f"rounds, twins, prompts or arms would extend it; for anything else choose another "
            f"folder with --out"
        )


def _other_peers(casting: Casting, run: Run, earlier: Sequence[Study]) -> Iterator[str]:
    """Arms whose trajectories look at each other, and had others to look at when they played."""
    played = {trajectory.arm for trajectory in run.lengths()}
    study, seats = casting.study, casting.seats
    for arm, network in casting.networks.items():
        if arm in played and any(seats[name].needs.peers for name in network.players):
            for other in earlier:
                theirs = other.twins, {prompt.id for prompt in other.prompts}
                in_it = arm in {one.name for one in other.expanded_arms()}
                if in_it and theirs != (study.twins, {prompt.id for prompt in study.prompts}):
                    yield (
                        f"the trajectories of arm '{arm}' look at each other, and were played with "
                        f"other prompts or twins, so that of those only more rounds can be added"
                    )
