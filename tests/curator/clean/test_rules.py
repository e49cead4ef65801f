import polars as pl
import pytest

from curator.clean.rules import RULES, RuleSet, first_failure, parse_rules, reads_edited
from curator.clean.statistics import STATISTICS
from curator.errors import RecipeError


def passing():
    """Statistics of one document that passes every rule."""
    values = dict.fromkeys(STATISTICS.names, 0.0)
    values |= {"characters": 4_000, "words": 700, "mean_word_length": 4.5, "stop_words": 8}
    values |= {"alphabetic_words": 0.9, "c4_sentences": 30, "visible_lines": 20}
    values |= {"line_punct_ratio": 0.9, "edited_visible_lines": 20, "edited_line_punct_ratio": 0.9}
    return values


def verdict(rules, **changes):
    return first_failure(pl.DataFrame([passing() | changes]), parse_rules(rules)).item()


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
        assert parse_rules([name]) == (
            RuleSet(name, tuple((rule.name, float(rule.threshold)) for rule in rules)),
        )
        assert all("arXiv" in rule.source for rule in rules)
        assert {rule.statistic for rule in rules} <= set(STATISTICS.names)


def test_all_mistakes_are_named_at_once_with_suggestions():
    with pytest.raises(RecipeError) as caught:
        parse_rules(["gofer", {"c4": {"min_sentence": 3}}, {"fineweb": {"list_ratio": "x"}}, 7])

    for part in ("did you mean 'gopher'", "did you mean 'min_sentences'", "'x' is no number", "7"):
        assert part in str(caught.value)


def test_a_set_that_comes_twice_is_refused():
    with pytest.raises(RecipeError, match="come twice"):
        parse_rules(["gopher", "gopher_quality"])
