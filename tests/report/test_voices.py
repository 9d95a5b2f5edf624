"""Agreement: two of one family are one voice."""

import pytest

from driftloop.encoders import get_encoder
from driftloop.report._voices import Vote, agree


def test_two_encoders_of_one_family_do_not_make_a_claim_robust() -> None:
    sides = [get_encoder("bundled:postcard-clip", kind) for kind in ("text", "image")]
    assert sides[0].family == sides[1].family == "clip"
    alone = agree([Vote(side.family, "collapses") for side in sides])
    assert (alone.says, alone.robust) == ("collapses", False)
    assert (
        agree([*(Vote(side.family, "collapses") for side in sides), Vote("pixels", None)]).says
        is None
    )
    with_words = agree([Vote("clip", "collapses"), Vote("lexical", "collapses")])
    assert (with_words.says, with_words.robust) == ("collapses", True)


@pytest.mark.parametrize("last", ["wanders", "remembers"])
def test_one_that_contradicts_unsettles_it(last: str) -> None:
    found = agree([Vote("clip", "collapses"), Vote("lexical", "collapses"), Vote("pixels", last)])
    assert (found.says, found.robust) == ("mixed", False)
    assert "pixels" in found.sure


def test_nobody_who_can_tell_is_no_claim() -> None:
    assert agree([]).says is None
    assert agree([Vote("clip", None), Vote("pixels", None)]).says is None
