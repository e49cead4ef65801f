import pickle

import pyarrow as pa
import pytest

from curator.clean.further import FURTHER
from curator.clean.judging import Judge
from curator.clean.language import identify, load_identifier
from curator.clean.measuring import Measure
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
GERMAN = (
    "Das alte Haus stand am Ende der Straße, und seit Jahren hatte dort niemand mehr gelebt. "
    "Die Kinder sagten, sie hätten in einem der Fenster ein Licht gesehen. Ihre Eltern glaubten "
    "es nicht. Eines Nachts gingen wir mit den anderen hin, um nachzusehen. Als wir kamen, stand "
    "die Tür offen. Wir traten ein und hörten von der Treppe das Klagen eines alten Hundes.\n"
)


@pytest.fixture(scope="module")
def identifier():
    return load_identifier(find("lid.176"))


def table(*texts):
    return pa.table({"text": pa.array(texts, pa.large_string())})


def verdicts(judge, identifier, rows):
    """What the judge decides, from the statistics that it asks for."""
    stage = judge.measure()
    measured = stage.process(identifier if stage.identified else None, rows)
    return judge.process(None, measured.select(judge.reads) if judge.reads else measured)


def test_language_is_told_apart_and_an_empty_text_has_none(identifier):
    found = identify(identifier, table(ENGLISH, GERMAN, "", " \n", None)["text"])

    assert found.language.to_pylist() == ["en", "de", None, None, None]
    assert found.probability.to_pylist()[2:] == [0.0, 0.0, 0.0]
    assert min(found.probability.to_pylist()[:2]) > 0.9


def test_cleaning_keeps_english_prose_and_says_why_it_drops(identifier):
    judge = Judge(rules=parse_rules(["gopher_quality", "c4"]))
    rows = verdicts(
        judge, identifier, table(ENGLISH, GERMAN, "This is the end of the story.", "{ } " * 400)
    )

    assert rows["keep"].to_pylist() == [True, False, False, False]
    assert rows["reason"].to_pylist()[:3] == [None, "language", "gopher_quality.min_words"]


def test_without_rules_every_document_is_kept_and_measured():
    judge = Judge(language=None)
    rows = verdicts(judge, None, table(ENGLISH, "", "{ } " * 400))

    assert rows["keep"].to_pylist() == [True, True, True]
    assert rows["reason"].null_count == 3
    assert judge.measure().writes.equals(STATISTICS)


def test_without_a_language_none_is_identified():
    judge = Judge(language=None, rules=parse_rules(["c4"]))
    stage = judge.measure()

    assert stage.load(Site()) is None
    assert "language" not in stage.writes.names
    rows = verdicts(judge, None, table(ENGLISH, GERMAN.replace(". ", ", ")))
    assert rows["reason"].to_pylist() == [None, "c4.min_sentences"]


@pytest.mark.parametrize(
    "order", [["gopher", "c4", "fineweb"], ["c4", "gopher"], [], ["c4", "dolma", "redpajama2"]]
)
def test_nothing_depends_on_how_rows_are_cut(identifier, order):
    judge = Judge(rules=parse_rules(order))
    stage = judge.measure(["fineweb2"])
    rows = table(ENGLISH, *TEXTS, GERMAN)
    whole = stage.process(identifier, rows)
    parts = [stage.process(identifier, rows.slice(at, 5)) for at in range(0, len(rows), 5)]

    assert pa.concat_tables(parts).equals(whole)
    assert whole.schema.equals(stage.writes, check_metadata=True)
    assert stage.process(identifier, rows.slice(0, 0)).num_rows == 0
    assert judge.process(None, whole).num_rows == len(rows)


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (["gopher"], "gopher_repetition.dup_line_frac"),
        (["dolma_gopher"], "dolma_gopher.dup_line_frac"),
        (["c4", "gopher"], None),
        (["c4", "dolma_gopher"], None),
    ],
)
def test_rules_after_c4_judge_what_c4_leaves(rules, reason):
    noisy = "Menu\nHome\nAbout\n" * 30 + ENGLISH
    judge = Judge(language=None, rules=parse_rules(rules))

    assert verdicts(judge, None, table(noisy))["reason"].to_pylist() == [reason]


def test_statistics_of_the_edited_text_are_those_of_that_text():
    languages = pa.array(["en"])
    groups = tuple(FURTHER)
    measured = measure(table("A menu\n" + ENGLISH)["text"], groups, languages)
    edited = measure(table(ENGLISH.strip())["text"], groups, languages).table

    again = measure_edited(measured.edited, groups, languages)
    assert again.num_columns > 60
    for name in again.column_names:
        assert again[name].to_pylist() == edited[name.removeprefix("edited_")].to_pylist()


def test_a_share_of_nothing_is_zero():
    statistics = measure(table("")["text"], tuple(FURTHER), pa.array(["en"])).table
    lines = {name: statistics[name].to_pylist() for name in statistics.column_names}

    assert {value for values in lines.values() for value in values} <= {0, 1}


def test_statistics_have_their_schema():
    rows = measure(table(ENGLISH)["text"]).table

    assert rows.schema.equals(STATISTICS)
    assert rows["stop_words"].to_pylist() == [6]


def test_german_passes_the_german_thresholds_and_english_stop_words_would_drop_it(identifier):
    rules = parse_rules(["fineweb2"], "de")
    english = parse_rules([{"gopher_quality": {"min_words": 0}}])
    rows = table(GERMAN, GERMAN.lower().replace("der", "x").replace("und", "x"), ENGLISH)

    assert verdicts(Judge("de", rules=rules), identifier, rows)["reason"].to_pylist() == [
        None,
        None,
        "language",
    ]
    found = verdicts(Judge("de", rules=english), identifier, table(GERMAN))
    assert found["reason"].to_pylist() == ["gopher_quality.stop_words"]


def test_without_a_language_each_document_is_judged_by_its_own(identifier):
    rules = parse_rules([{"fineweb2": {"min_words": 20}}])
    chinese = "這是一個關於歷史的故事。他在那裡住了很多年，也有很多朋友。\n人們說他是一個好人。"
    rows = verdicts(Judge(None, rules=rules), identifier, table(GERMAN, ENGLISH, chinese, ""))

    assert rows["reason"].to_pylist() == [None, "fineweb2.language", None, "fineweb2.language"]


def test_a_changed_threshold_is_other_work_for_the_verdict_and_none_for_the_statistics():
    judges = [
        Judge(rules=parse_rules([rules]), min_language_probability=sure)
        for rules, sure in (("gopher", 0.65), ({"gopher": {"stop_words": 3}}, 0.5))
    ]
    one, other = (fingerprint(judge.measure().identity()) for judge in judges)

    assert one == other
    assert len({fingerprint(judge.identity()) for judge in judges}) == 2


def test_settings_survive_the_trip_to_a_worker():
    judge = Judge("de", rules=parse_rules(["fineweb2"], "de"))
    for stage in (judge, judge.measure(["dolma"]), Measure()):
        again = pickle.loads(pickle.dumps(stage))
        assert fingerprint(again.identity()) == fingerprint(stage.identity())


def test_a_judge_reads_statistics_only_and_those_its_rules_look_at():
    judge = Judge(rules=parse_rules(["ccnet"]))

    assert judge.reads == ("language", "language_probability", "characters")
    assert Judge(None, rules=parse_rules(["c4", "fineweb"])).reads[-1] == "edited_list_ratio"
