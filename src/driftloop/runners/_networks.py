"""The network of an arm: a turn for each seat, checked to fit the others and the prompts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ..errors import StudyError
from ..network import EVERY_ROUND, Network, Turn
from ..steps import Kind, Role
from ..study import PlayedArm, Study
from ._seats import SeatSpec

_A: dict[Kind, str] = {"text": "a text", "image": "a picture"}


def seat_network(study: Study, arm: PlayedArm, cast: Sequence[SeatSpec], where: str) -> Network:
    """Give each seat of an arm its turn.

    A rule has a slot of its own and the rounds that its settings say. Before a chooser the turn
    before it is taken as often as the chooser has candidates.

    Raises:
        StudyError: A rule does not fit its place, or never acts.
    """
    before = len(arm.opening)
    for seat in cast:
        _check_rule(study, arm, seat, where)
    opening, cycle = (
        _turns(part, f"{where}: arms: '{arm.name}'") for part in (cast[:before], cast[before:])
    )
    try:
        network = Network(cycle, opening=opening)
    except ValueError:
        rules = [turn.player for turn in cycle if turn.rounds != EVERY_ROUND]
        raise StudyError(
            f"{where}: arms: '{arm.name}': network: in some rounds nobody would play, since "
            f"{', '.join(rules)} only acts in some; put a model beside it"
        ) from None
    _check_rounds(study, cast, network, f"{where}: arms: '{arm.name}': network")
    looks = [seat.model for seat in cast if seat.needs.past or seat.needs.peers]
    if looks and any(part[-1].role.writes == "image" for part in network.parts()):
        raise StudyError(
            f"{where}: arms: '{arm.name}': network: {looks[0]} looks at the texts that rounds end "
            f"with, and a round of this network ends with a picture; let a captioner come last"
        )
    return network


def _turns(cast: Sequence[SeatSpec], key: str) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    for seat in cast:
        slot = seat.model if seat.backend.is_rule else ""
        turn = Turn(seat.name, seat.role, slot, seat.rounds)
        if (count := seat.needs.candidates) > 1:
            asked = turns[-1] if turns else None
            if asked is None or asked.slot != asked.role or asked.role.writes != "text":
                raise StudyError(
                    f"{key}: network: {seat.model} chooses among texts of the model before it, and "
                    f"there is none; put it behind a captioner"
                )
            turns += [
                replace(asked, slot=f"{asked.slot} {number}", rounds=turn.rounds, back=number)
                for number in range(2, count + 1)
            ]
        turns.append(turn)
    return (*turns,)


def _check_rounds(study: Study, cast: Sequence[SeatSpec], network: Network, key: str) -> None:
    """Refuse rounds in which only rules act, and rules that act in no round."""
    rules = {seat.model for seat in cast if seat.backend.is_rule}
    for part in network.parts():
        if rules.issuperset(turn.slot for turn in part):
            raise StudyError(
                f"{key}: a round in which only {part[0].slot} acts, since no model is between it "
                f"and the turn before of that name: leave one out, or give the rule a second name "
                f"under [models]"
            )
    times = Counter[str]()
    for turn, count in network.times(study.rounds):
        times[turn.slot] += count
    for rule in sorted(rules):
        if not times[rule]:
            raise StudyError(
                f"{key}: {rule} never acts: its 'every', 'start' and 'until' name other rounds "
                f"than those that have its place; in an opening, and where models take turns, a "
                f"round has only the rules behind its own models"
            )


def _check_rule(study: Study, arm: PlayedArm, seat: SeatSpec, where: str) -> None:
    key = f"{where}: models.{seat.model}"
    if seat.backend.is_rule and seat.model.partition(" ")[0] in {*Role}:
        raise StudyError(
            f"{key}: a rule has a place of its own in a round, by its name, and this one is that "
            f"of a role; call it otherwise"
        )
    if (first := seat.rounds.first) > study.rounds:
        raise StudyError(
            f"{key}: it first acts in round {first}, and the study has {study.rounds} rounds: "
            f"lower 'every' or 'start', or raise 'rounds'"
        )
    if seat.needs.start and (
        other := next((prompt for prompt in study.prompts if prompt.text is None), None)
    ):
        raise StudyError(
            f"{key}: it brings the prompt back as a text, and the prompt '{other.id}' is a "
            f"picture; leave that out, or play arm '{arm.name}' in a study of texts"
        )


def check_kinds(
    study: Study, arm: PlayedArm, cast: list[SeatSpec], following: list[SeatSpec], where: str
) -> None:
    """Refuse an arm where somebody would be given a picture and takes a text, or the reverse."""
    key = f"{where}: arms: '{arm.name}'"
    first, names = cast[0], [f"{seat.model} ({seat.role})" for seat in cast]
    before = len(arm.opening)
    for seat, after in zip(cast, following, strict=True):
        if seat.role.writes != after.role.reads:
            opened = f"opening: {' → '.join(names[:before])}; " if before else ""
            raise StudyError(
                f"{key}: network: each model must give what the next one takes, also the last one "
                f"to the first of the network; {seat.model} gives {_A[seat.role.writes]} and "
                f"{after.model} takes {_A[after.role.reads]}: {opened}network: "
                f"{' → '.join(names[before:])}"
            )
    for prompt in study.prompts:
        if getattr(prompt, first.role.reads) is None:
            given: Kind = "text" if first.role.reads == "image" else "image"
            fix = "a generator" if given == "text" else "a captioner"
            raise StudyError(
                f"{key}: {'opening' if before else 'network'}: it begins with the {first.role} "
                f"{first.model}, which takes {_A[first.role.reads]}, but the prompt '{prompt.id}' "
                f'is {_A[given]}; let {fix} open it: opening = ["..."]'
            )
