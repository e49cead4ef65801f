"""Several recipes on one pool as one HTML page: who leads, at what cost, and at whose expense.

Every section that a run's page has for its arms (comparison, training, mixtures, overlap) is
drawn by the same functions; the sections here are what only a leaderboard has. Like that page, this
one loads nothing, its policy forbids it, and equal contents are equal bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from markupsafe import Markup

from curator.report import choices, figures, results, training
from curator.report.content import Comparison
from curator.report.leaderboard_plots import Cross, Dot, ladder, tradeoff
from curator.report.markup import Child, join, tag
from curator.report.origins import glossary
from curator.report.page import document
from curator.report.plots import forest_track
from curator.report.standings import Leaderboard, Multiple, Standing, gain, shared_text
from curator.report.tables import (
    SEVERAL_ARMS,
    absent,
    arm_color,
    badge,
    cell,
    count,
    figure,
    row_head,
    section,
    swatch,
    table,
    term,
    words,
)

Section = tuple[str, str, Callable[[Leaderboard], Markup]]

_NOTICED = 1.005  # scoring that adds less to the price of a token is not told


def render(board: Leaderboard) -> str:
    """Return the whole page. Names from recipes are escaped, controls in them made visible."""
    parts = [(anchor, title, build(board)) for anchor, title, build in SECTIONS]
    return document(f"Leaderboard: {title(board)}", headline(board), parts, "Made by curator.")


def title(board: Leaderboard) -> str:
    """Return the one sentence that the page opens with."""
    return results.title(board.report)


def headline(board: Leaderboard) -> Markup:
    """Return the top of the page: the sentence, what it rests on, the leading arms as cards."""
    names = ", ".join(board.recipes)
    kicker = f"Leaderboard of {figures.counted(len(board.recipes), 'recipe')}: {names}"
    notes = [tag("p", note, class_="lead") for note in (shared_text(board), *board.notes)]
    return tag(
        "div",
        tag("p", kicker, class_="kicker"),
        tag("h1", title(board)),
        tag("p", board.report.proxy, class_="lead") if board.report.proxy else None,
        *notes,
        _facts(board),
    )


def _facts(board: Leaderboard) -> Markup:
    spent = [each.spent for each in board.standings if not each.alike]
    runs, reused = sum(each.runs for each in spent), sum(each.reused for each in spent)
    told = f"{reused} of them reused" if reused else ""
    allowed = board.standings[0].spent.allowed
    # The baseline's own runs are one of its budgets, which may have been no whole batches.
    own = min(board.rungs, key=lambda rung: abs(rung.tokens - allowed), default=None)
    climbed = sum(len(rung.values) for rung in board.rungs if rung is not own)
    if climbed:
        told += f"{', ' if told else ''}and {climbed} for the multiplier, not counted here"
    facts = [
        ("arms", str(len(board.standings)), ""),
        ("proxies", str(runs), told),
        ("tokens trained on", figures.compact(sum(each.tokens * each.runs for each in spent)), ""),
        # Arms can share a reference model, whose arithmetic the table of costs charges to each.
        ("compute", figures.flops(sum(each.flops for each in spent)), "of training"),
        ("training", figures.duration(sum(each.seconds for each in spent)), "of one worker"),
    ]
    return tag("dl", *(results.fact(*each) for each in facts), class_="facts")


def ranking(board: Leaderboard) -> Markup:
    """Return the table of places: effect on the target, retention, multiplier, cost."""
    report = board.report
    lines = [line for each in board.standings for line in (each.headline, each.retention) if line]
    digits = min(5, figures.decimals([line.effect for line in lines]))
    ranked = sorted(board.standings, key=lambda each: (each.place, each.arm))
    has_multiple = any(each.multiple for each in ranked)
    beside = board.retention_metric not in ("", board.target_metric)
    heads: list[tuple[Child, str]] = [("", "r"), ("arm", ""), (board.target_metric, "r")]
    heads += [("verdict", ""), (term("paired seeds", "seeds"), "r")]
    heads += [(f"{board.retention_metric} (retention)", "r"), ("", "")] * beside
    heads += [(term("multiplier"), "r")] * has_multiple
    rows = [
        _ranking_row(board, each, digits, beside=beside, has_multiple=has_multiple)
        for each in ranked
    ]
    unit = lines[0].unit if lines else ""
    better = lines[0].better if lines else "lower"
    lead = join(
        [
            f"Arms by the mean difference from {report.baseline or 'the baseline'} on ",
            tag("b", board.target_metric),
            f" ({unit}, {better} is better). The order is by the estimate: arms whose intervals "
            "overlap are not told apart. ",
            SEVERAL_ARMS,
        ]
    )
    return section("ranking", "Ranking", lead, table("Places", heads, rows, "sort"))


def _ranking_row(
    board: Leaderboard, each: Standing, digits: int, *, beside: bool, has_multiple: bool
) -> list[Markup]:
    name = join([swatch(each.arm, arm_color(board.report, each.arm)), _aside(each)])
    row = [cell(str(each.place), sort=each.place), tag("th", name, scope="row")]
    if each.headline is None:
        row += [cell("baseline", sort=0.0, class_="r q"), words(""), cell("")]
    else:
        row += _effect_cells(each.headline, digits)
        row.append(cell(_seeds(each.headline), sort=each.headline.seeds, class_="r nb"))
    if beside:
        found = each.retention
        row += _effect_cells(found, digits) if found else [cell("–", sort=0.0), words("")]
    if has_multiple:
        value = each.multiple.value if each.multiple else 1.0
        row.append(cell(_multiple(each), sort=value or 0.0, class_="r nb"))
    return row


def _aside(each: Standing) -> Markup | None:
    """Return what stands under an arm's name: its recipe, what it equals, what to beware of."""
    parts: list[Child] = []
    if each.recipe not in (each.arm, each.arm.split("/")[0]):
        parts.append(tag("span", f" {each.recipe}", class_="q"))
    if each.alike:
        parts.append(tag("span", f" the same mixture as {each.alike}", class_="q"))
    if each.warning:
        parts.append(tag("div", f"⚠ {each.warning}", class_="beware"))
    return join(parts) if parts else None


def _effect_cells(line: Comparison, digits: int) -> list[Markup]:
    interval = f" [{figures.signed(line.low, digits)}, {figures.signed(line.high, digits)}]"
    value = join([tag("b", figures.signed(line.effect, digits)), tag("span", interval, class_="q")])
    told = tag("td", badge(line.verdict), results.guesses(line))
    return [cell(value, sort=line.effect, class_="r nb"), told]


def _seeds(line: Comparison) -> str:
    undecided = line.verdict == "undecided" and line.seeds_to_decide
    return f"{line.seeds} of ~{line.seeds_to_decide}" if undecided else str(line.seeds)


def _multiple(each: Standing) -> Child:
    if each.multiple is None:
        return "–" if each.headline else "1×"
    return multiple_words(each.multiple)


def multiple_words(found: Multiple) -> str:
    """Return a multiplier in words: "1.8× (1.5 to 2.2)", or where it lies if that is known."""
    if found.value is None:
        if found.where == "above":
            return f"above {found.low:.2g}×" if found.low else "above the budgets"
        return "below the budgets" if found.where == "below" else "not known"
    high = "∞" if found.high == float("inf") else f"{found.high:.2f}"
    paid = f", {found.paid.value:.2f}× paid" if found.scoring > _NOTICED else ""
    return f"{found.value:.2f}× ({found.low:.2f} to {high}){paid}"


def goodhart(board: Leaderboard) -> Markup:
    """Return gains on the target against gains on held-out text: selection that overfits shows."""
    target, retained = board.target_metric, board.retention_metric
    pairs = [(each, each.headline, each.retention) for each in board.standings]
    crosses = [
        Cross(each.arm, arm_color(board.report, each.arm), _gains(one), _gains(other))
        for each, one, other in pairs
        if one and other
    ]
    if not crosses or target == retained:
        why = "There is no target beside the held-out text: give `evaluate.final_target`."
        return absent("goodhart", "Target and retention", why)
    lead = (
        "A selection for a target can win there by giving up the rest. Right is better on the "
        "target, up is better on text held out of the pool's own sources; lines are 95 % intervals."
    )
    warned = [
        tag("p", tag("b", each.arm), f": {each.warning}.", class_="beware")
        for each in board.standings
        if each.warning
    ]
    drawn = tradeoff(
        f"Gain on {target} against gain on {retained}, by arm",
        crosses,
        f"gain on {target} →",
        f"gain on {retained} ↑",
    )
    note = "each arm minus the baseline; in the red corner it wins the target and loses elsewhere"
    plot = figure(f"{target} and {retained}", note, drawn)
    told = warned or [tag("p", "No arm gains on the target at a loss elsewhere that shows.")]
    shown = tag("div", plot, tag("div", *told), class_="plots")
    return section("goodhart", "Target and retention", lead, shown)


def _gains(line: Comparison) -> tuple[float, float, float]:
    """Return (low, gain, high), above 0 better."""
    ends = (-line.high, -line.low) if line.better == "lower" else (line.low, line.high)
    return ends[0], gain(line), ends[1]


def matrix(board: Leaderboard) -> Markup:
    """Return every arm's effect on every metric, colored by how many margins it is worth."""
    report = board.report
    if not report.comparison:
        return absent("matrix", "Every metric", "Nothing was compared.")
    metrics = list(dict.fromkeys(line.metric for line in report.comparison))
    metrics.sort(key=lambda name: (name != board.target_metric, name != board.retention_metric))
    arms = [each.arm for each in sorted(board.standings, key=lambda e: e.place) if each.headline]
    rows = []
    for metric in metrics:
        lines = [board.effect(arm, metric) for arm in arms]
        known = [line for line in lines if line]
        digits = min(4, figures.decimals([line.effect for line in known]))
        unit = f"{known[0].unit} {'↓' if known[0].better == 'lower' else '↑'}"
        cells = [_matrix_cell(line, digits) for line in lines]
        rows.append([row_head(metric), words(unit, "q nb"), *cells])
    heads: list[tuple[Child, str]] = [("metric", ""), ("better", "")]
    heads += [(swatch(arm, arm_color(report, arm)), "r") for arm in arms]
    lead = (
        "Mean difference from the baseline. Green is better and red worse, where that is decided "
        "(after Holm's correction within a metric); equivalent is ≈, undecided ?. A metric on "
        "which neither the arm nor the baseline is above chance tells nothing of them. "
        "Intervals are under Comparison."
    )
    caption = "Arms in the order of their places"
    return section("matrix", "Every metric", lead, table(caption, heads, rows, "effects"))


def _matrix_cell(line: Comparison | None, digits: int) -> Markup:
    if line is None:
        return cell("–")
    if line.at_chance:  # two arms that guess cannot be told apart by it
        told = tag("span", "at chance", title=figures.signed(line.effect, digits))
        return tag("td", told, class_="e q")
    sign = {"undecided": " ?", "equivalent": " ≈"}.get(line.verdict, "")
    interval = f"[{figures.signed(line.low, digits)}, {figures.signed(line.high, digits)}]"
    shown = tag("span", f"{figures.signed(line.effect, digits)}{sign}", title=interval)
    return tag("td", shown, class_=f"e {line.verdict}")


def multiplier(board: Leaderboard) -> Markup:
    """Return how much more the baseline would have to train to be as good as each arm."""
    ranked = [each for each in board.standings if each.multiple]
    if not ranked or len(board.rungs) < 2:
        why = "Not measured: --multiplier trains the baseline at more budgets."
        return absent("multiplier", "Compute multiplier", why)
    dots = [_dot(board, each) for each in ranked]
    base = [(float(rung.tokens), rung.values) for rung in board.rungs]
    drawn = ladder(
        f"The baseline over its budgets on {board.rung_metric}, and the arms",
        base,
        [dot for dot in dots if dot],
        f"{board.rung_metric}, lower is better",
    )
    plot = figure(
        "The baseline's budgets",
        "gray: the baseline, one dot a seed; a dashed line leads to where it is as good",
        drawn,
    )
    reach = _multiple_reach(ranked)
    rows = [
        [
            row_head(swatch(each.arm, arm_color(board.report, each.arm))),
            words(_multiple_track(board, each, reach), "plot"),
            cell(_multiple(each), class_="r nb"),
            words(each.multiple.note if each.multiple else "", "q"),
        ]
        for each in ranked
    ]
    heads: list[tuple[Child, str]] = [("arm", ""), (f"1/{2**reach:.2g} to {2**reach:.2g}", "c")]
    heads += [("multiplier, 95 %", "r"), ("", "")]
    lead = (
        f"How many times an arm's tokens the baseline needs to be as good on {board.rung_metric}, "
        "read from the baseline's own curve. What is paid counts scoring too: its time, shared by "
        "all tokens that were selected."
    )
    caption = "Compute multiplier: a logarithmic scale, the line in the middle is 1×"
    shown = tag("div", plot, class_="plots")
    return section("multiplier", "Compute multiplier", lead, table(caption, heads, rows, ""), shown)


def _multiple_reach(ranked: Sequence[Standing]) -> float:
    """Return the powers of two that hold every interval, at least one."""
    ends = [end for e in ranked if e.multiple for end in (e.multiple.low, e.multiple.high)]
    return max([1.0, *(abs(math.log2(end)) for end in ends if 0 < end < math.inf)])


def _multiple_track(board: Leaderboard, each: Standing, reach: float) -> Markup | None:
    found = each.multiple
    if found is None or found.value is None:
        return None
    low, high = (math.log2(end) if end > 0 else -math.inf for end in (found.low, found.high))
    color = arm_color(board.report, each.arm)
    return forest_track(math.log2(found.value), low, high, None, reach, color)


def _dot(board: Leaderboard, each: Standing) -> Dot | None:
    measured = [
        line.mean
        for line in board.report.measures
        if (line.arm, line.metric) == (each.arm, board.rung_metric)
    ]
    if not measured:
        return None
    value = each.multiple.value if each.multiple else None
    reaches = None if value is None else value * each.spent.allowed
    color = arm_color(board.report, each.arm)
    return Dot(each.arm, color, float(each.spent.allowed), measured[0], reaches)


def cost(board: Leaderboard) -> Markup:
    """Return what the verdict on each arm cost: training, scoring, and both in hours."""
    rows = [_cost_row(board, each) for each in sorted(board.standings, key=lambda e: e.place)]
    heads: list[tuple[Child, str]] = [("arm", ""), ("tokens a run", "r"), ("runs", "r")]
    heads += [("compute", "r"), ("training", "r"), ("measuring", "r"), ("scoring", "r")]
    heads.append(("hours in all", "r"))
    heads.append(("scores", ""))
    lead = (
        "Seconds of workers, as recorded when the work was done, reused or not. A score is charged "
        "whole, over the whole pool, to every arm that ranks by it (with its fit and its reference "
        "model): what the arm costs alone. Reading, cleaning and counting the pool is the same "
        "for all arms and charged to none. Compute counts training, of reference models too."
    )
    caption = "Cost of each arm, all its seeds together"
    return section("cost", "Cost", lead, table(caption, heads, rows))


def _cost_row(board: Leaderboard, each: Standing) -> list[Markup]:
    spent = each.spent
    flops = spent.flops + spent.scoring_flops
    runs = f"{spent.runs} ({spent.reused} reused)" if spent.reused else str(spent.runs)
    return [
        row_head(swatch(each.arm, arm_color(board.report, each.arm))),
        count(spent.tokens),
        cell(runs, sort=spent.runs, class_="r nb"),
        cell(figures.flops(flops), sort=flops),
        cell(figures.duration(spent.seconds), sort=spent.seconds),
        cell(figures.duration(spent.measuring_seconds), sort=spent.measuring_seconds),
        cell(figures.duration(spent.scoring_seconds), sort=spent.scoring_seconds),
        cell(f"{spent.hours:.3g}", sort=spent.hours),
        words(", ".join(spent.scores) or "none", "q"),
    ]


def curves(board: Leaderboard) -> Markup:
    """Return the loss curves, each arm's seeds as a band."""
    return training.training(board.report, bands=True)


def _report(draw: Callable[..., Markup]) -> Callable[[Leaderboard], Markup]:
    """Return a section of a run's page as one of a leaderboard's: arms in the order of places."""

    def drawn(board: Leaderboard) -> Markup:
        order = {each.arm: each.place for each in board.standings}
        arms: Sequence[str] = [arm.name for arm in board.report.arms]
        lines = sorted(board.report.comparison, key=lambda line: order.get(line.arm, len(arms)))
        return draw(replace(board.report, comparison=tuple(lines)))

    return drawn


SECTIONS: tuple[Section, ...] = (
    ("ranking", "Ranking", ranking),
    ("goodhart", "Target and retention", goodhart),
    ("matrix", "Every metric", matrix),
    ("comparison", "Comparison", _report(results.comparison)),
    ("multiplier", "Multiplier", multiplier),
    ("cost", "Cost", cost),
    ("training", "Training", curves),
    ("mixtures", "Mixtures", _report(choices.mixtures)),
    ("overlap", "Overlap", _report(choices.overlap)),
    ("glossary", "Glossary", _report(glossary)),
)
