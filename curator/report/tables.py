"""The pieces that sections are made of: tables, cells, bars, badges, figures, folded texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

from curator.report import figures
from curator.report.content import Excerpt, Report, Verdict
from curator.report.look import ARM_COLORS, SOURCE_COLORS
from curator.report.markup import Child, block, join, tag
from curator.report.visible import one_line, shortened

_THIN = 0.006  # a part of a bar this narrow has no gap after it
EXCERPT_LIMIT = 700  # characters of a document that the page shows

_SIGNS = {"better": "▲", "worse": "▼", "equivalent": "≈", "undecided": "?"}

SEVERAL_ARMS = (
    "Verdicts allow for several arms being compared with one baseline (Holm's correction within a "
    "metric), intervals do not: one that barely misses zero can be undecided."
)
GLOSSARY = {
    "arm": "One way to select and mix text. Arms of one recipe share the pool and differ in "
    "nothing else.",
    "baseline": "The arm that the others are compared with, usually random selection.",
    "bits/byte": "How many bits a model needs per byte of held-out text. Lower is better; unlike "
    "loss per token it does not depend on the tokenizer.",
    "interval": "95 % interval for the mean difference over paired seeds (Student's t).",
    "margin": "The smallest difference worth having. An interval wholly inside ±margin means "
    "equivalent.",
    "paired seeds": "Both arms are trained with the same seeds, so chance that hits both cancels.",
    "undecided": "The interval holds both zero and differences that would matter, or the "
    "difference does not survive the correction for several arms: more seeds are needed.",
    "conservation": "Records read = kept + dropped + quarantined, checked for every stage.",
    "quarantined": "A record that could not be read or processed, set aside with its error.",
    "pool": "The documents alive after cleaning, deduplication and decontamination.",
    "epochs": "How often a document's text is repeated in the mixture.",
    "shortfall": "Tokens that were asked of a source and that it could not give.",
    "containment": "Share of one document's word n-grams that also stand in another.",
    "proxy": "A small model trained to tell mixtures apart before money is spent on a large one.",
    "multiplier": "How many times the tokens the baseline needs to be as good as the arm.",
    "manifest hash": "Names the selection by its contents: equal hashes, equal selections.",
}


def term(word: str, shown: str = "") -> Markup:
    """Return a word of the glossary with its meaning as a tooltip."""
    return tag("abbr", shown or word, title=GLOSSARY[word])


def section(anchor: str, title: str, lead: Child, *parts: Child) -> Markup:
    """Return a section with its title and one sentence on what it shows."""
    return tag(
        "section",
        tag("h2", title, id=anchor),
        tag("p", lead, class_="lead") if lead else None,
        *parts,
    )


def absent(anchor: str, title: str, why: str) -> Markup:
    """Return the one line that stands for a section with nothing to show."""
    return tag("section", tag("h2", title, id=anchor), tag("p", why), class_="empty")


def cell(content: Child, *, sort: float | int | None = None, class_: str = "r") -> Markup:
    """Return a number's cell; `sort` is what the column is sorted by."""
    return tag("td", content, class_=class_, data_v=None if sort is None else repr(sort))


def count(number: int) -> Markup:
    """Return the cell of a count, digits grouped."""
    return cell(figures.grouped(number), sort=number)


def words(content: Child, class_: str = "") -> Markup:
    """Return a cell of text."""
    return tag("td", content, class_=class_ or None)


def row_head(content: Child) -> Markup:
    """Return the cell that names its row."""
    return tag("th", content, scope="row")


def table(
    caption: Child,
    heads: Sequence[tuple[Child, str]],
    rows: Iterable[Sequence[Markup]],
    class_: str = "sort",
) -> Markup:
    """Return a captioned table that scrolls sideways when it must.

    `heads` are (content, class): class "r" stands over numbers. `rows` are sequences of cells.
    """
    top = tag("tr", *(tag("th", head, scope="col", class_=side or None) for head, side in heads))
    body = (tag("tr", *cells) for cells in rows)
    whole = tag(
        "table",
        tag("caption", tag("span", caption)),
        tag("thead", top),
        tag("tbody", *body),
        class_=class_ or None,
    )
    return tag("div", whole, class_="scroll")


def badge(verdict: Verdict) -> Markup:
    """Return the verdict with its sign, in its color."""
    return tag("span", f"{_SIGNS[verdict]} {verdict}", class_=f"badge {verdict}")


def arm_color(report: Report, arm: str) -> str:
    """Return the CSS value of an arm's color: gray for the baseline, hues in order of the arms."""
    others = [each.name for each in report.arms if not each.baseline]
    if arm not in others:
        return "var(--a0)"
    return f"var(--a{1 + others.index(arm) % (ARM_COLORS - 1)})"


def ranked_sources(report: Report) -> list[str]:
    """Return the sources, those with most documents first: the order of colors and of bars."""
    counted = next((stage.sources for stage in report.stages if stage.sources), {})
    names = dict.fromkeys([*report.sources, *counted])
    if not counted:  # then they are in the order that whoever made the report gave them
        return list(names)
    return sorted(names, key=lambda name: (-counted.get(name, 0), name))


def source_color(report: Report, source: str) -> str:
    """Return the CSS value of a source's color; the tenth by size and all after share gray."""
    ranked = ranked_sources(report)
    place = ranked.index(source) if source in ranked else SOURCE_COLORS
    return f"var(--s{min(place, SOURCE_COLORS - 1)})"


def source_legend(report: Report) -> Markup | None:
    """Return the sources with their colors, the gray ones as one."""
    ranked = ranked_sources(report)
    if len(ranked) <= SOURCE_COLORS:
        named, rest = ranked, []
    else:
        named, rest = ranked[: SOURCE_COLORS - 1], ranked[SOURCE_COLORS - 1 :]
    entries = [(name, source_color(report, name)) for name in named]
    entries += [(f"{len(rest)} others", source_color(report, rest[0]))] if rest else []
    return legend(entries) if entries else None


def swatch(name: str, color: str) -> Markup:
    """Return a name behind a dot of its color."""
    dot = tag("i", class_="swatch", style=f"--c:{color}")
    return tag("span", dot, one_line(name, 48))


def legend(entries: Iterable[tuple[str, str]]) -> Markup:
    """Return names with their colors, on as many lines as it takes."""
    return tag("div", *(swatch(name, color) for name, color in entries), class_="legend")


def bar(parts: Sequence[tuple[float, str, str]], label: str, gone: float = 0.0) -> Markup:
    """Return a stacked bar. `parts` are (share of the full width 0..1, color, title).

    `gone` is the share that is hatched at the end: what is no longer there.
    """
    filled = [
        tag(
            "i",
            class_="thin" if width < _THIN else None,
            style=f"--c:{color};width:{100 * width:.3f}%",
            title=title,
        )
        for width, color, title in parts
        if width > 0
    ]
    if gone > 0:
        filled.append(tag("i", class_="gone", style=f"width:{100 * gone:.3f}%"))
    return tag("div", *filled, class_="bar", role="img", aria_label=label)


def meter(part: float, whole: float) -> Markup:
    """Return a thin bar of part of whole, for the eye; the number stands beside it."""
    width = 100 * part / whole if whole else 0
    return tag("div", tag("i", style=f"width:{width:.2f}%"), class_="meter", aria_hidden="true")


def figure(title: str, note: Child, *parts: Child) -> Markup:
    """Return a figure with its title and one line on how to read it."""
    caption = tag("figcaption", title, tag("small", note) if note else None)
    return tag("figure", caption, *parts)


def folded(head: Child, *parts: Child, is_open: bool = False) -> Markup:
    """Return parts behind a line to click on."""
    return tag("details", tag("summary", head), tag("div", *parts), open=is_open)


def numbers(found: Mapping[str, float | int | str]) -> str:
    """Return named numbers on one line: `words = 12 · stop_words = 0`."""
    return " · ".join(f"{name} = {figures.plain(value)}" for name, value in found.items())


def excerpt(shown: Excerpt) -> Markup:
    """Return a document as shown to a reader: where from, the numbers that decided, its start."""
    place = join([tag("b", shown.source), " · ", one_line(shown.origin, 120)])
    return tag(
        "div",
        tag("p", place, " ", tag("span", shown.doc_id[:12], class_="hash")),
        tag("p", numbers(shown.numbers), class_="num q") if shown.numbers else None,
        tag("pre", block(shortened(shown.text, EXCERPT_LIMIT))),
        class_="excerpt",
    )
