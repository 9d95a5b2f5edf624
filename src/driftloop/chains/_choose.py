"""Which reader a source is for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import ChainError
from ._encoded import check_file
from ._folder import Folder, look_through
from ._generations import GenerationsReader, find_generations
from ._pairs import PairsReader, sided_files
from ._panic import PanicReader, panic_folder
from ._pictures import Pictures
from ._rows import Numbered, Reader
from ._stories import StoriesReader, story_files
from ._tables import KINDS, TableReader, table_files


def list_source(source: Path) -> Folder:
    """The files of a source.

    Raises:
        ChainError: There is none, or it is no file that can be read to its end.
    """
    if not source.exists():
        raise ChainError(f"{source}: no such file or folder")
    if not source.is_dir():
        check_file(source)
    return look_through(source)


def choose_reader(
    listed: Folder, source: Path, pictures: Pictures, columns: Mapping[str, str],
    numbered: Numbered | None, encoding: str | None,
) -> Reader:  # fmt: skip
    """The reader for a source, the most telling kind of folder first.

    Args:
        listed: What :func:`list_source` found.
        source: The file or folder.
        pictures: Reads the pictures that it names.
        columns: Column names of a table by meaning.
        numbered: What the round column of a table counts; None where its rows tell.
        encoding: Of text files; None where they tell.

    Raises:
        ChainError: It is no kind that is known, or several that do not go together.
    """
    reader = _other_reader(listed, source, pictures, encoding)
    if reader is None and (tables := _tables(listed, source)):
        return TableReader(tables, pictures, columns=columns, numbered=numbered, encoding=encoding)
    if reader is None and source.is_dir() and sided_files(listed):
        reader = PairsReader(listed, pictures, encoding=encoding)
    if reader is not None:
        for meaning, name in columns.items():
            layout = reader.describe()["layout"]
            raise ChainError(f"--column {meaning}={name}: {source} is no table, but {layout}")
        return reader
    if source.suffix.lower() in (".pkl", ".pickle", ".obj", ".npy", ".pt"):
        raise ChainError(
            f"{source}: such a file can run code when it is opened, so it is not; write its "
            f"contents as CSV, JSON lines or Parquet"
        )
    raise ChainError(
        f"{source}: not a kind of source that is known. A file is a table ({', '.join(KINDS)}) or "
        f"an output*.json of TelephoneGameLLM; a folder holds gen-N/ and gen-N.csv, a table, "
        f"Parquet files, such output*.json, the tables of panic-tda, or pictures with captions "
        f"beside them (000.png and 000.txt)"
    )


def _other_reader(
    listed: Folder, source: Path, pictures: Pictures, encoding: str | None
) -> Reader | None:
    """The reader of a source that is more than a table, if it is one."""
    if source.is_dir():
        if (panic := panic_folder(listed)) is not None:
            return PanicReader(listed, panic, pictures)
        if arms := find_generations(listed):
            return GenerationsReader(listed, arms, pictures, encoding=encoding)
    if stories := story_files(listed):
        return StoriesReader(listed, stories)
    return None


def _tables(listed: Folder, source: Path) -> list[Path]:
    """The table, the shards of one, or the only table that lies in a folder.

    Raises:
        ChainError: There are several tables in the folder.
    """
    if source.is_file():
        return table_files(source)
    regular = {*listed.files}
    if shards := [file for file in table_files(source) if file in regular]:
        return shards
    top = [f for f in listed.files if f.parent == source and f.suffix.lower() in KINDS]
    found = [file for file in top if file.suffix.lower() != ".json"]
    if not found and len(top) == 1 and not sided_files(listed):
        # Many files of JSON are captions, or chains, rather than tables.
        found = top
    if len(found) > 1:
        some = ", ".join(file.name for file in found[:4])
        raise ChainError(
            f"{source}: {len(found)} tables ({some}), and nothing says whether they belong "
            f"together; name one, or put their rows into one table"
        )
    return found
