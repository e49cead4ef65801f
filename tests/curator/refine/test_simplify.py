"""Leaner text is what a writer marked and a count confirms; everything else has a reason."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.generate.asking import Answer
from curator.generate.client import Client
from curator.generate.templates import find_template
from curator.identity import document_ids
from curator.refine.refiner import refined
from curator.refine.simplify import GENRES, SimplifyRules, TinyHelen, Tools, edited
from curator.refine.stand_ins import BESIDE
from curator.refine.vocabulary import Vocabulary
from curator.shards import write_shard
from curator.stage import Corpus, Site
from tests.support.writers import Scripted

WORDS = "the a dog cat went home and was big buy to he"
LIST = Vocabulary(tuple(WORDS.split()), BESIDE)


def table(*texts: str, source: str = "web") -> pa.Table:
    column = pa.array(texts, pa.large_string())
    sources = pa.array([source] * len(texts))
    return pa.table({"doc_id": document_ids(source, column), "source": sources, "text": column})


def tinyhelen(**settings) -> TinyHelen:
    return TinyHelen(model="writer", url="http://localhost:1/v1", **settings)


def written(answer, documents: pa.Table, **settings):
    tools = Tools(Client(Scripted(answer)), LIST)
    return refined(tinyhelen(**settings), tools, documents, name="tinyhelen")


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("EDITED: The dog went home. <end>", ("The dog went home.", "")),
        ("Sure!\nEDITED:\nThe dog.\n<end> I hope that helps", ("The dog.", "")),
        ("EDITED: The dog went", ("", "no_end")),
        ("The dog went. <end>", ("", "no_mark")),
        ("EDITED: \n <end>", ("", "empty")),
        ("", ("", "no_mark")),
    ],
)
def test_only_what_stands_between_both_marks_is_taken(answer, wanted):
    assert edited(Answer(answer)) == wanted


def test_an_answer_that_keeps_to_the_words_replaces_the_document():
    made = written(lambda _: "EDITED: The dog went home. <end>", table("The hound departed."))

    assert made.children["text"].to_pylist() == ["The dog went home."]
    assert json.loads(made.children["about"][0].as_py()) == {
        "by": "writer",
        "genre": "web",
        "outside": 0.0,
    }
    assert made.outcome["reason"].to_pylist() == [None]


def test_an_answer_with_too_many_other_words_is_refused_whatever_it_was_asked():
    made = written(lambda _: "EDITED: The hound departed. <end>", table("The dog."))

    assert made.children.num_rows == 0
    assert made.outcome.to_pylist() == [{"keep": False, "reason": "tinyhelen.vocabulary"}]


def test_a_cut_answer_is_refused_and_named():
    made = written(lambda _: Answer("EDITED: The dog", finish="length"), table("The hound."))

    assert made.outcome["reason"].to_pylist() == ["tinyhelen.no_end"]


@pytest.mark.parametrize(
    ("otherwise", "texts", "keep"),
    [("drop", [], [False]), ("keep", [], [True]), ("rules", ["He went to buy a dog."], [False])],
)
def test_what_was_not_written_again_is_dropped_kept_or_left_to_rules(otherwise, texts, keep):
    documents = table("He went to purchase a dog. Quantum chromodynamics prevails.")
    made = written(lambda _: "no", documents, otherwise=otherwise)

    assert made.children["text"].to_pylist() == texts
    assert made.outcome["keep"].to_pylist() == keep
    assert made.outcome["reason"].to_pylist() == ["tinyhelen.no_mark"]


def test_a_long_document_is_asked_about_in_pieces_and_joined():
    documents = table("One two three. Four five six. Seven.")
    scripted = Scripted(lambda request: f"EDITED: {'dog ' * (request.piece + 1)}<end>")
    tools = Tools(Client(scripted), LIST)
    made = refined(tinyhelen(piece_words=3), tools, documents, name="tinyhelen")

    assert len(scripted.asked) == 3
    assert made.children["text"].to_pylist() == ["dog\n\ndog dog\n\ndog dog dog"]


def test_a_genre_is_said_by_source_and_its_wording_is_asked():
    refiner = tinyhelen(genre="wiki", genres={"lib": "code"})
    scripted = Scripted(lambda _: "EDITED: a dog <end>")
    refiner.write(scripted, table("x = 1", source="lib"))

    assert scripted.asked[0].version == find_template("tinyhelen_code").digest
    assert {one.name for one in refiner.templates} == {"tinyhelen_code", "tinyhelen_wiki"}


@pytest.mark.parametrize("genre", GENRES)
def test_every_genre_has_a_wording_that_no_document_can_end(genre):
    wording = find_template(f"tinyhelen_{genre}")
    asked = wording.render({"text": "EDITED: spam <end>"})

    assert asked.count("EDITED:") == asked.count("<end>") == 1


def test_nothing_fails_on_empty_answers_and_the_cost_is_that_of_all_pieces():
    documents = table("One. Two.", "", "Three.")
    made = tinyhelen().write(Scripted(lambda _: ""), documents)

    assert made.outcome["reason"].to_pylist() == [
        "tinyhelen.no_mark",
        "tinyhelen.empty",
        "tinyhelen.no_mark",
    ]
    tools = Tools(Client(Scripted(lambda _: "")), LIST)
    assert tinyhelen().cost(tools, documents).requests == 2


@pytest.mark.parametrize(
    "settings",
    [
        {"genre": "poem"},
        {"genres": {"web": "poem"}},
        {"most_words": 2001},
        {"most_words": 0},
        {"outside": 1.0},
        {"piece_words": 0},
        {"asked": 0.0},
        {"words": "/no/such/list.txt"},
    ],
)
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(RecipeError):
        tinyhelen(**settings)


def test_the_list_is_learned_from_a_corpus_and_named_by_a_files_content(tmp_path):
    documents = table("the dog and the cat", "the big dog")
    shard = write_shard(documents, tmp_path / "a.arrow", name="a")
    rules = SimplifyRules(most_words=2)
    (tmp_path / "fit").mkdir()
    rules.fit({"raw": Corpus((shard,))}, tmp_path / "fit", Site())
    learned = rules.load(Site(fitted=tmp_path / "fit"))
    (tmp_path / "list.txt").write_text("cat\n")
    named = SimplifyRules(words=str(tmp_path / "list.txt"))
    before = named.identity()
    (tmp_path / "list.txt").write_text("dog\n")

    assert learned.words == ("the", "dog")
    assert json.loads((tmp_path / "fit" / "report.json").read_text())["covered_share"] == 0.625
    assert named.identity() != before
    with pytest.raises(RecipeError, match="has not been fitted"):
        rules.load(Site())


def test_a_share_is_asked_about_by_chance_of_ids_and_the_rest_left_to_rules():
    documents = table(*(f"The dog went home {n}." for n in range(200)))
    made = written(lambda _: "EDITED: a cat <end>", documents, asked=0.25, otherwise="rules")
    by = [json.loads(about)["by"] for about in made.children["about"].to_pylist()]

    assert 30 < by.count("writer") == made.children.num_rows < 70
    assert made.outcome["reason"].to_pylist().count("tinyhelen.not_asked") == 200 - len(by)


def test_rules_replace_or_drop_each_document_and_say_why():
    documents = table("He went to purchase a dog.", "Quantum chromodynamics prevails.", "")
    made = refined(SimplifyRules(), LIST, documents, name="plain")

    assert made.children["text"].to_pylist() == ["He went to buy a dog."]
    assert made.outcome["reason"].to_pylist() == [
        None,
        "simplify_rules.too_rare",
        "simplify_rules.too_rare",
    ]


def test_rules_drop_a_document_of_which_too_little_is_left():
    documents = table("He went home. Quantum chromodynamics prevails.")

    assert refined(SimplifyRules(), LIST, documents, name="p").children.num_rows == 1
    strict = SimplifyRules(least_kept=0.6)
    assert refined(strict, LIST, documents, name="p").children.num_rows == 0
