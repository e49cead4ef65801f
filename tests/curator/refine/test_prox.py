from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.refine.drop_lines import DropLines
from curator.refine.execute import execute
from curator.refine.line_rules import KINDS, noise_of
from curator.refine.lined import chance_of, lines_of, lowest, removed_by, removing
from curator.refine.programs import MAX_OPS
from curator.refine.prox import Prox
from curator.refine.refiner import refined
from curator.refine.testing import check_refiner
from curator.testing import documents
from tests.support.edited_texts import TEXTS

PROSE = "The river rose after three days of rain and the lower road was closed."
PAGE = f"Home | About | Contact\n{PROSE}\nPage 3 of 12\n\nwww.x.org\n{PROSE}\nWe use cookies here."


@pytest.mark.parametrize("settings", [{}, {"policy": "legacy"}, {"placebo": True}])
def test_rules_keep_the_contract(settings):
    check_refiner(Prox(**settings))


def test_noise_goes_and_what_ran_is_told():
    made = Prox().refine(None, documents([PAGE, PROSE]))

    assert made.children["text"].to_pylist() == [f"{PROSE}\n\n{PROSE}"]
    about = json.loads(made.children["about"][0].as_py())
    assert about["removed_lines"] == 4
    assert about["programs"] == [
        [0, 6, "remove_lines(line_start=0, line_end=0)\nremove_lines(line_start=2, line_end=2)\n"
               "remove_lines(line_start=4, line_end=4)\nremove_lines(line_start=6, line_end=6)"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Home » News » Sport", "menu"),
        ("One | two | three", "menu"),
        ("- 14 -", "page"),
        ("Page 3 of 12", "page"),
        ("http://a.example/b?c=1", "address"),
        ("Source: https://a.example", "address"),
        ("someone@mail.example", "address"),
        ("By using this site you accept our use of cookies.", "cookies"),
        ("1,204 views", "counter"),
        ("Copyright 2010 Someone", "phrase"),
        (PROSE, ""),
        ("See http://a.example for more of what was found there.", ""),
        ("He said | she said | and neither of them was ever right about any of it at all", ""),
        ("The recipe asks for two cups of flour and some cookies.", ""),
        ("", ""),
    ],
)
def test_each_kind_of_noise_is_known_by_its_line(line, kind):
    found = noise_of(lines_of(pa.array([line, PROSE])), KINDS).kinds.tolist()

    assert [KINDS[one] if one >= 0 else "" for one in found] == [kind, ""]


def test_part_of_a_line_goes_by_a_replacement():
    text = f"Rust is faster near the sea. Continue reading\n{PROSE}"

    made = Prox().refine(None, documents([text]))

    assert made.children["text"].to_pylist() == [f"Rust is faster near the sea. \n{PROSE}"]


def test_a_document_that_is_noise_alone_is_dropped_and_counted():
    made = Prox().refine(
        None, documents(["Home | About | Contact\nPage 3 of 12\nwww.x.org\nA word"])
    )

    assert made.outcome.to_pylist() == [{"keep": False, "reason": "prox.short"}]


def test_a_placebo_takes_as_many_lines_and_others():
    table = documents(
        [f"{PAGE}\n{row}. {PROSE}\nA line more than before.\n{PROSE}" for row in range(30)]
    )
    real, placebo = (Prox(placebo=flag).refine(None, table).children for flag in (False, True))

    lines = [[text.count("\n") for text in made["text"].to_pylist()] for made in (real, placebo)]
    assert lines[0] == lines[1]
    assert real["text"].to_pylist() != placebo["text"].to_pylist()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kinds": ("menus",)}, "menu"),
        ({"kinds": ()}, "one or more"),
        ({"policy": "fast"}, "legacy"),
    ],
)
def test_unknown_kinds_and_policies_are_refused(wrong, message):
    with pytest.raises(RecipeError, match=message):
        Prox(**wrong)


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXTS, max_size=5), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_programs_that_remove_lines_remove_these_lines(texts, seed, share):
    lined = lines_of(pa.array(texts, pa.large_string()))
    gone = np.random.default_rng(seed).random(len(lined.rows)) < share
    programs = removing(lined, gone)
    edited = execute(pa.array(texts, pa.large_string()), programs)

    assert removed_by(programs, lined).tolist() == gone.tolist()
    for row, text in enumerate(texts):
        kept = [
            line
            for line, out in zip(text.split("\n"), gone[lined.rows == row], strict=True)
            if not out
        ]
        if edited.verdicts[row] == 0:
            assert edited.texts[row].as_py() == "\n".join(kept)


def test_a_document_with_more_removals_than_a_program_may_have_gets_several():
    text = "\n".join([PROSE, "Page 3 of 12"] * (MAX_OPS + 10))
    made = Prox().refine(None, documents([text]))

    assert made.children["text"].to_pylist() == ["\n".join([PROSE] * (MAX_OPS + 10))]
    assert len(json.loads(made.children["about"][0].as_py())["programs"]) == 2


def test_lines_are_drawn_by_their_document_wherever_it_stands():
    table = documents([f"{PAGE} {row}" for row in range(9)])
    draws = {}
    for part in (table, table.slice(4), table.take(pa.array(range(8, -1, -1)))):
        lined = lines_of(part["text"])
        chosen = lowest(lined, chance_of(lined, part["doc_id"], "x", 0), np.full(part.num_rows, 2))
        assert np.bincount(lined.rows[chosen]).tolist() == [2] * part.num_rows
        assert not lined.blank[chosen].any()
        for row, doc_id in enumerate(part["doc_id"].to_pylist()):
            mine = lined.numbers[chosen & (lined.rows == row)].tolist()
            assert draws.setdefault(doc_id, mine) == mine


def test_dropped_lines_are_about_the_rate_that_was_asked_for():
    table = documents(["\n".join(f"{PROSE} {row} {n}" for n in range(40)) for row in range(50)])
    made = refined(DropLines(rate=0.2), None, table, name="drop_lines")
    lines = sum(text.count("\n") + 1 for text in made.children["text"].to_pylist())

    assert made.children.num_rows == 50
    assert abs(1 - lines / 2000 - 0.2) < 0.04  # four standard deviations are 0.036
    check_refiner(DropLines())
    with pytest.raises(RecipeError, match="rate"):
        DropLines(rate=1.0)
