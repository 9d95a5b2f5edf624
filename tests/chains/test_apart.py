"""Chains that a column keeps apart which nobody named are refused, and never chained together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sources import Write, states

from driftloop.chains import import_chains
from driftloop.errors import ChainError


def rows(columns: str, first: str, second: str) -> str:
    """Chains of three rounds, told apart by two columns."""
    lines = [
        f"{a},{b},{n},text {a} {b} {n},u{a}{b}{n},{n * 7 % 5}"
        for a in first for b in second for n in (1, 2, 3)
    ]  # fmt: skip
    return "\n".join([f"{columns},round,caption,row_uuid,words", *lines]) + "\n"


@pytest.mark.parametrize(
    "name", ["image_id", "sample_id", "uuid", "seed", "video", "type", "Prompt number 2"]
)
def test_one_unknown_column(table: Write, out: Path, name: str) -> None:
    source = table(rows(f"{name},language", "12345", "e"))
    with pytest.raises(ChainError, match=f"add --column trajectory={name}$"):
        import_chains(source, out)
    assert not out.exists()
    found = import_chains(source, out, columns={"trajectory": name})
    assert (found.trajectories, found.rounds, found.rejected) == (5, 15, [])


def test_two_columns_together(table: Write, out: Path) -> None:
    source = table(rows("image_id,seed", "12", "34"))
    with pytest.raises(ChainError, match="--column trajectory=image_id --column twin=seed"):
        import_chains(source, out)
    found = import_chains(source, out, columns={"trajectory": "image_id", "twin": "seed"})
    assert (found.trajectories, found.rounds, found.rejected) == (4, 12, [])


@pytest.mark.parametrize(
    ("columns", "chosen"), [("chain,model", "arm=model"), ("prompt,seed", "twin=seed")]
)
def test_a_column_beside_those_that_are_known(
    table: Write, out: Path, columns: str, chosen: str
) -> None:
    source = table(rows(columns, "1", "AB"))
    with pytest.raises(ChainError, match=f"add --column {chosen}$"):
        import_chains(source, out)
    found = import_chains(source, out, columns=dict([chosen.split("=")]))
    assert (found.trajectories, found.rounds, found.rejected) == (2, 6, [])


def test_chains_that_say_the_same_are_kept_apart_too(table: Write, out: Path) -> None:
    lines = [
        json.dumps({"seed": seed, "round": n, "text": f"t{n}"}) for seed in (7, 8) for n in (1, 2)
    ]
    with pytest.raises(ChainError, match="--column trajectory=seed"):
        import_chains(table("\n".join(lines), "a.jsonl"), out)


def test_no_column_keeps_them_apart(table: Write, out: Path) -> None:
    text = "".join(f"{n},{chain} {n}\n" for chain in "ab" for n in (1, 2, 3))
    with pytest.raises(ChainError, match=r"3 of 3 rounds .* no column keeps them apart"):
        import_chains(table("round,caption\n" + text), out)
    assert not out.exists()


def test_a_row_too_many_is_no_chain_of_its_own(table: Write, out: Path) -> None:
    """Scores and times differ between any two rows, and make no chains."""
    text = "".join(f"a,{n},text {n},{n * 7 % 5},{n * 0.37},t{n}\n" for n in range(1, 20))
    source = table("chain,round,caption,words,score,time\n" + text + "a,3,another,9,0.5,t99\n")
    found = import_chains(source, out)
    assert [reject.place.line for reject in found.rejected] == [21]
    again = table("chain,round,caption,words,score,time\n" + text + text, "twice.csv")
    found = import_chains(again, out.parent / "twice")
    assert found.counts == (38, 19, 0, 19, 0)


def test_a_row_of_no_chain_is_kept_out(table: Write, out: Path) -> None:
    found = import_chains(table("chain,round,caption\na,1,x\n,2,y\nnan,3,z\na,2,w\n"), out)
    assert list(states(out).values()) == [{1: "x", 2: "w"}]
    assert {reject.reason for reject in found.rejected} == {
        "nothing says which chain the row is of"
    }


def test_a_prompt_in_the_first_row_goes_for_the_only_chain(table: Write, out: Path) -> None:
    found = import_chains(table("prompt,round,caption\na cat,1,x\n,2,y\n,3,z\n"), out)
    assert list(states(out).values()) == [{1: "x", 2: "y", 3: "z"}]
    assert any("rows without a prompt, of the only chain: 2" in note for note in found.notes)
    text = "prompt,round,caption\na cat,1,x\n,2,y\na dog,1,z\n,2,w\n"
    found = import_chains(table(text), out.parent / "two")
    assert found.counts == (4, 2, 2, 0, 0)
