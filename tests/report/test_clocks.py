"""A clock that was set back leaves no duration below nothing in a report or a plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from driftloop_toys.studies import toy_study

import driftloop
from driftloop.models import recall, remember
from driftloop.models._memory import _key
from driftloop.report._gather import gather
from driftloop.report._provenance import describe_players, describe_sessions
from driftloop.store import open_run


def test_times_below_nothing_are_not_known(tmp_path: Path) -> None:
    driftloop.run(toy_study(), tmp_path, progress=False).close()
    with open_run(tmp_path) as run:
        run._db.execute("UPDATE calls SET seconds = -100 WHERE output_kind = 'text'")
        run._db.execute("UPDATE sessions SET ended = started - 3600")
        material = gather(run)
        drawn, looked = describe_players(material)
        (sitting,) = describe_sessions(material)
    assert drawn.seconds is not None
    assert drawn.seconds >= 0
    assert looked.seconds is None
    assert sitting.lasted == "not known: the clock was set back"


@pytest.mark.parametrize("value", [-3.0, "long", True, [], 1e12, None])
def test_what_a_machine_remembers_is_a_time_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: object
) -> None:
    monkeypatch.setenv("DRIFTLOOP_CACHE", str(tmp_path))
    remember("model", {}, seconds=2.0, device="cpu")
    assert recall("model", {}) == {"seconds": 2.0, "device": "cpu"}
    facts = {"seconds": value, "batch_size": 0, "device": "cpu"}
    (tmp_path / "players.json").write_text(json.dumps({_key("model", {}): facts}), "utf-8")
    assert recall("model", {}).get("seconds") is None
    assert recall("model", {}).get("batch_size") is None
    (tmp_path / "players.json").write_text(json.dumps({_key("model", {}): [1]}), "utf-8")
    remember("model", {}, seconds=1.0)
    assert recall("model", {}) == {"seconds": 1.0}
