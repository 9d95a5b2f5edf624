"""What was done to a picture is told: in the run, the report, the export and the summary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from sources import Write

from driftloop.chains import export_run, import_chains
from driftloop.report import write_report
from driftloop.store import open_run


def paint_all(folder: Path) -> None:
    plain = Image.new("RGB", (12, 8), (40, 90, 160))
    plain.paste((250, 220, 40), (0, 0, 4, 4))
    plain.save(folder / "plain.png")
    clear = plain.convert("RGBA")
    clear.putalpha(0)
    clear.paste((250, 220, 40, 255), (0, 0, 4, 4))
    clear.save(folder / "clear.png")
    exif = Image.Exif()
    exif[0x0112] = 3
    plain.save(folder / "turned.png", exif=exif)
    # The very pixels of turned.png, with nothing to be done.
    plain.transpose(Image.Transpose.ROTATE_180).save(folder / "same.png")
    ramp = np.tile(np.linspace(0, 65535, 12).astype(np.uint16), (8, 1))
    Image.fromarray(ramp).save(folder / "deep.png")


def test_an_import_tells_what_was_done_to_pictures(table: Write, out: Path, tmp_path: Path) -> None:
    source = table(
        "chain,round,prompt_image,caption,image\n"
        "a,1,deep.png,one,plain.png\na,2,deep.png,two,clear.png\n"
        "a,3,deep.png,three,turned.png\na,4,deep.png,four,same.png\n"
    )
    paint_all(source.parent)
    found = import_chains(source, out)
    told = [note for note in found.notes if note.startswith("pictures that were changed")]
    assert told == [
        "pictures that were changed when they were read: 3 "
        "(turned 1, laid on white 1, scaled to 8 bits 1)"
    ]
    with open_run(out) as run:
        steps = [row for row in run.steps().to_pylist() if row["image"]]
        assert [row["flags"] for row in steps] == [[], ["laid on white"], ["turned"], []]
        assert steps[2]["image"] == steps[3]["image"]
        assert [row["flags"] for row in run.prompts()] == [["scaled to 8 bits"]]
        assert run.image(steps[1]["image"]).getpixel((11, 7)) == (255, 255, 255)
        page = write_report(run, encoders=[]).read_text("utf-8")
    for words in ("laid on white", "turned", "scaled to 8 bits", "<td>prompts</td>"):
        assert words in page
    (file,) = export_run(out, tmp_path / "t.parquet")
    rows = pq.read_table(file).to_pylist()
    assert [row["image_flags"] for row in rows] == [row["flags"] for row in steps]
    assert {flag for row in rows for flag in row["prompt_image_flags"]} == {"scaled to 8 bits"}
    again = import_chains(source, out)
    assert not again.fresh
    assert again.notes == found.notes
