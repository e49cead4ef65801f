from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.report.content import Report
from curator.report.explain import Choice, Copies, Explanation, Score, StageVerdict
from curator.report.show import documents, readable
from curator.report.summary import summary
from curator.report.visible import one_line, shortened, visible
from tests.support.report_content import full_report
from tests.support.terminal import on_terminal

ATTACK = "\x1b]0;owned\x07\x1b[2J\x9b31m[bold]x[/bold] \u202etxt.exe \u200bhidden\r\nnext\ttab"


def table() -> pa.Table:
    return pa.table(
        {
            "doc_id": pa.array([bytes(range(16)), bytes(16)], pa.binary(16)),
            "source": ["wiki", ATTACK],
            "origin": ["a.jsonl#0", ATTACK],
            "text": pa.array(["Some text.\nSecond line.", ATTACK], pa.large_string()),
            "sim": pa.array([0.6125, None], pa.float32()),
            "words": pa.array([4, 1234567], pa.uint32()),
            "keep": [True, False],
            "reason": [None, "words"],
        }
    )


def test_a_document_shows_its_id_source_origin_numbers_and_text() -> None:
    printed = on_terminal(documents(table().slice(0, 1)))
    assert printed.splitlines()[0] == "000102030405  wiki  a.jsonl#0"
    assert "sim = 0.6125 · words = 4 · keep = yes" in printed
    assert [line.rstrip() for line in printed.splitlines()[2:4]] == [
        "  Some text.",
        "  Second line.",
    ]


def test_a_dropped_document_says_why_and_nothing_in_it_reaches_the_terminal() -> None:
    printed = on_terminal(documents(table().slice(1)))
    assert "dropped: words" in printed
    assert "[bold]x[/bold]" in printed
    assert "␛]0;owned␇␛[2J⟨U+009B⟩31m" in printed
    assert "⟨U+202E⟩txt.exe ⟨U+200B⟩hidden" in printed
    assert not set(printed) & {"\x1b", "\x07", "\x9b", "\r", "\u202e", "\u200b"}


def test_named_columns_are_shown_and_unknown_ones_refused() -> None:
    printed = on_terminal(documents(table(), columns=["words"]))
    assert "words = 1,234,567" in printed
    assert "sim" not in printed
    with pytest.raises(RecipeError, match=r"no columns \['simm'\]"):
        documents(table(), columns=["simm"])


def test_no_documents_is_said() -> None:
    assert on_terminal(documents(table().slice(0, 0))).strip() == "No documents."


def test_long_texts_are_cut_by_characters_and_by_lines() -> None:
    assert readable("a" * 50, limit=10) == "a" * 10 + " … [40 more characters]"
    assert readable("\n".join("abcdef"), lines=2) == "a\nb\n… [4 more lines]"
    assert shortened("short", 10) == "short"


@given(st.text())
def test_visible_text_has_no_controls_and_plain_text_is_unchanged(text: str) -> None:
    shown = visible(text)
    hidden = {*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
    assert not {ord(letter) for letter in shown} & hidden
    assert "\n" not in one_line(text, 20)
    shown.encode()
    if text.isascii() and text.isprintable():
        assert shown == text


def test_joiners_that_scripts_need_stay() -> None:
    assert visible("می\u200cخواهم 👩\u200d👩") == "می\u200cخواهم 👩\u200d👩"


def explanation(**changes: object) -> Explanation:
    parts: dict[str, object] = {
        "doc_id": "ab" * 16,
        "source": "wiki",
        "origin": "https://example.org/a",
        "place": "wiki.jsonl.zst@18291",
        "text": "Body.",
        "tokens": 1204,
        "verdicts": (
            StageVerdict("clean", True, numbers={"words": 412}),
            StageVerdict("dedup.minhash", True, numbers={"candidates": 2}),
        ),
        "copies": Copies("minhash", "cd" * 16, "https://example.org/b", 4, 0.91, 0.98),
        "scores": (Score("sim", 0.71, 128, 20000, "cosine"), Score("ppl", None, better="lower")),
        "choices": (
            Choice("sim", True, 0.74, 0.62, 130, 2.0, (17, 4021), ("sequence 12, tokens 0..88",)),
            Choice("random", False, 0.1, 0.4, 9000),
        ),
    }
    return Explanation(**(parts | changes))  # type: ignore[arg-type]


def test_an_explanation_tells_the_whole_life_of_a_document() -> None:
    printed = on_terminal(explanation())
    for part in (
        "IN: taken by sim",
        "read from wiki.jsonl.zst@18291",
        "words = 412",
        "4 copies (minhash); kept is cdcdcdcdcdcd",
        "jaccard = 0.91 · containment = 0.98",
        "128 of 20,000",
        "lower is better",
        "draw 17; draw 4,021; sequence 12, tokens 0..88",
        "not taken",
    ):
        assert part in printed


def test_a_dropped_document_is_explained_by_the_first_stage_that_refused_it() -> None:
    verdicts = (StageVerdict("clean", False, "gopher_quality.words", {"words": 12}),)
    printed = on_terminal(explanation(verdicts=verdicts, choices=(), scores=(), copies=None))
    assert "OUT: dropped by clean: gopher_quality.words" in printed
    assert "words = 12" in printed


def test_a_document_that_no_arm_took_is_said_to_be_in_the_pool() -> None:
    choices = (Choice("random", False),)
    assert "In the pool, taken by no arm" in on_terminal(explanation(choices=choices))
    assert "In the pool\n" in on_terminal(explanation(choices=(), verdicts=()))


def test_hostile_text_in_an_explanation_is_made_visible() -> None:
    printed = on_terminal(
        explanation(
            source=ATTACK, origin=ATTACK, place=ATTACK, text=ATTACK, contamination=(ATTACK,)
        )
    )
    assert not set(printed) & {"\x1b", "\x07", "\x9b", "\r", "\u202e", "\u200b"}


def test_a_run_is_summed_up_on_one_screen() -> None:
    printed = on_terminal(summary(full_report(), "runs/demo/report.html"), width=150)
    for part in (
        "both-ranked and similar beat random",
        "dedup.minhash",
        "quarantined ✓",
        "gumbel by sim",
        "undecided",
        "3 of ~8",
        "report: runs/demo/report.html",
    ):
        assert part in printed
    assert len(printed.splitlines()) < 50


def test_an_empty_run_has_a_summary_too() -> None:
    assert on_terminal(summary(Report("empty"))).strip() == "empty"
