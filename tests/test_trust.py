"""docs/trust.md says what the code does."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from driftloop.models._keys import KNOWN
from driftloop.models._needs import PICKLES
from driftloop.pictures import FORMATS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "trust.md").read_text("utf-8")
LIMITS = re.findall(r"^\| .*? \| ([\d,]+) \| \w+ \| `([\w.]+)` \|$", PAGE, flags=re.MULTILINE)


def value_of(path: str) -> Any:
    """A constant of a module, or the default of a setting."""
    module, _, name = path.rpartition(".")
    if module.rpartition(".")[2][:1].isupper():
        module, _, holder = module.rpartition(".")
        settings: Any = getattr(import_module(f"driftloop.{module}"), holder)
        return settings.model_fields[name].default
    return getattr(import_module(f"driftloop.{module}"), name)


@pytest.mark.parametrize(("told", "path"), LIMITS)
def test_limits_are_those_of_the_code(told: str, path: str) -> None:
    assert int(told.replace(",", "")) == value_of(path)


def test_every_line_of_limits_is_compared() -> None:
    table = PAGE.partition("## Limits")[2].partition("## Keys")[0]
    assert len(LIMITS) == table.count("\n|") - 2 > 15


def test_forms_and_hosts_are_those_of_the_code() -> None:
    pictures = re.search(r"Pictures are read as (.*?), whose", PAGE, flags=re.DOTALL)
    assert pictures is not None
    assert set(re.findall(r"[A-Z]+\d*", pictures[1])) == set(FORMATS)
    weights = PAGE.partition("Pickled ones")[2].partition("refused")[0]
    assert set(re.findall(r"`(\.\w+)`", weights)) == set(PICKLES)
    keys = PAGE.partition("## Keys")[2].partition("Any other pair")[0]
    assert set(re.findall(r"\w+(?:\.\w+)+", keys)) == set(KNOWN)


def test_pages_that_a_page_leads_to_are_there() -> None:
    for page in ("trust.md", "exit-codes.md", "export.md", "design.md"):
        text = (ROOT / "docs" / page).read_text("utf-8")
        for target, anchor in re.findall(r"\]\(([\w./-]*\.md)?(?:#([\w-]+))?\)", text):
            other = ROOT / "docs" / (target or page)
            assert other.exists(), (page, target)
            titles = re.findall(r"^#+ (.*)$", other.read_text("utf-8"), flags=re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
            assert not anchor or anchor in slugs, (page, target, anchor)
    assert "docs/trust.md" in (ROOT / "README.md").read_text("utf-8")
