from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from curator.embed.tokenizing import Beginnings
from tests.support.sentence_models import LONGEST, tiny_sentence_model

TEXTS = [
    "a few words.",
    "",
    "   ",
    "the river rose after three days of rain " * 40,
    "x" * 5000,  # one word: no token of its own
    ("y" * 300 + " ") * 9,  # few tokens for many characters
    "自然语言处理" * 100,
    "ends. " + " " * 4000 + "late words",
    "tab\tand\nline " * 100,
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sentence_model(tmp_path_factory.mktemp("tokenizer"))


def test_tokens_are_those_of_the_whole_text_cut(folder: Path):
    whole = AutoTokenizer.from_pretrained(folder)(TEXTS, truncation=True, max_length=LONGEST)
    found = Beginnings(folder / "tokenizer.json", LONGEST)(TEXTS)
    wanted = [ids if len(ids) > 2 else [] for ids in whole["input_ids"]]

    assert [ids.tolist() for ids in found] == wanted


def test_a_text_without_tokens_has_not_even_special_ones(folder: Path):
    assert np.array_equal(Beginnings(folder / "tokenizer.json", 9)([""])[0], [])
