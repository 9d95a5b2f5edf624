"""Every row of a source is used, kept out or a repeat, whatever was done to the table."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sources import paint, told

from driftloop.chains import Imported, import_chains
from driftloop.errors import ChainError

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


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
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
    assert counts.rows == len(rows)
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
