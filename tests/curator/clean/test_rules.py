import polars as pl
import pytest

from curator.clean import fineweb2
from curator.clean.further import FURTHER
from curator.clean.rules import (
    RULES,
    RuleSet,
    columns_of,
    first_failure,
    groups_of,
    parse_rules,
    reads_edited,
)
from curator.clean.statistics import edited_schema, measured_schema
from curator.errors import RecipeError

COLUMNS = {*measured_schema(tuple(FURTHER)).names, *edited_schema(tuple(FURTHER)).names}


def passing(language="de"):
    """Statistics of one document that passes every rule."""
    values = dict.fromkeys(sorted(COLUMNS), 0.0) | {"language": language}
    values |= {"characters": 4_000, "words": 700, "mean_word_length": 4.5, "stop_words": 8}
    values |= {"dolma_words": 600, "dolma_median_word_length": 4.5, "dolma_required_words": 9}
    values |= {"dolma_alphabetic_words": 1.0, "language_stop_words": 5, "letter_words": 900}
    values |= {"letter_alphabetic_words": 1.0, "alphabetic_words": 1.0, "redpajama_words": 600}
    values |= {"redpajama_mean_word_length": 4.5}
    values |= {"c4_sentences": 30, "visible_lines": 20}
    values |= {"line_punct_ratio": 0.9, "edited_visible_lines": 20, "edited_line_punct_ratio": 0.9}
    return values


def verdict(rules, **changes):
    return first_failure(pl.DataFrame([passing() | changes]), parse_rules(rules)).item()


PUBLISHED = [(name, rule) for name in RULES for rule in RULES[name] if rule.threshold is not None]


@pytest.mark.parametrize(("name", "rule"), PUBLISHED, ids=lambda one: getattr(one, "name", one))
def test_each_rule_fails_past_its_threshold_and_not_on_it(name, rule):
    past = rule.threshold + (1e-9 if rule.fails == "above" else -1e-9)

    assert verdict([name], **{rule.statistic: rule.threshold}) is None
    assert verdict([name], **{rule.statistic: past}) == f"{name}.{rule.name}"


@pytest.mark.parametrize("language", fineweb2.languages_known())
def test_each_language_has_its_own_thresholds_from_both_sides(language):
    (rules,) = parse_rules(["fineweb2"], language)
    by_name = {rule.name: rule for rule in rules.in_force}
    published = fineweb2.thresholds(language)
    assert dict(dict(rules.languages)[language]) == published

    for name, threshold in published.items():
        rule = by_name[name]
        past = threshold + (1e-9 if rule.fails == "above" else -1e-9)
        statistic = rule.letters if fineweb2.unspaced(language) and rule.letters else rule.statistic
        row = passing(language) | {"line_punct_ratio": 1.0, "mean_word_length": 5.0}
        rows = pl.DataFrame([row | {statistic: threshold}, row | {statistic: past}])

        assert first_failure(rows, (rules,)).to_list() == [None, f"fineweb2.{name}"]


def test_a_document_of_a_language_without_thresholds_fails_and_is_never_judged_as_english():
    rows = pl.DataFrame([passing(language) for language in ("en", "xx", None, "fr")])

    found = first_failure(rows, parse_rules(["fineweb2"]))
    assert found.to_list() == ["fineweb2.language"] * 3 + [None]


def test_rules_that_count_in_words_look_at_letters_where_nothing_parts_words():
    short = {"words": 3, "letter_words": 400, "line_punct_ratio": 1.0, "list_ratio": 9.0}
    rows = pl.DataFrame([passing("ja") | short, passing("de") | short])

    found = first_failure(rows, parse_rules(["fineweb2"]))
    assert found.to_list() == [None, "fineweb2.list_ratio"]


def test_rules_of_runs_of_words_are_off_where_nothing_parts_words():
    rows = pl.DataFrame([passing("zh") | {"dup_5_grams": 0.9, "mean_word_length": 40.0}])

    assert first_failure(rows, parse_rules(["fineweb2"])).to_list() == [None]


def test_a_changed_threshold_holds_in_every_language_and_null_turns_a_rule_off():
    rules = parse_rules([{"fineweb2": {"dup_line_frac": 0.9, "stop_words": None}}])
    rows = pl.DataFrame(
        [passing(code) | {"dup_line_frac": at} for code, at in (("de", 0.8), ("fr", 0.95))]
    ).with_columns(language_stop_words=pl.lit(0))

    assert first_failure(rows, rules).to_list() == [None, "fineweb2.dup_line_frac"]


@pytest.mark.parametrize("language", ["en", "xx"])
def test_a_language_without_thresholds_is_a_mistake_that_names_those_with(language):
    with pytest.raises(RecipeError, match=f"no thresholds for '{language}', but for ar, bg"):
        parse_rules(["fineweb2"], language)


@pytest.mark.parametrize("name", ["gopher", "gopher_quality", "dolma", "dolma_gopher"])
def test_rules_of_english_words_are_refused_for_other_languages_unless_turned_off(name):
    with pytest.raises(RecipeError, match="counts English words and language is 'de'; use finew"):
        parse_rules([name], "de")

    off = {"stop_words": None} if name.startswith("gopher") else {"required_words": None}
    assert parse_rules([{name: off}], "de")
    assert parse_rules([name], "en")
    assert parse_rules([name])


def test_the_groups_of_statistics_follow_from_the_rules():
    assert groups_of(parse_rules(["gopher", "c4", "fineweb", "ccnet"])) == ()
    assert groups_of(parse_rules(["redpajama2", "dolma_c4"])) == ("dolma", "redpajama")
    assert groups_of(parse_rules(["fineweb2"])) == ("fineweb2",)


def test_every_column_that_rules_look_at_is_measured():
    assert set(columns_of(parse_rules(list(RULES)))) <= {*COLUMNS, "language"}


def test_a_good_document_passes_everything():
    assert verdict(["gopher", "c4", "fineweb"]) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"words": 49}, "gopher_quality.min_words"),
        ({"mean_word_length": 10.1}, "gopher_quality.max_mean_word_length"),
        ({"alphabetic_words": 0.79}, "gopher_quality.alphabetic_words"),
        ({"dup_5_grams": 0.16}, "gopher_repetition.dup_5_grams"),
        ({"c4_sentences": 4}, "c4.min_sentences"),
        ({"c4_curly_bracket_lines": 1}, "c4.curly_bracket"),
        ({"edited_char_dup_ratio": 0.02}, "fineweb.char_dup_ratio"),
    ],
)
def test_a_document_past_a_threshold_is_dropped_for_that_rule(changes, reason):
    assert verdict(["gopher", "c4", "fineweb"], **changes) == reason


@pytest.mark.parametrize(
    ("name", "value"), [("words", 50), ("hash_ratio", 0.1), ("top_2_gram", 0.2), ("stop_words", 2)]
)
def test_a_document_on_the_threshold_stays(name, value):
    assert verdict(["gopher"], **{name: value}) is None


def test_the_first_failing_rule_in_the_order_given_is_the_reason():
    faults = {"c4_sentences": 1, "list_ratio": 1.0, "edited_list_ratio": 1.0}

    assert verdict(["c4", "fineweb"], **faults) == "c4.min_sentences"
    assert verdict(["fineweb", "c4"], **faults) == "fineweb.list_ratio"


def test_sets_after_c4_see_the_edited_text_and_sets_before_it_do_not():
    assert reads_edited(parse_rules(["gopher", "c4", "fineweb"])) == ("fineweb",)
    assert verdict(["fineweb", "c4"], edited_list_ratio=1.0) is None
    assert verdict(["c4", "fineweb"], edited_list_ratio=1.0) == "fineweb.list_ratio"


def test_a_recipe_changes_a_threshold_or_turns_a_rule_off():
    rules = [{"gopher": {"dup_line_frac": 0.5, "stop_words": None}}]

    assert verdict(rules, dup_line_frac=0.4, stop_words=0) is None
    assert verdict(rules, dup_line_frac=0.6) == "gopher_repetition.dup_line_frac"


def test_published_sets_come_with_a_source_for_every_threshold():
    for name, rules in RULES.items():
        common = [rule for rule in rules if rule.threshold is not None]
        (parsed,) = parse_rules([name])
        assert parsed.thresholds == tuple((rule.name, float(rule.threshold)) for rule in common)
        assert parsed == RuleSet(name, parsed.thresholds, parsed.languages)
        assert all(
            "arXiv" in rule.source or " at " in rule.source or "configs/" in rule.source
            for rule in rules
        )
        assert {rule.statistic for rule in rules} <= COLUMNS


def test_all_mistakes_are_named_at_once_with_suggestions():
    with pytest.raises(RecipeError) as caught:
        parse_rules(["gofer", {"c4": {"min_sentence": 3}}, {"fineweb": {"list_ratio": "x"}}, 7])

    for part in ("did you mean 'gopher'", "did you mean 'min_sentences'", "'x' is no number", "7"):
        assert part in str(caught.value)


def test_a_set_that_comes_twice_is_refused():
    with pytest.raises(RecipeError, match="come twice"):
        parse_rules(["gopher", "gopher_quality"])
