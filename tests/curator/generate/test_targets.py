from __future__ import annotations

from pathlib import Path

import pytest

from curator.errors import RecipeError
from curator.generate.targets import ROLE, Target
from curator.testing import corpus, documents

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
SHORT = "What is the capital?"


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target({ROLE: corpus(tmp_path, [LONG, SHORT], source="exam")})


@pytest.mark.parametrize(
    "text",
    [
        LONG.upper(),
        f"before that, {LONG[4:]} and after",
        "what is the capital",
    ],
)
def test_a_document_in_the_final_target_is_not_judged(target: Target, text: str):
    table = documents(["harmless", text])

    with pytest.raises(RecipeError, match="1 of the documents to judge are in the final target"):
        target.refuse(table, where="judge")


def test_a_document_that_shares_fewer_words_is_judged(target: Target):
    target.refuse(documents([" ".join(LONG.split()[:12]), f"{SHORT} Paris."]), where="judge")


def test_without_a_final_target_nothing_is_refused():
    Target({}).refuse(documents([LONG]), where="judge")
