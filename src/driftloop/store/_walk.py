"""Along each trajectory, step after step: does each follow from the one before?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..seeds import digest as hash_of
from ..seeds import seed as seed_of
from ._ground import Ground, Trouble, shown
from ._rows import LONGEST_GAP, UncheckedError, checked


def check_steps(ground: Ground) -> Iterator[Trouble]:
    """Each trajectory: step after step, each takes what the one before gave."""
    failures = dict(ground.db.execute("SELECT trajectory, count(*) FROM failures GROUP BY 1"))
    players = {
        (fingerprint, model): role
        for fingerprint, model, role in ground.db.execute(
            "SELECT fingerprint, model, role FROM players"
        )
    }
    told: set[object] = set()
    root = _root(ground)
    before: _Walked | None = None
    for row in ground.db.execute(_WALK):
        step = _Walked(*row)
        same = before is not None and before.trajectory == step.trajectory
        last = before if same else None
        before = step
        want = last.want if last else 0
        if step.step != want or step.bare:
            # Of what comes after a gap it is told once.
            before = step._replace(want=want, gap=True)
            if not (last and last.gap):
                what = f"trajectory {step.trajectory} has no whole step {want}"
                yield Trouble("gap", what, "steps", (step.trajectory, want))
            continue
        bad = {("steps", (step.trajectory, step.step)), ("calls", (step.call,))} & ground.found
        seen = _given(last, step.round)
        before = step = step._replace(want=want + 1, bad=bool(bad), given=seen)
        if bad:
            continue
        if ("trajectories", (step.trajectory,)) not in ground.found:
            yield from _wrong_in(step, last, ground, root, failures.get(step.trajectory, 0))
        who = step.fingerprint, step.model
        if players.get(who, step.role) != step.role:
            what = f"trajectory {step.trajectory}, step {step.step}: its role is not its player's"
            yield Trouble("row", what, "steps", (step.trajectory, step.step))
            continue
        if who not in told and not _is_known(step, players):
            told.add(who)
            name = f"{shown(step.model)} ({step.role}, fingerprint {shown(step.fingerprint)})"
            yield Trouble("row", f"table steps: {name} is none of the run's players")


class _Walked(NamedTuple):
    """A step with its call and where it stands."""

    trajectory: int
    step: int
    round: int
    role: str
    slot: str
    model: str
    call: str
    bare: int
    """Whether its call or text is not there."""
    fingerprint: str
    seed: int | None
    input_kind: str | None
    input: str | int | None
    input_text: str | None
    output_kind: str
    output: str | int
    arm: str
    prompt: str
    twin: int
    start_kind: str | None
    start: str | None
    """The prompt's content."""
    want: int = 0
    """The step that comes next."""
    gap: bool = False
    given: tuple[tuple[object, object], ...] = ()
    """What the steps of its round gave before it, and the last of the round before."""
    bad: bool = False
    """Whether its rows are found to be wrong, so that nothing is compared with them."""


_WALK = """
SELECT s.trajectory, s.step, s.round, s.role, s.slot, s.model, s.call,
 c.key IS NULL OR t.id IS NULL OR c.output IS NULL
 OR c.output_kind = 'text' AND NOT EXISTS (SELECT 1 FROM texts o WHERE o.id = c.output)
 OR c.input_kind = 'text' AND i.id IS NULL,
 c.fingerprint, c.seed, c.input_kind, c.input, i.value, c.output_kind, c.output,
 t.arm, t.prompt, t.twin, p.kind, p.value
FROM steps s LEFT JOIN calls c ON c.key = s.call LEFT JOIN trajectories t ON t.id = s.trajectory
LEFT JOIN prompts p ON p.id = t.prompt
LEFT JOIN texts i ON c.input_kind = 'text' AND i.id = c.input
ORDER BY s.trajectory, s.step
"""


def _wrong_in(
    step: _Walked, last: _Walked | None, ground: Ground, root: int | None, failures: int
) -> Iterator[Trouble]:
    """What is wrong with a step, which follows another or is a trajectory's first."""
    where = f"trajectory {step.trajectory}, step {step.step}"
    # What the step before gave may have been changed as well.
    out = "steps", (step.trajectory, max(step.step - 1, 0))
    elsewhere = step.call in ground.unsure
    if elsewhere and not _is_of_place(step, failures):
        yield Trouble("key", f"{where}: the key of its call is not that of its input", *out)
        return
    taken: tuple[object, object] = step.input_kind, step.input
    if last is not None:
        given: tuple[object, object] = last.output_kind, last.output
        it = "what the step before gave"
        # One of several candidates takes what the first of them took, and who chooses takes all.
        if step.slot != step.role and taken in step.given:
            given = taken
    else:
        taken = step.input_kind, step.input_text if step.input_kind == "text" else step.input
        given, it = (step.start_kind, step.start), "the prompt"
    missing = given == (None, None) or (elsewhere and step.input_kind is None)
    if last is not None and last.bad:
        return
    if not missing and taken != given:
        yield Trouble("input", f"{where}: its input is not {it}", *out)
    played = last.round if last else 0
    if not played <= step.round <= played + (LONGEST_GAP if elsewhere else 0) + 1:
        what = f"{where}: round {step.round} cannot come after round {played}"
        yield Trouble("row", what, "steps", (step.trajectory, step.step))
    elif not elsewhere and root is not None and step.start is not None:
        seed = seed_of(root, step.start, step.twin, step.round, step.slot)
        if seed != step.seed:
            yield Trouble("row", f"{where}: its seed is not that of its place", *out)


def _given(last: _Walked | None, round: int) -> tuple[tuple[object, object], ...]:
    """What was given before a step of a round, in it and by the last step before it."""
    if last is None:
        return ()
    given = last.output_kind, last.output
    return (*last.given, given) if last.round == round else (given,)


def _is_of_place(step: _Walked, failures: int) -> bool:
    """Whether a call has the key that a step has which was played elsewhere.

    Older versions counted failures as steps, so that the number in the key may be larger.
    """
    place = step.fingerprint, step.arm, step.prompt, step.twin
    return any(
        hash_of("recorded", *place, index).hex() == step.call
        for index in range(step.step, step.step + failures + 1)
    )


def _is_known(step: _Walked, players: dict[tuple[str, str], str]) -> bool:
    role = players.get((step.fingerprint, step.model))
    if role is not None:
        return role == step.role
    # Older versions kept one name for players of the same weights and settings.
    roles = {of for (fingerprint, _), of in players.items() if fingerprint == step.fingerprint}
    return step.role in roles and step.model not in {model for _, model in players}


def _root(ground: Ground) -> int | None:
    """The seed that a run's seeds come from; None where it has no study that was played."""
    rows = ground.db.execute("SELECT json FROM studies").fetchall()
    try:
        studies = [study for (study,) in checked(rows, "studies.json")]
    except UncheckedError:
        return None
    roots = [study.get("seed", 0) for study in studies if "rounds" in study]
    alike = all(type(root) is int and root == roots[0] for root in roots)
    return roots[0] if roots and alike else None
