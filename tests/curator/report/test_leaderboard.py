"""A leaderboard's page and table: what they claim, whom they warn of, what cannot be injected."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from curator.report.content import Comparison
from curator.report.leaderboard import SECTIONS, multiple_words, multiplier, render, title
from curator.report.leaderboard_plots import Cross, Dot, ladder, tradeoff
from curator.report.leaderboard_table import table_of
from curator.report.standings import (
    Leaderboard,
    Multiple,
    Rung,
    Spent,
    Standing,
    goodhart,
    placed,
    shared_text,
)
from tests.support.html_pages import parsed, poisoned
from tests.support.report_content import full_report
from tests.support.report_results import METRIC

TARGET, RETAINED = METRIC, "headers"
COST = Spent(400_000, 5, 2.2e12, 41.5, 12.0, 7.25, 1e9, ("sim",), 2)


def board(**changes: object) -> Leaderboard:
    """Return the leaderboard of the made-up report; `changes` replace parts."""
    report = full_report(stages=())
    found = {(line.arm, line.metric): line for line in report.comparison}
    names = [arm.name for arm in report.arms]
    places = {arm: place for place, arm in placed(report.headline, report.baseline)}
    multiples = {
        "similar": Multiple(1.8, 1.5, 2.25),
        "classified": Multiple(None, 2.4, float("inf"), "above", "beyond the largest budget"),
        "both-ranked": Multiple(None, 0.0, float("inf"), "below", ""),
    }
    standings = tuple(
        Standing(
            places[name], name, f"recipe-{name}", COST, found.get((name, TARGET)),
            found.get((name, RETAINED)), 0.1, "text", multiples.get(name),
        )
        for name in names
    )  # fmt: skip
    rungs = tuple(
        Rung(budget, (2.4 - 0.1 * n, 2.41 - 0.1 * n))
        for n, budget in enumerate((200_000, 400_100, 800_000))  # its own: no whole batches
    )
    whole = Leaderboard(
        report, standings, ("one", "two"), RETAINED, rungs, TARGET, ("a note",)
    )  # fmt: skip
    return replace(whole, **changes)


@pytest.mark.parametrize(
    "shown",
    [
        board(),
        board(rungs=(), retention_metric=TARGET),
        board(report=full_report(comparison=(), measures=(), curves=(), overlap=None, stages=())),
        poisoned(board()),
    ],
    ids=["full", "no multiplier, no retention", "nothing measured", "hostile"],
)
def test_every_page_is_balanced_html_with_every_section(shown):
    structure = parsed(render(shown))
    anchors = [attrs["id"] for _, attrs in structure.seen if "id" in attrs]

    assert anchors == [anchor for anchor, _, _ in SECTIONS]


def test_a_page_loads_nothing_and_equal_boards_are_equal_bytes():
    page = render(board())

    assert page == render(board())
    for tag, attrs in parsed(page).seen:
        for name in {"src", "href"} & attrs.keys():
            assert attrs[name].startswith("#"), f"<{tag} {name}> points outside"
    assert "url(" not in page


def test_hostile_names_neither_open_tags_nor_hide():
    page = render(poisoned(board()))
    tags = {tag for tag, _ in parsed(page).seen}

    assert tags <= {tag for tag, _ in parsed(render(board())).seen} | {"div", "span"}
    assert sum(tag == "script" for tag, _ in parsed(page).seen) == 1
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
    for _, attrs in parsed(page).seen:
        assert "alert" not in (attrs.get("style") or "") + (attrs.get("class") or "")


def test_the_table_of_the_terminal_names_all_arms_in_their_places_and_steers_nothing():
    plain, hostile = (io.StringIO() for _ in range(2))
    Console(file=plain, width=160).print(table_of(board(), "/out/leaderboard.html"))
    Console(file=hostile, width=160).print(table_of(poisoned(board())))

    places = re.findall(r"^(\d) +(\S+)", plain.getvalue(), re.MULTILINE)
    assert places == [
        ("1", "both-ranked"), ("2", "similar"), ("3", "classified"), ("4", "random"),
    ]  # fmt: skip
    assert "1.80× (1.50 to 2.25)" in plain.getvalue()
    assert "\x1b[31mred" not in hostile.getvalue()


def line(arm: str, effect: float, verdict: str, metric: str = "t", better: str = "lower"):
    """Return a comparison with an interval of no matter."""
    return Comparison(arm, metric, effect, effect - 1, effect + 1, verdict, 5, better=better)


def test_arms_are_placed_by_their_effect_in_the_direction_of_the_metric():
    lower = [line("a", 0.2, "worse"), line("b", -0.1, "better"), line("c", 0.0, "equivalent")]
    higher = [replace(one, better="higher") for one in lower]

    assert placed(lower, "base") == [(1, "b"), (2, "base"), (2, "c"), (4, "a")]
    assert placed(higher, "base") == [(1, "a"), (2, "base"), (2, "c"), (4, "b")]


@pytest.mark.parametrize(
    ("target", "retained", "words"),
    [
        (("better", -1), ("worse", 1), "gains on the target, loses on held-out text"),
        (("undecided", -1), ("worse", 1), "loses on held-out text"),
        (("better", -1), ("undecided", 1), "may lose on held-out text"),
        (("better", -1), ("undecided", -1), ""),
        (("better", -1), ("equivalent", 1), ""),
        (("better", -1), ("better", -1), ""),
        (("undecided", -1), ("undecided", 1), ""),
    ],
)
def test_a_gain_on_the_target_warns_where_retention_suffers(target, retained, words):
    told = goodhart(line("a", target[1], target[0]), line("a", retained[1], retained[0], "held"))

    assert words in told
    assert bool(told) == bool(words)


def test_where_target_and_retention_are_one_metric_there_is_nothing_to_warn_of():
    assert goodhart(line("a", -1, "better"), line("a", 1, "worse")) == ""
    assert goodhart(None, None) == ""


def test_the_page_warns_of_an_arm_that_wins_the_target_and_loses_elsewhere():
    text = "".join(parsed(render(board())).text)

    assert "⚠ gains on the target, loses on held-out text" in text
    assert title(board()).startswith("both-ranked and similar beat random")


def test_a_metric_at_chance_is_not_colored():
    lines = tuple(
        replace(one, at_chance=one.metric == "readmes" and one.arm == "similar")
        for one in full_report().comparison
    )
    page = render(board(report=full_report(stages=(), comparison=lines)))
    matrix = page[page.index('id="matrix"') : page.index('id="comparison"')]

    assert matrix.count(">at chance<") == 1


def test_a_verdict_at_chance_is_marked_wherever_it_stands_and_warns_of_nothing():
    lines = tuple(replace(one, at_chance=one.metric == TARGET) for one in full_report().comparison)
    report = full_report(stages=(), comparison=lines)
    found = {(one.arm, one.metric): one for one in lines}
    marked = tuple(
        replace(each, headline=found.get((each.arm, TARGET))) for each in board().standings
    )
    shown = board(report=report, standings=marked)
    page, terminal = render(shown), io.StringIO()
    Console(file=terminal, width=160).print(table_of(shown))

    ranking = page[page.index('id="ranking"') : page.index('id="goodhart"')]
    assert ranking.count("at chance</span>") == len(marked) - 1
    assert terminal.getvalue().count(", at chance") == len(marked) - 1
    assert "gains on the target" not in page
    assert title(shown).startswith("No arm beats random")


def test_the_top_of_the_page_counts_what_arms_share_once_and_says_what_it_leaves_out():
    shown = board()
    copied = (*shown.standings[:-1], replace(shown.standings[-1], alike="random"))
    facts = " ".join(parsed(render(replace(shown, standings=copied))).text).split("Ranking")[0]

    assert f"proxies {5 * (len(copied) - 1)}" in " ".join(facts.split())
    assert "and 4 for the multiplier, not counted here" in facts
    assert f"{2.2 * (len(copied) - 1):.1f}" in facts  # TFLOP of training, no reference models


def test_a_table_of_multipliers_fits_a_pipe():
    printed = io.StringIO()
    Console(file=printed, width=120).print(table_of(board()))

    assert "1.80× (1.50 to 2.25)" in printed.getvalue()
    assert "an arm: 5 runs of 400,000 tokens" in printed.getvalue()


def test_an_arm_that_paid_for_picking_its_rows_stands_at_its_budget_and_not_at_what_it_trained_on():
    shown = board()
    picked = replace(COST, tokens=160_000, budget=400_000)
    first = replace(shown.standings[0], spent=picked, multiple=Multiple(2.0, 1.5, 2.5))
    changed = replace(shown, standings=(first, *shown.standings[1:]))
    plain = replace(shown, standings=(replace(first, spent=COST), *shown.standings[1:]))
    printed = io.StringIO()
    Console(file=printed, width=120).print(table_of(changed))
    facts = " ".join(parsed(render(changed)).text).split("Ranking")[0]

    assert "an arm: 5 runs of 400,000 tokens" in printed.getvalue()
    assert "and 4 for the multiplier, not counted here" in facts
    assert str(multiplier(changed)) == str(multiplier(plain))


def test_multipliers_are_told_with_their_interval_or_where_they_lie():
    assert multiple_words(Multiple(None, 0.0, float("inf"))) == "not known"
    assert multiple_words(Multiple(1.8, 1.5, 2.25)) == "1.80× (1.50 to 2.25)"
    assert multiple_words(Multiple(1.8, 1.5, float("inf"))) == "1.80× (1.50 to ∞)"
    assert multiple_words(Multiple(None, 2.4, float("inf"), "above")) == "above 2.4×"
    assert multiple_words(Multiple(None, 0.0, 0.3, "below")) == "below the budgets"


def test_intervals_over_the_same_text_say_that_they_speak_of_seeds_only():
    whole = board()
    same = tuple(replace(each, covers="seeds") for each in whole.standings)

    assert "other draws of text" in shared_text(whole)
    told = shared_text(replace(whole, standings=same))
    assert "similar, classified, both-ranked speak of other seeds on the same text only" in told


def test_the_tradeoff_puts_better_right_and_up_and_marks_the_corner_of_goodhart():
    crosses = [
        Cross("good", "red", (0.1, 0.2, 0.3), (0.1, 0.2, 0.3)),
        Cross("overfit", "blue", (0.1, 0.2, 0.3), (-0.3, -0.2, -0.1)),
    ]
    seen = parsed(tradeoff("both", crosses, "x", "y")).seen
    corner = next(attrs for tag, attrs in seen if tag == "rect")
    points = [attrs for tag, attrs in seen if tag == "circle"]

    assert float(points[0]["cy"]) < float(corner["y"]) < float(points[1]["cy"])
    assert float(points[1]["cx"]) > float(corner["x"])


def test_labels_of_points_at_one_place_do_not_cover_each_other():
    dots = [Dot(f"arm-{n}", "red", 2e5, 2.0 + n / 1e6) for n in range(5)]
    drawn = ladder("l", [(1e5, (2.2,)), (4e5, (1.9,))], dots, "y")
    heights = [
        float(attrs["y"]) for tag, attrs in parsed(drawn).seen
        if tag == "text" and "halo" in (attrs.get("class") or "")
    ]  # fmt: skip

    assert len(heights) == 5
    assert min(b - a for a, b in zip(sorted(heights), sorted(heights)[1:], strict=False)) >= 12


def test_a_dashed_line_leads_to_the_budget_that_is_as_good():
    dots = [Dot("arm", "red", 1e5, 2.0, 2e5)]
    seen = parsed(ladder("l", [(1e5, (2.2,)), (4e5, (1.9,))], dots, "y")).seen
    dashed = next(attrs for tag, attrs in seen if attrs.get("class") == "cut")

    assert float(dashed["x2"]) > float(dashed["x1"])
    assert dashed["y1"] == dashed["y2"]
