import pickle

import pyarrow as pa
import pytest

from curator.clean.clean import Clean
from curator.clean.language import identify, load_identifier
from curator.clean.rules import parse_rules
from curator.clean.statistics import STATISTICS, measure, measure_edited
from curator.identity import fingerprint
from curator.stage import Site
from curator.weights import find
from tests.support.hostile import TEXTS

ENGLISH = (
    "The old house stood at the end of the road, and nobody had lived there for years. "
    "Children said that they had seen a light in the window. Their parents did not believe it. "
    "One night, with nothing else to do, we went to look. The door was open. We went in. "
)
GERMAN = "Das alte Haus stand am Ende der Straße, und seit Jahren hatte dort niemand gelebt. " * 3


@pytest.fixture(scope="module")
def identifier():
    return load_identifier(find("lid.176"))


def table(*texts):
    return pa.table({"text": pa.array(texts, pa.large_string())})


def test_language_is_told_apart_and_an_empty_text_has_none(identifier):
    found = identify(identifier, table(ENGLISH, GERMAN, "", " \n", None)["text"])

    assert found.language.to_pylist() == ["en", "de", None, None, None]
    assert found.probability.to_pylist()[2:] == [0.0, 0.0, 0.0]
    assert min(found.probability.to_pylist()[:2]) > 0.9


def test_cleaning_keeps_english_prose_and_says_why_it_drops(identifier):
    stage = Clean(rules=parse_rules(["gopher_quality", "c4"]))
    rows = stage.process(
        identifier, table(ENGLISH, GERMAN, "This is the end of the story.", "{ } " * 400)
    )

    assert rows["keep"].to_pylist() == [True, False, False, False]
    assert rows["reason"].to_pylist()[:3] == [None, "language", "gopher_quality.min_words"]


def test_without_rules_every_document_is_kept_and_measured():
    rows = Clean(language=None).process(None, table(ENGLISH, "", "{ } " * 400))

    assert rows["keep"].to_pylist() == [True, True, True]
    assert rows["reason"].null_count == 3


def test_without_a_language_none_is_identified():
    stage = Clean(language=None, rules=parse_rules(["c4"]))
    rows = stage.process(stage.load(Site()), table(ENGLISH, GERMAN))

    assert rows["reason"].to_pylist() == [None, "c4.min_sentences"]
    assert "language" not in rows.column_names


@pytest.mark.parametrize("order", [["gopher", "c4", "fineweb"], ["c4", "gopher"], []])
def test_the_verdict_does_not_depend_on_how_rows_are_cut(identifier, order):
    stage = Clean(rules=parse_rules(order))
    rows = table(ENGLISH, *TEXTS, GERMAN)
    whole = stage.process(identifier, rows)
    parts = [stage.process(identifier, rows.slice(at, 5)) for at in range(0, len(rows), 5)]

    assert pa.concat_tables(parts).equals(whole)
    assert whole.schema.equals(stage.writes, check_metadata=True)
    assert stage.process(identifier, rows.slice(0, 0)).num_rows == 0


def test_rules_after_c4_judge_what_c4_leaves():
    noisy = "Menu\nHome\nAbout\n" * 30 + ENGLISH
    stages = [
        Clean(language=None, rules=parse_rules(order)) for order in (["gopher"], ["c4", "gopher"])
    ]
    before, after = (stage.process(None, table(noisy))["reason"].to_pylist() for stage in stages)

    assert before == ["gopher_repetition.dup_line_frac"]
    assert after == [None]


def test_statistics_of_the_edited_text_are_those_of_that_text():
    measured = measure(table("A menu\n" + ENGLISH)["text"])
    edited = measure(table(ENGLISH.strip())["text"]).table

    again = measure_edited(measured.edited)
    assert again.num_columns > 20
    for name in again.column_names:
        assert again[name].to_pylist() == edited[name.removeprefix("edited_")].to_pylist()


def test_a_share_of_nothing_is_zero():
    statistics = measure(table("")["text"]).table

    assert {value for row in statistics.to_pylist() for value in row.values()} <= {0, 1}


def test_statistics_have_their_schema():
    rows = measure(table(ENGLISH)["text"]).table

    assert rows.schema.equals(STATISTICS)
    assert rows["stop_words"].to_pylist() == [6]


def test_settings_name_the_work_and_survive_the_trip_to_a_worker():
    stage = Clean(rules=parse_rules(["gopher"]))
    other = Clean(rules=parse_rules([{"gopher": {"stop_words": 3}}]))

    assert fingerprint(pickle.loads(pickle.dumps(stage)).identity()) == fingerprint(
        stage.identity()
    )
    assert fingerprint(other.identity()) != fingerprint(stage.identity())
