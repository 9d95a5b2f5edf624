"""Damaged and hostile sources: what is kept out and why, and that nothing else is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image
from sources import Write, paint, states, told

from driftloop.chains import import_chains
from driftloop.errors import ChainError
from driftloop.store import create_run, examine, open_run


def test_damaged_rows_are_told_and_kept_out(table: Write, out: Path) -> None:
    source = table(
        "trajectory,round,text\n"
        "a,0,a ship\n"
        "a,1,the ship\n"
        "a,x,no number\n"
        "a,2.5,half\n"
        "a,,none\n"
        "a,-1,before\n"
        "a,9999999,late\n"
        "a,2,\n"
        "a,2\n"
        "a,1,the ship\n"
        "a,1,another ship\n"
        "a,3.0,a boat\n"
        "a,2500,after a gap\n"
        "a,4,   \n"
        f"a,5,{'x' * 200_001}\n"
    )
    found = import_chains(source, out)
    reasons = told(out)
    for line, part in {
        "4": "not a whole number: 'x'", "5": "not a whole number", "6": "round is missing",
        "7": "out of range", "8": "out of range", "9": "neither a text nor a picture",
        "10": "another number of cells", "11": "a text already: the same, from chains.csv, line 3",
        "12": "a text already: another", "14": "gap before the round is too long",
        "16": "too long: 200,001",
    }.items():  # fmt: skip
        assert part in reasons.pop(line)
    assert reasons == {}
    assert len(found.rejected) == 11
    ((_, rounds),) = states(out).items()
    assert rounds == {1: "the ship", 3: "a boat", 4: "   "}
    assert any("missing between others: 1 in 1" in note for note in found.notes)
    with open_run(out) as run:
        assert run.steps()["flags"].to_pylist() == [[], [], ["empty"]]
    assert examine(out) == []


def test_pictures_stay_in_their_folder(table: Write, out: Path, tmp_path: Path) -> None:
    paint(tmp_path / "secret.png", "red")
    paint(tmp_path / "source" / "in" / "good.png", "blue")
    (tmp_path / "source" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "source" / "text.png").write_text("no picture")
    os.mkfifo(tmp_path / "source" / "pipe.png")
    cut = tmp_path / "source" / "cut.png"
    Image.effect_noise((64, 64), 90).save(cut)
    cut.write_bytes(cut.read_bytes()[:900])
    (tmp_path / "source" / "code.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n")
    names = {
        2: "in/good.png", 3: "../secret.png", 4: str(tmp_path / "secret.png"), 5: "link.png",
        6: "text.png", 7: "cut.png", 8: "pipe.png", 9: "nowhere.png", 10: "code.png",
        11: "https://example.org/a.png", 12: "C:\\a.png",
    }  # fmt: skip
    lines = [f"a,{round - 1},seen {round},{name}" for round, name in names.items()]
    source = table("trajectory,round,caption,image\n" + "\n".join(lines) + "\n")
    found = import_chains(source, out)
    assert (found.texts, found.pictures) == (11, 1)
    reasons = told(out)
    for line, part in {
        "3": "leads out", "4": "absolute", "5": "leads out", "6": "none of PNG", "7": "damaged",
        "8": "is no file", "9": "is not there", "10": "none of PNG", "11": "nothing is fetched",
        "12": "absolute",
    }.items():  # fmt: skip
        assert part in reasons.pop(line)
    assert reasons == {}
    with open_run(out) as run:
        roles = run.steps()["role"].to_pylist()
        assert roles == ["generator", *["captioner"] * 11]
        assert run.image(run.steps()["image"][0].as_py()).getpixel((0, 0)) == (0, 0, 255)


def test_a_decompression_bomb_is_told_before_it_is_unpacked(table: Write, out: Path) -> None:
    for number, side in ((1, 9_000), (2, 20_000)):
        bomb = table("").parent / f"{number}.png"
        Image.new("1", (side, side)).save(bomb)
        assert bomb.stat().st_size < 100_000
    source = table("chain,round,text,image\na,1,a bomb,1.png\na,2,another,2.png\n")
    found = import_chains(source, out)
    assert "too large: 9000 by 9000" in found.rejected[0].reason
    assert "too large" in found.rejected[1].reason
    assert (found.texts, found.pictures) == (2, 0)


def test_sources_that_cannot_be_read(table: Write, out: Path, tmp_path: Path) -> None:
    for name, text, match in (
        ("a.pkl", "x", "can run code when it is opened"),
        ("a.txt", "x", "not a kind of source"),
        ("a.csv", "", "empty"),
        ("a.csv", "round,round,text\n1,2,3\n", "two columns are called 'round'"),
        ("a.csv", "chain,round,text\na,x,y\n", "no chain in it can be used; kept out: 1 times"),
        ("a.jsonl", "", "empty"),
        ("a.jsonl", '{"a": 1}', "no column says the round"),
    ):
        with pytest.raises(ChainError, match=match):
            import_chains(table(text, name), out)
    latin = table("", "l.csv")
    latin.write_bytes("chain,round,text\na,1,caf\xe9\n".encode("latin-1"))
    with pytest.raises(ChainError, match=r"not utf-8 at byte .* --encoding latin-1"):
        import_chains(latin, tmp_path / "l", encoding="utf-8")
    with pytest.raises(ChainError, match="there is no such encoding"):
        import_chains(latin, tmp_path / "l", encoding="utf-9")
    with pytest.raises(ChainError, match="no such file"):
        import_chains(tmp_path / "nowhere", out)
    with create_run(out) as run:
        assert len(run) == 0


def test_so_much_damage_is_another_file(
    table: Write, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftloop.chains._rows.MAX_REJECTED", 20)
    source = table("chain,round,text\n" + "a,x,y\n" * 30)
    with pytest.raises(ChainError, match="Is it the right file"):
        import_chains(source, out)
    monkeypatch.setattr("driftloop.chains._import.MAX_ROWS", 20)
    source = table("chain,round,text\n" + "".join(f"a,{n},y\n" for n in range(30)))
    with pytest.raises(ChainError, match="more than 20 rows; split it"):
        import_chains(source, out)
