"""Scores of options: the same as one text at a time, exact borders, numbers of every item."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.corpus_spec import ChoicesSpec
from curator.evaluate.choices import (
    OPTION_SCORES,
    encode_parts,
    score_items,
    score_options,
)
from curator.evaluate.questions import OPTIONS, length_of, read_choices
from tests.support.asked import plain_nats, seeing_model, small_tokenizer

ITEMS = [
    ("the cat sat on", [" a mat", " two dogs", " naïve miles and home"], 1),
    ("", ["dogs barked", "cat"], 0),
    ("while it ran 12 miles from home " * 3, [" and sat", " at the mat", " naïve"], 2),
]


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return seeing_model(), small_tokenizer(tmp_path_factory.mktemp("bpe"))


def options(items=ITEMS):
    rows = [
        (f"i{number}", place, context + option, len(context), place == gold)
        for number, (context, each, gold) in enumerate(items)
        for place, option in enumerate(each)
    ]
    arrays = [
        pa.array(part, field.type)
        for part, field in zip(zip(*rows, strict=True), OPTIONS, strict=True)
    ]
    return pa.table(arrays, schema=OPTIONS)


def scores(*items):
    """Return a table of scores from (log-likelihoods, characters, gold) of each item."""
    rows = [
        (f"i{number}", place, place == gold, nats, size, 2 * size, size + 1)
        for number, (each, sizes, gold) in enumerate(items)
        for place, (nats, size) in enumerate(zip(each, sizes, strict=True))
    ]
    columns = zip(*rows, strict=True)
    arrays = [pa.array(part, f.type) for part, f in zip(columns, OPTION_SCORES, strict=True)]
    return pa.table(arrays, schema=OPTION_SCORES)


def test_options_score_as_when_each_is_asked_alone(asked):
    model, tokenizer = asked
    table = options()

    found = score_options(model, tokenizer, table).to_pylist()

    for row, asked_row in zip(found, table.to_pylist(), strict=True):
        nats, places = plain_nats(model, tokenizer, asked_row["text"])
        inside = [end > asked_row["start"] for _, end in places]
        part = asked_row["text"][asked_row["start"] :]
        # 1e-4 of themselves: other batches may take other float32 kernels.
        assert row["log_likelihood"] == pytest.approx(nats[inside].sum(), rel=1e-4)
        assert row["tokens"] == sum(inside)
        assert row["characters"] == len(part)
        assert row["bytes"] == len(part.encode())
        assert row["gold"] == asked_row["gold"]


def test_a_token_that_reaches_over_the_border_belongs_to_the_option(asked):
    _, tokenizer = asked
    text = "the cat barked"
    places = tokenizer.encode(text, add_special_tokens=False).offsets
    begin, end = next((a, b) for a, b in places if b - a > 2)

    offsets, _, wanted = encode_parts(tokenizer, [text, text], [begin + 1, end])

    first, second = np.split(wanted[1:], [offsets[1] - 1])
    assert first.tolist() == [b > begin + 1 for _, b in places]
    assert first.sum() == second[1:].sum() + 1


@given(st.text(max_size=12), st.text(min_size=1, max_size=12))
def test_the_option_is_covered_whatever_the_text(asked, context, option):
    _, tokenizer = asked
    try:
        (context + option).encode()
    except UnicodeEncodeError:
        return

    offsets, ids, wanted = encode_parts(tokenizer, [context + option], [len(context)])

    part = tokenizer.decode(ids[wanted].tolist())
    assert not wanted[0]
    assert wanted.sum() >= 1
    assert offsets.tolist() == [0, len(ids)]
    assert part.endswith(option) or "\ufffd" in part


def test_accuracy_divides_by_characters_and_raw_by_nothing():
    table = score_items(scores(([-4.0, -3.0], [8, 2], 0)), "character")

    assert table["accuracy"].to_pylist() == [1.0]
    assert table["accuracy_raw"].to_pylist() == [0.0]
    assert score_items(scores(([-4.0, -3.0], [8, 2], 0)), "option")["accuracy"][0].as_py() == 0


def test_an_items_numbers_are_those_of_the_definitions():
    given_nats, sizes = [-4.0, -3.0, -9.0], [8, 2, 3]
    p = [math.exp(n / c) for n, c in zip(given_nats, sizes, strict=True)]

    row = score_items(scores((given_nats, sizes, 1), ([-1.0], [1], 0)), "character").to_pylist()[0]

    assert row["options"] == 3
    assert row["correct_prob"] == pytest.approx(p[1])
    assert row["margin"] == pytest.approx(p[1] - max(p[0], p[2]))
    assert row["norm_prob"] == pytest.approx(p[1] / sum(p))
    assert row["total_prob"] == pytest.approx(sum(p))
    assert row["gold_bits"] == pytest.approx(3.0 / math.log(2) / 4)


def test_chance_of_a_margin_is_its_mean_over_the_options_in_turn():
    cases = [[-4.0, -3.0, -9.0], [-1.0, -1.0], [-2.0], [-5.0, -1.0, -1.0, -3.0]]
    table = score_items(scores(*[(each, [1] * len(each), 0) for each in cases]), "character")

    for found, each in zip(table["margin_by_chance"].to_pylist(), cases, strict=True):
        p = np.exp(each)
        turns = [p[i] - max(np.delete(p, i), default=0) for i in range(len(p))]
        assert found == pytest.approx(np.mean(turns))


def test_ties_count_what_a_lot_would_give():
    table = score_items(scores(([-2.0, -2.0, -5.0], [2, 2, 2], 1)), "character")

    assert table["accuracy"].to_pylist() == [0.5]


def test_a_blank_is_decided_by_perplexity():
    assert length_of(ChoicesSpec(options="c")) == "character"
    assert length_of(ChoicesSpec(options="c", blank="_")) == "token"
    assert length_of(ChoicesSpec(options="c", blank="_", per="option")) == "option"


def test_the_filled_sentence_of_lowest_perplexity_wins(asked, tmp_path):
    model, tokenizer = asked
    words = ["cat", "two dogs", "naïve mat", "home"]
    path = tmp_path / "cloze.jsonl"
    path.write_text(json.dumps({"s": "while the _ barked at it", "c": words, "a": 1}))
    spec = ChoicesSpec(context="s", options="c", answer="a", blank="_")

    table = score_options(model, tokenizer, read_choices("t", path, spec).table)
    found = score_items(table, length_of(spec)).to_pylist()[0]

    perplexities = []
    for word in words:
        nats, places = plain_nats(model, tokenizer, f"while the {word} barked at it")
        scored = [at for at, (_, end) in zip(nats, places, strict=True) if end > len("while the")]
        perplexities.append(np.exp(-np.mean(scored)))
    # 1e-4: other batches may take other float32 kernels.
    assert found["correct_prob"] == pytest.approx(1 / perplexities[1], rel=1e-4)
    assert found["accuracy"] == float(np.argmin(perplexities) == 1)


def test_no_items_give_an_empty_table(asked):
    model, tokenizer = asked
    none = options().slice(0, 0)

    assert score_items(score_options(model, tokenizer, none), "character").num_rows == 0
