"""New text from seeds: styles and topics by chance of the document, no copies, nothing guarded."""

from __future__ import annotations

import json
from collections import Counter

import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.generate.asking import Answer
from curator.generate.client import Client
from curator.generate.templates import find_template
from curator.refine.cosmopedia import Cosmopedia, Model, without_boilerplate
from curator.stage import Site
from curator.testing import corpus, documents
from tests.support.writers import Scripted

SEEDS = [f"Page {n} on kilns, tiles and the towns that bought them. " * 30 for n in range(40)]


def refiner(**settings):
    return Cosmopedia(**({"model": "w", "url": "http://localhost:1/v1"} | settings))


def essay(request):
    """Return a text of its own for every seed: 80 words that no other has."""
    number = request.prompt.split("Page ")[1].split()[0]
    return " ".join(f"w{number}x{place}" for place in range(80)) + "."


def made(texts=SEEDS, answer=essay, guarded=None, columns=(), **settings):
    table = documents(texts)
    for name, column in columns:
        table = table.append_column(name, column)
    ask = Scripted(answer)
    return refiner(**settings).refine(Model(Client(ask), guarded), table), ask


def about(found):
    return [json.loads(one) for one in found.children["about"].to_pylist()]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Hello, dear readers! Tiles are old.", "Tiles are old."),
        ("My name is Ada and I make tiles. Welcome, all! Tiles are old.", "Tiles are old."),
        ("**Welcome, friends of tiles!**\n\nTiles are old.", "Tiles are old."),
        ("We're thrilled to tell you this. Tiles are old.", "Tiles are old."),
        ("Warning: kilns are hot. Tiles are old.", "Tiles are old."),
        ("Tiles are old. Hello, said the potter.", "Tiles are old. Hello, said the potter."),
        ("Welcome news came. Tiles sold.", "Welcome news came. Tiles sold."),
        ("", ""),
    ],
)
def test_greetings_go_from_the_beginning(text, left):
    assert without_boilerplate(text) == left


def test_a_seed_is_the_first_thousand_characters():
    _, ask = made()

    assert all(one.prompt.count("Page") < 20 for one in ask.asked)
    assert all(len(one.prompt) < 1600 for one in ask.asked)


def test_styles_are_drawn_by_the_document_and_not_by_its_place():
    found, _ = made()
    turned, _ = made(SEEDS[::-1])
    styles = [one["style"] for one in about(found)]

    assert styles == [one["style"] for one in about(turned)][::-1]
    assert set(styles) == {"wikihow", "narrative", "academic", "blog"}


def test_every_style_can_be_asked_for():
    style_of = {find_template(f"cosmopedia_{s}").digest: s for s in ("blog", "academic")}
    found, _ = made(
        SEEDS[:1],
        lambda one: " ".join(f"{style_of[one.version]}{n}" for n in range(60)) + ".",
        styles=("blog", "academic"),
        every_style=True,
    )

    assert [one["style"] for one in about(found)] == ["blog", "academic"]


def test_half_of_the_prompts_name_the_topic_and_a_cluster_without_one_is_no_seed():
    clusters = [("clusters", pa.array([0, 1] * 19 + [None, 1], pa.int32()))]
    found, ask = made(columns=clusters, topic="clusters", topics=("ceramics", ""))
    named = sum('in the context of "ceramics"' in one.prompt for one in ask.asked)

    assert len(ask.asked) == 19
    assert 4 <= named <= 15  # of 19 by a fair chance: 99.6 %
    assert sum(one["topic"] for one in about(found)) == named
    assert Counter(found.outcome["reason"].to_pylist()) == {None: 19, "cosmopedia.cluster": 21}


def test_a_topic_that_numbers_nothing_is_refused():
    shares = [("clusters", pa.array([0.5]))]
    with pytest.raises(RecipeError, match="is a score of double; wanted whole numbers"):
        made(SEEDS[:1], columns=shares, topic="clusters", topics=("ceramics",))


def test_a_cluster_beyond_the_topics_is_refused():
    clusters = [("clusters", pa.array([3], pa.int32()))]
    with pytest.raises(RecipeError, match="in cluster 3"):
        made(SEEDS[:1], columns=clusters, topic="clusters", topics=("ceramics",))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "empty"),
        ("Tiles are old.", "short"),
        ("I'm sorry, but I cannot write that.", "refusal"),
        (Answer("word " * 80, finish="length"), "empty"),
        (SEEDS[0][:900], "copy"),
        ("Tiles are old, and tiles are new. " * 40, "loop"),
        ("w " + " ".join(f"w{n}" for n in range(80)) + " [INST] more", "turns"),
    ],
)
def test_an_answer_that_is_no_text_of_its_own_is_left_out_and_counted(answer, reason):
    found, _ = made(SEEDS[:1], lambda request: answer)

    assert found.children.num_rows == 0
    assert found.outcome["reason"].to_pylist() == [f"cosmopedia.{reason}"]


def test_near_copies_within_a_block_stay_once():
    same = " ".join(f"w{n}" for n in range(80)) + "."
    found, _ = made(SEEDS[:5], lambda request: same)

    assert found.children.num_rows == 1
    assert Counter(found.outcome["reason"].to_pylist()) == {None: 1, "cosmopedia.duplicate": 4}


def test_a_text_that_shares_ten_words_with_what_is_guarded_goes(tmp_path):
    secret = " ".join(f"w3x{place}" for place in range(20, 31))
    target = corpus(tmp_path / "target", [f"A question: {secret}?"])
    (tmp_path / "fit").mkdir()
    refiner().fit({"target": target}, tmp_path / "fit", Site())
    guarded = refiner().load(Site(fitted=tmp_path / "fit")).guarded
    found, _ = made(SEEDS[:6], guarded=guarded)

    assert found.children["row"].to_pylist() == [0, 1, 2, 4, 5]
    assert found.outcome["reason"][3].as_py() == "cosmopedia.contaminated"
    assert all(found.outcome["keep"].to_pylist())


def test_what_it_costs_is_known_before_anything_is_asked():
    ask = Scripted(essay)

    assert refiner().cost(Model(Client(ask), None), documents(SEEDS)).requests == 40
    assert ask.asked == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"styles": ("blogs",)}, "blog"),
        ({"styles": ()}, "one or more"),
        ({"topic": "clusters"}, "or neither"),
        ({"topic_share": 2.0}, "topic_share"),
        ({"ngram": 3}, "ngram"),
        ({"written_tokens": 0}, "written_tokens"),
        ({"copies": 0.0}, "threshold"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(RecipeError, match=message):
        refiner(**settings)


def test_no_documents_make_none():
    found, _ = made([])

    assert (found.children.num_rows, found.outcome.num_rows) == (0, 0)
