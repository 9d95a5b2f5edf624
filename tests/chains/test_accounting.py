"""Every row of a source is used, kept out or a repeat, whatever was done to the table."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from sources import Write, paint, told

from driftloop.chains import Imported, import_chains
from driftloop.chains._assemble import assemble
from driftloop.chains._pictures import Pictures
from driftloop.chains._tables import TableReader
from driftloop.errors import ChainError
from driftloop.printing import print_imported

CELL = st.sampled_from(
    ["", "nan", "None", "a cat", "a dog", "x.png", "gone.png", "0", "1", "2", "3.0", "-1", "boom"]
)
ROW = st.fixed_dictionaries(
    {
        "chain": st.sampled_from(["a", "b", "", "nan"]),
        "round": st.sampled_from(["0", "1", "2", "3", "x", "", "5000", "1"]),
        "prompt": st.sampled_from(["", "a cat", "a dog"]),
        "caption": CELL,
        "image": st.sampled_from(["", "", "x.png", "gone.png"]),
        "error": st.sampled_from(["", "", "ok", "boom"]),
    }
)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=14), repeated=st.integers(0, 4))
def test_the_rows_add_up(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]], repeated: int
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    paint(folder / "x.png", "red")
    rows = [*rows, *rows[:repeated]]
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    (folder / "t.csv").write_text(text.getvalue(), "utf-8", newline="")
    reason = ""
    try:
        found: Imported | None = import_chains(folder / "t.csv", folder / "run", progress=False)
    except ChainError as refused:
        reason = str(refused)
        found = None
    if found is None:
        assert any(
            part in reason
            for part in ("no chain in it can be used", "come twice", "several rows say the same")
        )
        assert not (folder / "run").exists()
        return
    counts = found.counts
    # A line of empty cells is blank, and no row.
    assert counts.rows == sum(any(row.values()) for row in rows)
    assert counts.rows == counts.used + counts.kept_out + counts.repeats
    # A row is kept out once, and is listed.
    lost = [r.place for r in found.rejected if r.what in ("row", "repeat")]
    assert len(set(lost)) == len(lost) == counts.kept_out + counts.repeats
    assert (found.rejected == []) == (not Path(folder / "run" / "import-rejected.csv").exists())
    if found.rejected:
        assert {str(place.line) for place in lost} <= set(told(folder / "run"))
    # What is in the run came from rows that are used.
    assert found.texts + found.pictures <= 2 * counts.used
    assert str(counts.rows) in str(counts)


def test_the_sum_and_the_reasons_are_printed(
    table: Write, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = table("chain,round,caption\na,1,x\na,1,x\na,?\x1b[2J,y\na,!,y\na,2,z\nq,0,start\n")
    print_imported(import_chains(source, out))
    shown = capsys.readouterr()
    assert "rows of the source: 6 = 2 used + 3 kept out + 1 exact repeats" in shown.out
    assert re.search(r"kept out 2 times, the first row: .*: the round is not a whole", shown.err)
    assert re.search(r"kept out repeat: .*: the round has a text already", shown.err)
    assert re.search(r"kept out row: .*: the chain has a start and no round", shown.err)
    assert "\x1b" not in shown.out + shown.err


ROWS = [
    {"chain": c, "round": n, "caption": f'{c} "says", {n}\nline; two', "error": None, "type": "txt"}
    for c in "ab" for n in (0, 1, 2, 3)
]  # fmt: skip
SOUND = {
    "a.csv": pd.DataFrame(ROWS).to_csv(index=False).encode(),
    "a.tsv": pd.DataFrame(ROWS).to_csv(index=False, sep="\t").encode("utf-16"),
    "a.jsonl": "\n".join(map(json.dumps, ROWS)).encode(),
    "a.json": json.dumps({"data": ROWS}, indent=1).encode(),
    "a.parquet": pd.DataFrame(ROWS).to_parquet(),
}
SPLICE = st.sampled_from([b'"', b",", b"\n", b"\0", b"\xff", b"{", b"]", b"nan", b"\r", b"\\", b""])


@settings(max_examples=80, deadline=None)
@given(
    name=st.sampled_from(sorted(SOUND)),
    cuts=st.lists(st.tuples(st.integers(0, 9_999), SPLICE, st.integers(0, 20)), max_size=4),
)
def test_whatever_is_damaged_is_told_and_adds_up(
    tmp_path_factory: pytest.TempPathFactory, name: str, cuts: list[tuple[int, bytes, int]]
) -> None:
    """Never a traceback: a file is refused as a whole, or its rows are accounted for."""
    data = SOUND[name]
    for at, splice, length in cuts:
        data = data[: at % len(data)] + splice + data[at % len(data) + length :]
    file = tmp_path_factory.mktemp("damaged") / name
    file.write_bytes(data)
    reader = TableReader([file], Pictures(file.parent), columns={}, numbered=None, encoding=None)
    try:
        chains = assemble(
            reader.rows(), reader.account, numbered=None, first=None, tell_apart=reader.tell_apart
        )
    except ChainError as refused:
        event(str(refused).split(": ")[1][:20])
        return
    reader.account.close()
    counts = reader.account.counts()
    assert counts.rows == counts.used + counts.kept_out + counts.repeats
    if not cuts:
        assert (counts.used, len(chains)) == (8, 2)
