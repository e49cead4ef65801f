from __future__ import annotations

import re

import pytest

from curator.report import figures
from curator.report.content import (
    Arm,
    Comparison,
    Drop,
    Excerpt,
    LossCurve,
    Report,
    ScoreColumn,
    StageCount,
    Trunk,
)
from curator.report.page import SECTIONS, render
from curator.report.results import title
from tests.support.html_pages import parsed, poisoned
from tests.support.report_content import excerpt, full_report, stages
from tests.support.report_results import METRIC


def hostile_report() -> Report:
    """Return a report in which every text from outside is hostile."""
    return poisoned(full_report())


@pytest.mark.parametrize(
    "report",
    [
        full_report(),
        Report("nothing"),
        full_report(arms=(), comparison=(), measures=(), curves=(), overlap=None, scores=()),
        full_report(comparison=(), measures=(), curves=()),
        full_report(stages=(), losses=(), clusters=(), contamination=(), drops=()),
        hostile_report(),
    ],
    ids=["full", "nothing", "no arms", "no training", "no stages", "hostile"],
)
def test_every_report_is_balanced_html_with_every_section(report: Report) -> None:
    structure = parsed(render(report))
    anchors = [attrs.get("id") for _, attrs in structure.seen if "id" in attrs]
    assert anchors == [anchor for anchor, _, _ in SECTIONS]
    links = {attrs["href"] for tag, attrs in structure.seen if tag == "a"}
    assert links == {f"#{anchor}" for anchor in anchors}


def test_a_trunk_that_arms_share_is_counted_once_and_has_a_row_of_its_own() -> None:
    spent = sum(arm.trained_tokens for arm in full_report().arms)
    page = render(full_report(trunk=Trunk(5, spent, 2e12)))
    cost = page[page.index('id="cost"') :]

    assert f"<dd>{figures.compact(2 * spent)}" in page
    assert cost.count("the trunk of all arms") == 1


def test_equal_reports_are_equal_bytes() -> None:
    assert render(full_report()) == render(full_report())


def test_the_page_loads_nothing_and_its_policy_forbids_it() -> None:
    page = render(full_report())
    structure = parsed(page)
    loading = {"src", "href", "action", "data", "poster", "srcset", "xlink:href"}
    for tag, attrs in structure.seen:
        for name in loading & attrs.keys():
            assert (attrs[name] or "").startswith("#"), f"<{tag} {name}> points outside"
    assert "url(" not in page
    assert "@import" not in page
    policy = next(attrs["content"] for _, attrs in structure.seen if "http-equiv" in attrs)
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "'unsafe-inline'" not in policy.split("script-src")[1]


def test_hostile_text_neither_opens_tags_nor_hides_nor_steers() -> None:
    structure = parsed(render(hostile_report()))
    plain = parsed(render(full_report()))
    assert sum(tag == "script" for tag, _ in structure.seen) == 1
    assert {tag for tag, _ in structure.seen} <= {tag for tag, _ in plain.seen}
    assert not any(name.startswith("on") for _, attrs in structure.seen for name in attrs)
    page = render(hostile_report())
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
    assert "␛[31mred␀" in page
    assert "⟨U+202E⟩gnp.exe" in page


def test_a_hostile_color_or_class_cannot_come_from_outside() -> None:
    page = parsed(render(hostile_report()))
    for _, attrs in page.seen:
        assert "alert" not in (attrs.get("style") or "")
        assert "alert" not in (attrs.get("class") or "")


def test_figures_and_tables_say_what_they_show() -> None:
    structure = parsed(render(full_report()))
    drawn = [attrs for tag, attrs in structure.seen if tag == "svg"]
    assert len(drawn) == 4
    assert all(attrs.get("role") == "img" and attrs.get("aria-label") for attrs in drawn)
    tags = [tag for tag, _ in structure.seen]
    assert tags.count("caption") == tags.count("table")
    assert tags.count("figcaption") == tags.count("figure")


def test_the_title_names_the_winners_best_first() -> None:
    assert title(full_report()) == f"both-ranked and similar beat random on {METRIC}"
    assert title(Report("x")) == "x"
    assert title(Report("x", stages=stages())).endswith("documents kept")


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        (("better", "worse"), "a beats the baseline on m"),
        (("undecided", "worse"), "No arm beats the baseline on m yet: not all is decided"),
        (("equivalent", "worse"), "No arm beats the baseline on m"),
    ],
)
def test_the_title_claims_no_more_than_the_verdicts(verdicts: tuple[str, str], words: str) -> None:
    lines = tuple(
        Comparison(arm, "m", -0.1, -0.2, 0.0, verdict, 3)  # type: ignore[arg-type]
        for arm, verdict in zip("ab", verdicts, strict=True)
    )
    assert title(Report("x", comparison=lines)) == words


def test_a_verdict_on_two_arms_that_guess_is_marked_and_wins_no_title() -> None:
    line = Comparison("a", "m", -0.1, -0.2, 0.0, "better", 3, at_chance=True)
    report = Report("x", comparison=(line,))
    page = render(report)
    assert title(report) == "No arm beats the baseline on m"
    assert "at chance" in page
    assert "do not decide by this" in page
    assert "at chance" not in render(full_report())


def test_rows_that_do_not_add_up_are_said_to_be_missing() -> None:
    leaky = (StageCount("ingest", 100, 90, {"short": 4}), StageCount("clean", 88, 88))
    report = Report("leak", stages=leaky)
    assert leaky[0].missing == 6
    assert report.conservation() == (100, 88, 4, 0, 8)
    page = render(report)
    assert "+8 do not add up (stages: ingest)" in page
    assert "✓ adds up" not in page
    assert "✓ adds up" in render(full_report())


def test_drops_that_only_the_stages_counted_are_listed_too() -> None:
    report = Report("r", stages=(StageCount("clean", 10, 7, {"language": 3}),))
    assert ">language<" in render(report)
    told = Report("r", drops=(Drop("clean", "words", 4, "words < 50", (excerpt(1),)),))
    assert "words &lt; 50" in render(told)


def test_long_documents_are_shortened_and_say_so() -> None:
    long = Excerpt("ab" * 16, "s", "o", "x" * 5000)
    page = render(Report("r", drops=(Drop("clean", "long", 1, "", (long,)),)))
    assert "x" * 701 not in page
    assert "4,300 more characters" in page


@pytest.mark.parametrize("counts", [(0, 0, 0), (5, 0, 0)])
def test_a_histogram_of_nothing_or_one_value_draws(counts: tuple[int, ...]) -> None:
    column = ScoreColumn("s", "", "higher", (1.0, 1.0, 1.0, 1.0), counts, {"a": (0, 0, 0)})
    page = render(Report("r", scores=(column,)))
    drawn = [attrs for tag, attrs in parsed(page).seen if tag in ("rect", "polyline", "line")]
    assert drawn
    assert not any(value == "nan" for attrs in drawn for value in attrs.values())


def test_sources_beyond_the_palette_share_its_last_color() -> None:
    names = tuple(f"source{number:02d}" for number in range(25))
    stage = StageCount("ingest", 50, 50, sources=dict.fromkeys(names, 2))
    page = render(Report("many", sources=names, stages=(stage,)))
    assert set(re.findall(r"--c:var\((--s\d+)\)", page)) == {f"--s{n}" for n in range(10)}


def test_one_seed_has_no_interval_and_the_page_says_so() -> None:
    nan = float("nan")
    lines = (
        Comparison("a", "m", -0.1, nan, nan, "undecided", 1, 0.01),
        Comparison("b", "m", -0.1, float("-inf"), float("inf"), "undecided", 1, 0.01),
    )
    page = render(Report("r", comparison=lines))
    assert "[?, ?]" in page
    assert "[−∞, +∞]" in page
    styles = [attrs.get("style") or "" for _, attrs in parsed(page).seen]
    assert not any("nan" in style or "inf" in style for style in styles)


def test_equal_curves_diverged_losses_and_seeds_without_a_pair_draw() -> None:
    arms = (Arm("base", "random", 1, 1, baseline=True), Arm("a", "x", 1, 1), Arm("b", "x", 1, 1))
    grid = (0, 10, 20, 30)
    curves = (
        LossCurve("base", 1, grid, (4.0, 3.0, 2.0, 1.0)),
        LossCurve("a", 1, grid, (4.0, 3.0, 2.0, 1.0)),
        LossCurve("b", 1, grid, (4.0, 3.0, float("nan"), float("inf"))),
        LossCurve("b", 9, (10,), (3.0,)),
        LossCurve("b", 2, grid, (float("nan"),) * 4),
    )
    structure = parsed(render(Report("r", arms=arms, curves=curves)))
    drawn = [attrs.get("points") or "" for tag, attrs in structure.seen if tag == "polyline"]
    assert drawn
    assert not any("nan" in points or "inf" in points for points in drawn)
