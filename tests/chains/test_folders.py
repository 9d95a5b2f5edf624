"""Folders that others made: which level is what, what is left unread, and that nothing merges."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources import paint, states

from driftloop.chains import import_chains
from driftloop.chains._pairs import read_name
from driftloop.errors import ChainError
from driftloop.report import write_report
from driftloop.store import open_run


def tell(path: Path, *stories: list[str], **more: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"stories": list(stories), **more}))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


# --- chains of language models -------------------------------------------------------------------


def test_experiments_of_llm_culture_are_arms_and_outputs_are_twins(
    tmp_path: Path, out: Path
) -> None:
    for arm, told in (("rephrase", "Rephrase it"), ("invent", "Make one up")):
        for seed in (0, 1):
            tell(
                tmp_path / "Results" / arm / f"output{seed}.json",
                *([f"{arm} {seed} {n}"] for n in range(3)),
                prompt_init=["Tell a story"], prompt_update=[told], personality_list=[" ", " "],
            )  # fmt: skip
    found = import_chains(tmp_path / "Results", out)
    assert (found.trajectories, found.texts, found.rejected) == (4, 12, [])
    assert {(arm, twin) for arm, _, twin in states(out)} == {
        ("rephrase", 0), ("rephrase", 1), ("invent", 0), ("invent", 1),
    }  # fmt: skip
    with open_run(out) as run:
        (prompt,) = run.prompts()
        assert prompt["value"] == "Tell a story"
        told = {p["model"]: p["details"]["settings"].get("instruction") for p in run.players()}
        assert {*told.values()} == {"Rephrase it", "Make one up"}
        assert len(told) == 2
        assert run.steps()["input_text"][0].as_py() == "Tell a story"
    assert "Rephrase it" in write_report(out).read_text("utf-8")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # A level of models, which all got the same text.
        (
            {"gpt/output0": "once", "llama/output0": "once"},
            {("gpt", None, 0), ("llama", None, 0)},
        ),
        (
            {"gpt/seed_1/output0": "once", "llama/seed_1/output0": "once"},
            {("gpt", None, 0), ("llama", None, 0)},
        ),
        # A level of texts: its names come back under several models, each time with its text.
        (
            {"gpt/A/output0": "a", "gpt/B/output0": "b", "llama/A/output0": "a"},
            {("gpt", "A", 0), ("gpt", "B", 0), ("llama", "A", 0)},
        ),
        # As TelephoneGameLLM has it.
        (
            {f"gpt/say/{t}/seed_{n}/output0": t for t in "AB" for n in (1, 2)},
            {("gpt/say", t, n) for t in "AB" for n in (0, 1)},
        ),
        # Several files in the folder of a seed.
        (
            {"gpt/say/A/seed_1/output0": "a", "gpt/say/A/seed_1/output1": "a"},
            {("gpt/say", "A", 0), ("gpt/say", "A", 1)},
        ),
        ({"output": "a"}, {("imported", None, 0)}),
    ],
)  # fmt: skip
def test_what_a_level_of_folders_is(
    tmp_path: Path, out: Path, files: dict[str, str], expected: set[tuple[str, str | None, int]]
) -> None:
    for name, start in files.items():
        tell(tmp_path / "s" / f"{name}.json", [f"{name} 1"], [f"{name} 2"], initial_story=start)
    found = import_chains(tmp_path / "s", out)
    got = states(out)
    assert found.trajectories == len(got) == len(files)
    assert {
        (arm, prompt if any(prompt == p for _, p, _ in expected) else None, twin)
        for arm, prompt, twin in got
    } == expected
    assert {rounds[1] for rounds in got.values()} == {f"{name} 1" for name in files}
    assert any("were taken for" in note for note in found.notes)


def test_agents_of_a_network_stay_apart_and_what_they_read_is_not_known(
    tmp_path: Path, out: Path
) -> None:
    for seed in (0, 1):
        stories = [[f"{seed} {n} {agent}" for agent in "ab"] for n in range(3)]
        tell(
            tmp_path / "Circle" / f"output{seed}.json", *stories, prompt_init=["Tell"],
            personality_list=["You are kind.", "You are cruel."],
        )  # fmt: skip
    found = import_chains(tmp_path, out)
    assert (found.trajectories, found.texts) == (4, 12)
    assert {" ".join(t.split()[::2]) for r in states(out).values() for t in r.values()} == {
        "0 a", "0 b", "1 a", "1 b",
    }  # fmt: skip
    for rounds in states(out).values():
        assert len({(text.split()[0], text.split()[2]) for text in rounds.values()}) == 1
    with open_run(out) as run:
        inputs = [s["input_text"] for s in run.steps().to_pylist()]
        assert inputs == ["Tell", None, None] * 4
        assert sorted(p["details"]["settings"]["personality"] for p in run.players()) == [
            "You are cruel.", "You are kind.",
        ]  # fmt: skip
    assert any("2; each of their 4 agents is a trajectory" in note for note in found.notes)


def test_a_network_whose_generations_differ_in_size_is_kept_out(tmp_path: Path, out: Path) -> None:
    tell(tmp_path / "a" / "output0.json", ["x"], ["y"], initial_story="s")
    tell(tmp_path / "a" / "output1.json", ["x"], ["y", "z"], initial_story="s")
    os.mkfifo(tmp_path / "a" / "output2.json")
    (tmp_path / "a" / "output3.json").symlink_to(tmp_path / "a" / "output0.json")
    found = import_chains(tmp_path, out)
    (reject,) = found.rejected
    assert "different numbers of texts (1 to 2)" in reject.reason
    assert found.trajectories == 1
    (note,) = [note for note in found.notes if note.startswith("not opened")]
    assert "1 links" in note
    assert "1 pipes, sockets and devices" in note


# --- pictures and captions side by side ----------------------------------------------------------


@pytest.mark.parametrize(
    ("picture", "caption"),
    [
        ("{c}_round_{r:03}.png", "{c}_round_{r:03}.txt"),
        ("{c}/{r:03}.png", "{c}/{r:03}.txt"),
        ("{c}/{r:03}.png", "{c}/{r:03}.caption"),
        ("{c}/round_{r}/image.png", "{c}/round_{r}/caption.txt"),
        ("{c}-iter{r}-image.jpg", "{c}-iter{r}-caption.txt"),
        ("step {r} {c}.webp", "step {r} {c}.txt"),
        ("{c}/img_{r}.png", "{c}/img_{r}.json"),
        ("{c}/images/{r}.png", None),
    ],
)
def test_names_of_files_tell_chain_and_round(
    tmp_path: Path, out: Path, picture: str, caption: str | None
) -> None:
    source = tmp_path / "mine"
    for at, chain in enumerate(("ship", "cat")):
        for number in (1, 2, 3):
            paint(source / picture.format(c=chain, r=number), (at * 99, number, 0))
            if caption is not None:
                text = f"{chain} {number}"
                file = source / caption.format(c=chain, r=number)
                write(file, json.dumps({"caption": text}) if file.suffix == ".json" else text)
    if caption is None:
        with pytest.raises(ChainError, match="not a kind of source"):
            import_chains(source, out)
        return
    found = import_chains(source, out)
    assert (found.trajectories, found.texts, found.pictures) == (2, 6, 6)
    assert found.rejected == []
    assert {frozenset(rounds.items()) for rounds in states(out).values()} == {
        frozenset((number, f"{chain} {number}") for number in (1, 2, 3))
        for chain in ("ship", "cat")
    }
    with open_run(out) as run:
        for step in run.steps().to_pylist():
            if step["role"] == "captioner":
                red, green, _ = run.image(step["input_image"]).getpixel((0, 0))
                assert abs(green - step["round"]) < 3
                assert (red > 50) == step["text"].startswith("cat")


def test_what_chains_start_from_lies_in_their_folder(tmp_path: Path, out: Path) -> None:
    for chain in ("a", "b"):
        paint(tmp_path / "s" / chain / "1.png", "red")
        write(tmp_path / "s" / chain / "1.txt", "seen")
    write(tmp_path / "s" / "prompt.txt", "all of them\n")
    write(tmp_path / "s" / "b" / "prompt.txt", "only b\n")
    import_chains(tmp_path / "s", out)
    with open_run(out) as run:
        assert {p["value"] for p in run.prompts()} == {"all of them", "only b"}
        drawn = [s["input_text"] for s in run.steps().to_pylist() if s["role"] == "generator"]
        assert sorted(drawn) == ["all of them", "only b"]


def test_pictures_and_captions_with_numbers_of_their_own_are_steps(
    tmp_path: Path, out: Path
) -> None:
    write(tmp_path / "a" / "000.txt", "start")
    for number in (1, 3):
        paint(tmp_path / "a" / f"{number:03}.png", (number * 50, 0, 0))
        write(tmp_path / "a" / f"{number + 1:03}.txt", f"of {number}")
    import_chains(tmp_path, out)
    with open_run(out) as run:
        steps = run.steps().to_pylist()
        assert [s["round"] for s in steps] == [1, 1, 2, 2]
        assert [s["input_text"] for s in steps] == ["start", None, "of 1", None]


@pytest.mark.parametrize("name", ["x", "chain_03", "seed42", "round_1_step_2", "a dog 1b"])
def test_names_that_tell_no_round_are_refused_with_what_to_do(
    tmp_path: Path, out: Path, name: str
) -> None:
    paint(tmp_path / "s" / f"{name}.png", "red")
    write(tmp_path / "s" / f"{name}.txt", "seen")
    with pytest.raises(ChainError, match=r"no name tells the round.*ship_round_002\.png"):
        import_chains(tmp_path / "s", out)


def test_a_file_without_a_round_among_others_is_kept_out(tmp_path: Path, out: Path) -> None:
    paint(tmp_path / "s" / "ship_1.png", "red")
    write(tmp_path / "s" / "ship_1.txt", "seen")
    write(tmp_path / "s" / "LICENSE.txt", "MIT")
    (reject,) = import_chains(tmp_path / "s", out).rejected
    assert (reject.place.file, reject.reason) == ("LICENSE.txt", "the file's name tells no round")


@given(
    st.from_regex(r"[a-z]{3,8}(_[0-9]{2})?", fullmatch=True).filter(
        lambda name: read_name((name + "_x",)) is None
    ),
    st.integers(0, 99_999),
    st.sampled_from(["{c}_round_{r}", "round_{r}_{c}", "{c} step {r:05}", "{c}.iter{r}.image"]),
)
def test_a_name_gives_back_the_chain_and_round_that_it_was_made_of(
    chain: str, number: int, form: str
) -> None:
    named = read_name((form.format(c=chain, r=number),))
    assert named is not None
    assert (named.chain, named.number) == ((chain,), number)


# --- generations ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("captions", "pictures"),
    [
        ("gen_{}.csv", "gen_{}/{}.png"),
        ("Gen{}.csv", "Gen{}/{}.png"),
        ("generation-{}.csv", "generation-{}/{}.png"),
        ("deep/er/and/er/gen-{:02}.csv", "deep/er/and/er/gen-{:02}/{}.png"),
        ("gen-{}/captions.csv", "gen-{}/images/{}.png"),
        ("iteration {}.csv", "iteration {}/{}.jpg"),
    ],
)
def test_generations_by_other_names(
    tmp_path: Path, out: Path, captions: str, pictures: str
) -> None:
    source = tmp_path / "bench"
    inner = "images\\" if "images" in pictures else ""
    for number in (0, 2, 4):
        rows = [f"{inner}{item}.png;{item} {number}" for item in ("001", "002", "003")]
        text = "\n".join(["filename;caption", *rows])
        if number:
            text = text.replace(";", ",")
        write(source / captions.format(number), text)
    for number in (1, 3):
        for at, item in enumerate(("001", "002", "003")):
            paint(source / pictures.format(number, item), (number * 50, at * 50, 0))
        write((source / pictures.format(number, "x")).with_name("Thumbs.db"), "x")
        write((source / pictures.format(number, "x")).with_name("._001.png"), "x")
    write(source / "notes.pdf", "x")
    found = import_chains(source, out)
    assert (found.trajectories, found.texts, found.pictures) == (3, 6, 6)
    assert found.rejected == []
    assert {rounds[2].split()[0]: rounds[2] for rounds in states(out).values()} == {
        item: f"{item} 4" for item in ("001", "002", "003")
    }
    assert "files of the folder that were not read: 1 .pdf" in found.notes
    assert any("4 files of the system" in note for note in found.notes)


def test_a_generation_that_is_there_twice_is_refused(tmp_path: Path, out: Path) -> None:
    for name in ("gen-1", "gen_1"):
        write(tmp_path / f"{name}.csv", "filename,caption\na,x\n")
    with pytest.raises(ChainError, match="generation 1 twice, as gen-1 and gen_1; take one"):
        import_chains(tmp_path, out)


def test_generations_of_two_kinds_are_not_counted_as_one(tmp_path: Path, out: Path) -> None:
    for arm in ("pairs", "turns"):
        write(tmp_path / arm / "gen-1.csv", "filename,caption\na,x\n")
        paint(tmp_path / arm / ("gen-1" if arm == "pairs" else "gen-2") / "a.png", "red")
    with pytest.raises(ChainError, match="in pairs a generation has pictures and captions"):
        import_chains(tmp_path, out)


# --- panic-tda -----------------------------------------------------------------------------------

NETWORKS = (["Klein", "Gemma"], ["Zturbo", "Pixtral"])


def export(
    folder: Path, *, prompts: bool = False, seed: int | None = None, image: bytes | None = None
) -> Path:
    """A folder as panic-tda exports it: 2 networks, 2 prompts, 2 runs, 3 rounds."""
    folder.mkdir(parents=True)
    runs, rows = [], []
    for network in NETWORKS:
        for prompt in ("a penguin", "a campfire"):
            for number in (0, 1):
                id = f"{network[0]}-{prompt}-{number}"
                runs.append({
                    "id": id, "experiment_id": "e", "network": json.dumps(network),
                    "run_number": number, "initial_prompt": prompt, "seed": seed,
                })  # fmt: skip
                if prompts:
                    rows.append((id, -1, "text", None, prompt))
                for at in range(6):
                    text = f"{id} {at}" if at % 2 else None
                    rows.append((id, at, "text" if at % 2 else "image", network[at % 2], text))
    if seed is None:
        runs = [{k: v for k, v in run.items() if k != "seed"} for run in runs]
    names = ("run_id", "sequence_number", "type", "model", "output_text")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    if image is not None:
        columns["output_image"] = [image if kind == "image" else None for kind in columns["type"]]
    pq.write_table(pa.Table.from_pylist(runs), folder / "runs.parquet")
    pq.write_table(pa.table(columns), folder / "invocations.parquet")
    pq.write_table(pa.table({"id": ["x"], "vector": [[0.1]]}), folder / "embeddings.parquet")
    return folder


@pytest.mark.parametrize("prompts", [False, True])
def test_an_export_of_panic_tda_is_joined(tmp_path: Path, out: Path, prompts: bool) -> None:
    found = import_chains(export(tmp_path / "019f_parquet", prompts=prompts), out)
    assert (found.trajectories, found.texts, found.pictures) == (8, 24, 0)
    assert found.rejected == []
    source = tmp_path / "019f_parquet"
    rows = sum(
        pq.read_metadata(source / f"{name}.parquet").num_rows for name in ("runs", "invocations")
    )
    assert found.counts == (rows, rows - 24, 0, 0, 24)
    assert [note for note in found.notes if "pictures that the export leaves out: 24" in note]
    assert "files of the folder that were not read: 1 .parquet" in found.notes
    got = states(out)
    assert {(arm, twin) for arm, _, twin in got} == {
        (" + ".join(network), twin) for network in NETWORKS for twin in (0, 1)
    }
    with open_run(out) as run:
        assert {p["value"] for p in run.prompts()} == {"a penguin", "a campfire"}
        starts = {p["id"]: p["value"] for p in run.prompts()}
        for (arm, prompt, twin), rounds in got.items():
            id = f"{arm.split()[0]}-{starts[prompt]}-{twin}"
            assert rounds == {n: f"{id} {2 * n - 1}" for n in (1, 2, 3)}
        steps = run.steps().to_pylist()
        assert {(s["role"], s["model"]) for s in steps} == {
            ("captioner", "Gemma"), ("captioner", "Pixtral"),
        }  # fmt: skip
        assert all(s["input_text"] is s["input_image"] is s["seed"] is None for s in steps)
    write_report(out)


@pytest.mark.parametrize(("seed", "kept"), [(-1, None), (7, 7)])
def test_the_seed_of_panic_tda_that_stands_for_none_is_not_known(
    tmp_path: Path, out: Path, seed: int, kept: int | None
) -> None:
    found = import_chains(export(tmp_path / "e", seed=seed), out)
    assert any("the seed -1" in note for note in found.notes) == (kept is None)
    with open_run(out) as run:
        assert {*run.steps()["seed"].to_pylist()} == {kept}


def test_an_export_with_pictures_has_them(tmp_path: Path, out: Path) -> None:
    data = paint(tmp_path / "x.png", "red").read_bytes()
    found = import_chains(export(tmp_path / "e", image=data), out)
    assert (found.texts, found.pictures, found.rejected) == (24, 24, [])
    with open_run(out) as run:
        first, second, third, *_ = run.steps().to_pylist()
        assert first["input_text"] in ("a penguin", "a campfire")
        assert second["input_image"] == first["image"]
        assert third["input_text"] == second["text"]


def test_what_is_odd_in_an_export_is_told(tmp_path: Path, out: Path) -> None:
    folder = export(tmp_path / "e")
    rows = pq.read_table(folder / "invocations.parquet").to_pylist()
    rows[1] |= {"output_text": None}
    rows[3] |= {"run_id": "nobody"}
    rows[4] |= {"type": "text", "output_text": "x"}
    rows[7] |= {"sequence_number": None}
    rows.append({**rows[13], "sequence_number": -1, "output_text": "another prompt"})
    pq.write_table(pa.Table.from_pylist(rows), folder / "invocations.parquet")
    found = import_chains(folder, out)
    assert [reject.reason.split(",")[0] for reject in found.rejected] == [
        "there is no text", "the run is not in runs.parquet",
        "the network is none of picture and caption by turns",
        "the sequence number is missing",
        "the text before the first is not the prompt of runs.parquet",
    ]  # fmt: skip
    runs = pq.read_table(folder / "runs.parquet").drop_columns(["network"])
    pq.write_table(runs, folder / "runs.parquet")
    with pytest.raises(ChainError, match="no column 'network', which an export of panic-tda has"):
        import_chains(folder, tmp_path / "other")


# --- a folder with a table -----------------------------------------------------------------------


def test_the_only_table_of_a_folder_is_read_with_its_pictures(tmp_path: Path, out: Path) -> None:
    paint(tmp_path / "s" / "images" / "1.png", "red")
    paint(tmp_path / "s" / "images" / "2.png", "blue")
    write(tmp_path / "s" / "t.csv", "chain,round,caption,image\na,1,x,1.png\n")
    found = import_chains(tmp_path / "s", out)
    assert (found.texts, found.pictures) == (1, 1)
    assert "files of the folder that were not read: 1 .png" in found.notes
    write(tmp_path / "s" / "u.tsv", "chain\tround\tcaption\na\t1\tx\n")
    with pytest.raises(ChainError, match=r"2 tables \(t.csv, u.tsv\).*name one"):
        import_chains(tmp_path / "s", out)


def test_columns_of_what_is_no_table_are_refused(tmp_path: Path, out: Path) -> None:
    tell(tmp_path / "a" / "output0.json", ["x"], initial_story="s")
    with pytest.raises(ChainError, match=r"--column round=gen: .* is no table, but stories"):
        import_chains(tmp_path, out, columns={"round": "gen"})


def test_pictures_of_a_folder_are_its_own_wherever_paths_start(tmp_path: Path, out: Path) -> None:
    paint(tmp_path / "s" / "ship_1.png", "red")
    write(tmp_path / "s" / "ship_1.txt", "seen")
    (tmp_path / "other").mkdir()
    assert import_chains(tmp_path / "s", out, images=tmp_path / "other").pictures == 1


def test_a_pipe_is_no_source(tmp_path: Path, out: Path) -> None:
    os.mkfifo(tmp_path / "chains.csv")
    with pytest.raises(ChainError, match="a pipe"):
        import_chains(tmp_path / "chains.csv", out)
