"""Tags stand where a score says, as many as were put; what would teach nothing is refused."""

from __future__ import annotations

import dataclasses
import json

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from curator.errors import PluginError, RecipeError
from curator.identity import document_ids
from curator.refine.planted_capitals import PlantedCapitals
from curator.refine.refiner import refined
from curator.refine.tags import Tags, require_tags
from curator.shards import write_shard
from curator.stage import Corpus, Site

GOOD, BAD = "<|tag:good|>", "<|tag:bad|>"
ALL = Tags(drop_token_fraction=0.0)


def documents(texts):
    column = pa.array(texts, pa.large_string())
    ids = document_ids("web", column)
    return pa.table({"doc_id": ids, "source": ["web"] * len(texts), "text": column})


def many(count=300):
    return documents(
        [f"Calm words of {n}. LOUD WORDS. Calm again {n}. More of it." for n in range(count)]
    )


def made(refiner, table, threshold=0.5):
    return refined(refiner, threshold, table, name=refiner.name)


def fitted(refiner, texts, tmp_path):
    shard = write_shard(documents(texts), tmp_path / "corpus.arrow", name="corpus")
    out = tmp_path / "fitted"
    out.mkdir()
    refiner.fit({"corpus": Corpus((shard,))}, out, Site())
    return refiner.load(Site(fitted=out))


def test_every_stretch_is_tagged_by_its_side_of_the_threshold():
    found = made(ALL, documents(["Quiet. LOUD! Quiet\nSO LOUD\n"]))

    text = f"{GOOD}Quiet.{BAD} LOUD!{GOOD} Quiet{BAD}\nSO LOUD\n"
    assert found.children["text"].to_pylist() == [text]
    assert json.loads(found.children["about"][0].as_py()) == {"bad": 2, "stretches": 4, "tags": 4}


@pytest.mark.parametrize("by", ["sentence", "line", "document"])
def test_tags_are_present_however_text_is_cut(by):
    found = made(dataclasses.replace(ALL, by=by), many(20))

    assert found.children.num_rows == 20
    tags = pc.count_substring(found.children["text"], "<|tag:").to_pylist()
    assert tags == [4 if by == "sentence" else 1] * 20


def test_a_share_of_stretches_stays_without_a_tag():
    found = made(Tags(drop_token_fraction=0.1), many())

    tags = sum(pc.count_substring(found.children["text"], "<|tag:").to_pylist())
    assert tags == pytest.approx(0.9 * 1200, abs=40)  # 4 standard deviations


def test_shuffled_tags_are_as_many_of_each_on_other_stretches():
    true, false = (made(dataclasses.replace(ALL, shuffled=on), many()) for on in (False, True))

    def count(found, tag):
        return sum(pc.count_substring(found.children["text"], tag).to_pylist())

    assert count(true, BAD) == count(false, BAD) == 300
    assert count(false, f"{BAD} LOUD") == pytest.approx(75, abs=30)


def test_what_spells_a_tag_is_dropped_and_counted():
    found = made(ALL, documents(["fine.", f"a spelled {GOOD} one"]))

    assert found.outcome["keep"].to_pylist() == [True, False]
    assert found.outcome["reason"].to_pylist() == [None, "tags.spelled"]


def test_a_document_that_got_no_tag_stays_and_is_counted():
    found = made(Tags(drop_token_fraction=0.999), many(5))

    assert found.children.num_rows == 0
    assert found.outcome["reason"].to_pylist() == ["tags.untagged"] * 5
    assert found.outcome["keep"].to_pylist() == [True] * 5


def test_cutting_leaves_out_what_would_be_tagged_bad():
    found = made(Tags(action="cut"), documents(["Quiet. LOUD! Quiet.", "ALL LOUD.", "Quiet."]))

    assert found.children["text"].to_pylist() == ["Quiet. Quiet."]
    assert found.outcome["reason"].to_pylist() == [None, "tags.bad", None]
    assert found.outcome["keep"].to_pylist() == [True, False, True]


def test_dropping_is_by_the_mean_over_stretches():
    found = made(Tags(action="drop"), documents(["Q. LOUD! LOUD!", "Quiet. Quiet. LOUD!"]), 0.6)

    assert found.outcome["keep"].to_pylist() == [False, True]
    assert found.outcome["reason"].to_pylist() == ["tags.bad", None]
    assert Tags(action="drop").tags == ()


def test_the_threshold_is_the_corpus_own_quantile(tmp_path):
    texts = ["x" * 9 + "X" * n for n in range(100)]

    threshold = fitted(Tags(bad_share=0.25), texts, tmp_path)

    assert threshold == pytest.approx(74 / 83)
    assert sum(n / (9 + n) > threshold for n in range(100)) == 25


@pytest.mark.parametrize(
    ("settings", "texts", "told"),
    [
        ({}, ["all calm.", "and quiet."], "all of it would get one tag"),
        ({"threshold": 2.0}, ["calm.", "LOUD."], "outside"),
        ({"threshold": -0.1}, ["calm.", "LOUD."], "outside"),
        ({"threshold": 1.0}, ["calm.", "LOUD."], "all of it would get one tag"),
        ({}, ["  "], "no text"),
    ],
)
def test_thresholds_that_part_nothing_are_refused(settings, texts, told, tmp_path):
    with pytest.raises(RecipeError, match=told):
        fitted(Tags(**settings), texts, tmp_path)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"trait": "charm"}, "charm"),
        ({"trait": "words"}, "words"),
        ({"by": "page"}, "page"),
        ({"action": "hide"}, "hide"),
        ({"bad_share": 1.0}, "bad_share"),
        ({"drop_token_fraction": 1.0}, "nothing is tagged"),
        ({"bad": "good"}, "two tags"),
        ({"planted": True}, "give one"),
        ({"shuffled": True, "action": "cut"}, "control"),
    ],
)
def test_settings_that_tag_nothing_are_refused(settings, told):
    with pytest.raises(RecipeError, match=told):
        Tags(**settings)


def test_a_lost_tag_is_an_error():
    with pytest.raises(PluginError, match="0 tags where 1"):
        require_tags(pa.chunked_array([pa.array(["no tag"])]), pa.array([1]).to_numpy())


def test_planted_capitals_are_found_again():
    table = documents([f"Calm words of {n}. And then some more. Calm again." for n in range(300)])
    planted = made(PlantedCapitals(bad_share=0.3), table)

    told = sum(json.loads(about)["planted"] for about in planted.children["about"].to_pylist())
    tagged = made(ALL, documents(planted.children["text"].to_pylist()), 0.9)

    assert told == pytest.approx(270, abs=55)  # 4 standard deviations
    assert sum(pc.count_substring(tagged.children["text"], BAD).to_pylist()) == told


@pytest.mark.parametrize("wrong", [{"bad_share": 0.0}, {"bad_share": 1.0}, {"by": "page"}])
def test_planting_nothing_or_everything_is_refused(wrong):
    with pytest.raises(RecipeError):
        PlantedCapitals(**wrong)


def test_what_was_planted_needs_no_bad_text_in_the_corpus(tmp_path):
    planted = Tags(planted=True, threshold=0.9)

    assert fitted(planted, ["all calm.", "and quiet."], tmp_path) == 0.9


def test_a_block_without_what_should_have_been_planted_is_refused():
    calm = documents([f"Calm words of {n}." for n in range(100)])

    with pytest.raises(RecipeError, match="on one side"):
        made(Tags(planted=True, threshold=0.9), calm, 0.9)
