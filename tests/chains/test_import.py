"""Chains that others made: what is read, and that a run comes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sources import Write, paint, states

import driftloop
from driftloop.chains import REJECTED, import_chains
from driftloop.errors import ChainError, StudyError
from driftloop.report import write_report
from driftloop.store import examine, open_run


def test_a_chain_of_texts(table: Write, out: Path) -> None:
    source = table(
        "chain,iteration,story\na,0,a ship\na,1,the ship\na,2,a boat\nb,0,two cats\nb,1,cats\n"
    )
    found = import_chains(source, out)
    assert (found.trajectories, found.rounds, found.texts, found.pictures) == (2, 3, 3, 0)
    assert found.rejected == []
    assert not (out / REJECTED).exists()
    assert examine(out) == []
    with driftloop.open(out) as run:
        first, second, _ = run.steps().to_pylist()
        assert [p["value"] for p in run.prompts()] == ["a ship", "two cats"]
        assert first["input_text"] == "a ship"
        assert second["input_text"] == "the ship"
        assert first["role"] == "writer"
        assert first["seed"] is first["started"] is first["seconds"] is None
    page = write_report(out).read_text("utf-8")
    assert "rewritten again and again" in page
    assert "no pictures" in page
    assert 'id="mosaic"' not in page
    assert "seed not known" in page
    assert "Nothing was cut" not in page
    assert "Every random number" not in page
    assert "nan" not in page.lower().split()


def test_pictures_alone(table: Write, out: Path) -> None:
    for number in range(4):
        paint(table("").parent / f"{number}.png", (number * 60, 0, 0))
    source = table("chain,round,image\n" + "".join(f"a,{n},{n}.png\n" for n in range(4)))
    found = import_chains(source, out)
    assert (found.rounds, found.texts, found.pictures) == (3, 0, 3)
    assert examine(out) == []
    with open_run(out) as run:
        assert run.prompts()[0]["kind"] == "image"
        assert run.steps()["input_text"].null_count == 3
    page = write_report(out).read_text("utf-8")
    assert "drawn again and again" in page
    assert "not described" not in page


@pytest.mark.parametrize(
    ("rows", "first", "expected"),
    [
        ("a,cat,0,cat\na,cat,1,x\n", None, {1: "x"}),
        ("a,cat,0,x\na,cat,1,y\n", None, {1: "x", 2: "y"}),
        ("a,cat,0,x\na,cat,1,y\n", 1, {1: "y"}),
        ("a,cat,7,x\na,cat,8,y\n", None, {7: "x", 8: "y"}),
        ("a,cat,7,x\na,cat,8,y\n", 7, {1: "x", 2: "y"}),
    ],
)
def test_where_rounds_begin(
    table: Write, out: Path, rows: str, first: int | None, expected: dict[int, str]
) -> None:
    import_chains(table("chain,prompt,gen,text\n" + rows), out, first=first)
    ((_, found),) = states(out).items()
    assert found == expected


def test_chains_that_begin_late_have_a_report(table: Write, out: Path) -> None:
    rows = [
        f"{chain},{number},a {chain} {number}"
        for chain in ("ship", "cat", "tree") for number in (2, 3, 4, 5)
    ]  # fmt: skip
    import_chains(table("\n".join(["chain,round,text", *rows])), out)
    page = write_report(out).read_text("utf-8")
    assert "How long does meaning last?" not in page
    assert "rewritten again and again" in page


def test_steps_with_numbers_of_their_own(table: Write, out: Path) -> None:
    paint(table("").parent / "1.png", "red")
    paint(table("").parent / "3.png", "blue")
    source = table("run,seq,output,path\na,0,cat,\na,1,,1.png\na,2,x,\na,3,,3.png\na,4,y,\n")
    import_chains(source, out, numbered="step")
    with open_run(out) as run:
        assert run.steps()["round"].to_pylist() == [1, 1, 2, 2]
        assert run.steps()["input_text"].to_pylist() == ["cat", None, "x", None]


@pytest.mark.parametrize(
    ("least", "first", "prompt"), [(0, None, "cat"), (0, 0, "cat"), (5, 5, "cat"), (1, None, "")]
)
def test_a_picture_goes_with_its_own_caption(
    table: Write, out: Path, least: int, first: int | None, prompt: str
) -> None:
    for number in range(4):
        paint(table("").parent / f"{number}.png", (number * 60, 0, 0))
    rows = [
        f"a,{prompt},{least + n},{'' if n % 2 == 0 else f'of {n - 1}'},"
        f"{f'{n}.png' if n % 2 == 0 else ''}"
        for n in range(4)
    ]  # fmt: skip
    source = table("\n".join(["run,prompt,seq,text,path", *rows]))
    found = import_chains(source, out, numbered="step", first=first)
    assert found.rejected == []
    with open_run(out) as run:
        steps = run.steps().to_pylist()
        assert [row["round"] for row in steps] == [1, 1, 2, 2]
        for drawn, said in zip(steps[::2], steps[1::2], strict=True):
            assert run.image(drawn["image"]).getpixel((0, 0))[0] == int(said["text"][3:]) * 60
            assert said["input_image"] == drawn["image"]


def test_what_is_before_the_first_step_is_the_start(table: Write, out: Path) -> None:
    paint(table("").parent / "x.png", "red")
    source = table("run,seq,text,path\na,3,,x.png\na,4,cat,\na,5,,x.png\na,6,dog,\n")
    found = import_chains(source, out, numbered="step", first=5)
    assert [reject.reason for reject in found.rejected] == ["the step comes before the first: 3"]
    with open_run(out) as run:
        assert run.steps()["input_text"].to_pylist() == ["cat", None]


def test_arms_prompts_and_twins(table: Write, out: Path) -> None:
    lines = [
        json.dumps({"arm": arm, "prompt": prompt, "twin": twin, "round": 1, "text": f"{arm}{twin}",
                    "model": "gpt"})
        for arm in ("cold", "hot") for prompt in ("a cat", "a dog") for twin in (1, 2)
    ]  # fmt: skip
    found = import_chains(table("\n".join([*lines, "{broken", "[1]"]), "x.jsonl"), out)
    assert [reject.place.line for reject in found.rejected] == [9, 10]
    assert {(arm, twin) for arm, _, twin in states(out)} == {
        ("cold", 0), ("cold", 1), ("hot", 0), ("hot", 1),
    }  # fmt: skip
    with open_run(out) as run:
        assert len(run.prompts()) == 2
        assert [(p["model"], p["role"], p["batch_size"]) for p in run.players()] == [
            ("gpt", "writer", None)
        ]


def test_twins_whose_numbers_are_one_are_told_apart(table: Write, out: Path) -> None:
    rows = "a cat,1,1,x\na cat,01,1,y\na dog,7,1,z\n"
    import_chains(table("prompt,twin,round,text\n" + rows), out)
    found = states(out)
    assert [(twin, rounds) for (_, _, twin), rounds in found.items()] == [
        (0, {1: "x"}), (1, {1: "y"}), (0, {1: "z"}),
    ]  # fmt: skip


def test_objects_need_not_have_every_key(table: Write, out: Path) -> None:
    paint(table("").parent / "1.png", "red")
    rows = [
        {"chain": "a", "round": 0, "prompt": "cat"},
        {"chain": "a", "round": 1, "image": "1.png"},
        {"chain": "a", "round": 1, "caption": "a red cat", "image": None},
    ]
    found = import_chains(table("\n".join(map(json.dumps, rows)), "x.jsonl"), out)
    assert (found.rounds, found.texts, found.pictures, found.rejected) == (1, 1, 1, [])
    with open_run(out) as run:
        assert run.steps()["input_text"].to_pylist() == ["cat", None]
        assert run.steps()["input_image"][1].as_py() == run.steps()["image"][0].as_py()


def test_one_id_with_two_contents_becomes_two_prompts(table: Write, out: Path) -> None:
    source = table("prompt_id,trajectory,round,text\np,a,0,cat\np,a,1,x\np,b,0,dog\np,b,1,y\n")
    found = import_chains(source, out)
    assert any("more than one content" in note for note in found.notes)
    with open_run(out) as run:
        assert [(p["id"][:2], p["value"]) for p in run.prompts()] == [("p", "cat"), ("p~", "dog")]


def test_columns_by_name(table: Write, out: Path) -> None:
    source = table("who,n,said\na,0,cat\na,1,x\n")
    with pytest.raises(ChainError, match="no column says the round; name it with --column round="):
        import_chains(source, out)
    names = {"trajectory": "who", "round": "n", "text": "said"}
    assert import_chains(source, out, columns=names).texts == 1
    with pytest.raises(ChainError, match=r"no column 'sayd' .* Did you mean 'said'\?"):
        import_chains(source, out, columns={**names, "text": "sayd"})
    with pytest.raises(ChainError, match=r"there is no 'txt'. Did you mean 'text'\?"):
        import_chains(source, out, columns={"txt": "said"})


def test_parquet_with_pictures_inside(out: Path, tmp_path: Path) -> None:
    data = paint(tmp_path / "x.png", "red").read_bytes()
    cells = [{"bytes": data, "path": "x.png"}, {"bytes": b"no", "path": None}]
    rows = {"chain": ["a", "a"], "round": [1, 2], "caption": ["x", "y"], "image": cells}
    pq.write_table(pa.table(rows), tmp_path / "t.parquet")
    found = import_chains(tmp_path / "t.parquet", out)
    assert (found.texts, found.pictures) == (2, 1)
    assert found.rejected[0].place.line == 2
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no PAR1")
    with pytest.raises(ChainError, match="damaged, or no Parquet file"):
        import_chains(tmp_path / "bad.parquet", tmp_path / "other")


def make_generations(root: Path) -> None:
    """Both kinds of chain, as UCF-UM has them, with damage among them."""
    texts, images = root / "text-first", root / "image-first"
    (texts / "gen-0").mkdir(parents=True)
    images.mkdir()

    def captions(path: Path, *rows: str) -> None:
        path.write_text("filename,caption\n" + "\n".join(rows) + "\n", "utf-8")

    captions(texts / "gen-0.csv", 'one.png,"a ship, at sea"', "two.png,a cat")
    paint(texts / "gen-1" / "one.jpg", "blue")
    paint(texts / "gen-1" / "two.png", "red")
    captions(texts / "gen-2.csv", "one,a boat", "two,a dog")
    (texts / "gen-3").mkdir()
    (texts / "gen-3" / "one.png").write_text("broken")
    paint(texts / "gen-3" / "two.png", "green")
    captions(texts / "gen-4.csv", "one.png,a lake", "two.png,a fox", ",nobody", "one.png")
    paint(images / "gen-0" / "one.png", "white")
    captions(images / "gen-1.csv", "one.png,white")
    paint(images / "gen-2" / "one.png", "grey")


def test_generations(tmp_path: Path, out: Path) -> None:
    make_generations(tmp_path / "data")
    found = import_chains(tmp_path / "data", out)
    reasons = [(str(reject.place), reject.reason.split(":")[0]) for reject in found.rejected]
    assert reasons == [
        (
            "text-first/gen-3/one.png",
            f"the picture is none of {reasons[0][1].split('none of ')[1]}",
        ),
        ("text-first/gen-4.csv, line 4", "the filename is missing"),
        ("text-first/gen-4.csv, line 5", "the line has another number of cells"),
    ]
    assert (found.trajectories, found.texts, found.pictures) == (3, 5, 4)
    assert states(out)["text-first", "one", 0] == {1: "a boat", 2: "a lake"}
    with open_run(out) as run:
        prompts = {row["id"]: row["kind"] for row in run.prompts()}
        assert prompts == {"one (picture)": "image", "one": "text", "two": "text"}
        steps = run.steps().to_pylist()
        (first, second) = [row for row in steps if row["arm"] == "image-first"]
        assert (first["role"], second["role"]) == ("captioner", "generator")
        assert second["input_text"] == "white"
        lost = [r for r in steps if r["arm"] == "text-first" and r["prompt"] == "one"][-1]
        assert lost["input_image"] is None
    assert examine(out) == []


def test_chains_of_language_models(tmp_path: Path, out: Path) -> None:
    root = tmp_path / "Results"
    for seed in (1, 2):
        folder = root / "gpt" / "rephrase" / "Length99" / f"seed_{seed}"
        folder.mkdir(parents=True)
        stories = [[f"told {seed}"], ["told again"]]
        (folder / "output0.json").write_text(
            json.dumps({"initial_story": "once", "stories": stories})
        )
    (folder / "output1.json").write_text("{")
    (folder / "output2.json").write_text(json.dumps({"stories": [["a"], ["b", "c"]]}))
    found = import_chains(root, out)
    assert [reject.what for reject in found.rejected] == ["file", "file"]
    assert states(out) == {
        ("gpt/rephrase", "Length99", 0): {1: "told 1", 2: "told again"},
        ("gpt/rephrase", "Length99", 1): {1: "told 2", 2: "told again"},
    }


def test_the_same_again_changes_nothing(table: Write, out: Path) -> None:
    source = table("chain,round,text\na,0,cat\na,1,x\na,?,y\n")
    assert import_chains(source, out).fresh
    with open_run(out) as run:
        before = run.steps()
    again = import_chains(source, out)
    assert not again.fresh
    assert len(again.rejected) == 1
    with open_run(out) as run:
        assert run.steps().equals(before)
        assert len(run.sessions()) == 1
    table("chain,round,text\na,0,cat\na,1,z\n")
    with pytest.raises(ChainError, match=r"holds other chains, imported from chains.csv; choose"):
        import_chains(source, out)
    with open_run(out) as run:
        assert run.steps().equals(before)


def test_a_killed_import_goes_on(table: Write, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = table("chain,round,text\na,0,cat\na,1,x\nb,0,dog\nb,1,y\n")
    record = driftloop.Run.record

    def once(run: driftloop.Run, *parts: Any) -> None:
        if run.trajectories():
            raise KeyboardInterrupt
        record(run, *parts)

    monkeypatch.setattr(driftloop.Run, "record", once)
    with pytest.raises(KeyboardInterrupt):
        import_chains(source, out)
    monkeypatch.undo()
    assert len(states(out)) == 1
    assert import_chains(source, out).fresh
    assert len(states(out)) == 2
    assert examine(out) == []


def test_a_folder_that_holds_another_run(table: Write, out: Path) -> None:
    from driftloop_toys.studies import toy_study

    source = table("chain,round,text\na,0,cat\na,1,x\n")
    driftloop.run(toy_study(), out, progress=False).close()
    with pytest.raises(ChainError, match=r"holds a run that was played; choose .* --out"):
        import_chains(source, out)
    import_chains(source, out.parent / "imported")
    with pytest.raises(StudyError, match=r"cannot be played on \(chains.csv, imported\)"):
        driftloop.run(toy_study(), out.parent / "imported", progress=False)
