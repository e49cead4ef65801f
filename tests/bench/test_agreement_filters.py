import json

import polars as pl

from bench import agreement_filters
from bench.agreement_filters import (
    Ours,
    after_c4,
    by_folder,
    compared,
    disagreements,
    rule_names,
    sample,
    whole,
)
from bench.agreement_table import Row, row_of
from curator.clean.statistics import EDITED, STATISTICS


def ours(**columns):
    """Statistics of three documents that pass every rule, with these changed."""
    good = {"words": 100, "mean_word_length": 5.0, "stop_words": 8, "alphabetic_words": 1.0}
    good |= {"characters": 500, "c4_sentences": 9, "visible_lines": 3, "line_punct_ratio": 1.0}
    good |= {EDITED + "visible_lines": 3, EDITED + "line_punct_ratio": 1.0}
    frame = {name: [good.get(name, 0)] * 3 for name in STATISTICS.names} | columns
    return Ours(pl.DataFrame(frame), [None, "c4.min_sentences", None], ["a", "b", "c"])


def theirs(*fires, edited=("a", None, "c"), chain=(None, None, None), after=((), (), ())):
    return [
        {"fires": list(f), "edited": e, "chain": c, "fires_edited": list(a)}
        for f, e, c, a in zip(fires, edited, chain, after, strict=True)
    ]


def test_a_rule_is_compared_where_the_peer_can_judge():
    row = row_of(
        "c4.min_sentences", [True, False, True], [["c4.min_sentences"], [], ["c4.min_sentences!"]]
    )

    assert row == Row("c4.min_sentences", documents=2, same=2, ours=1, theirs=1, unjudged=1)


def test_every_published_rule_has_a_row():
    rows = compared(ours(), theirs([], [], []))

    assert [row.rule for row in rows] == rule_names()
    assert all(row.same == row.documents == 3 for row in rows)


def test_a_rule_that_one_side_alone_fires_is_a_disagreement():
    mine = ours(words=[10, 100, 100])
    answers = theirs([], ["gopher_quality.min_words"], [])

    (row,) = (row for row in compared(mine, answers) if row.rule == "gopher_quality.min_words")

    assert (row.same, row.ours, row.theirs) == (1, 1, 1)
    assert disagreements(mine, answers) == [
        (0, "gopher_quality.min_words", False),
        (1, "gopher_quality.min_words", False),
    ]


def test_fineweb_after_c4_is_compared_where_both_leave_the_same_text():
    mine = ours(**{EDITED + "short_line_ratio": [0.9, 0.9, 0.9]})
    answers = theirs(
        [], [], [], edited=("a", "x", "c"), after=(["fineweb.short_line_ratio"], [], [])
    )

    (row,) = (row for row in after_c4(mine, answers) if row.rule.endswith("short_line_ratio"))

    assert (row.documents, row.same, row.ours, row.theirs) == (2, 1, 2, 1)
    assert disagreements(mine, answers) == [(2, "fineweb.short_line_ratio", True)]


def test_the_chain_and_the_edited_text_are_compared_as_wholes():
    chain, text = whole(
        ours(), theirs([], [], [], chain=(None, None, "c4.x"), edited=("a", None, "z"))
    )

    assert (chain.same, chain.ours, chain.theirs) == (1, 1, 1)
    assert (text.documents, text.same) == (2, 1)


def test_the_sample_takes_every_file_alike_and_all_short_documents(tmp_path):
    files = []
    for name in ("a", "b"):
        path = tmp_path / f"{name}.jsonl"
        texts = ["x" * 100] * 20 + ["short", ""]
        path.write_text(
            "".join(json.dumps({"id": n, "text": t}) + "\n" for n, t in enumerate(texts))
        )
        files.append(path)

    found = sample(files, 420, 10)

    assert [name.split("/", 1)[1] for name, _ in found] == [
        f"{file}/{number}" for file in "ab" for number in (0, 10, 20)
    ]


def test_rows_print_as_a_table():
    row = Row("c4.min_sentences", documents=200, same=199, ours=3, theirs=4)

    assert row.text() == "| `c4.min_sentences` | 99.500 | 1 | 3 | 4 | 75.00 | 200 |"


def test_a_folder_tells_its_chain_and_its_least_agreed_rule():
    documents = [("a/x/1", ""), ("a/x/2", ""), ("b/y/1", "")]
    mine = ours(words=[10, 100, 100])
    answers = theirs([], [], [], chain=(None, None, None))

    first, second = by_folder(documents, mine, answers)

    assert first == "| a | 2 | 50.00 | `gopher_quality.min_words` | 50.00 |"
    assert second == "| b | 1 | 100.00 | none differs | 100 |"


def test_the_peer_is_not_asked_again_about_the_same_sample(tmp_path, monkeypatch):
    asked = []

    def run(words, **_):
        asked.append(words)
        agreement_filters.Path(words[3]).write_text("[]")

    monkeypatch.setattr(agreement_filters.subprocess, "run", run)
    for text in ("one", "one", "two"):
        agreement_filters.Peer("python", tmp_path, [("id", text)]).answers()

    assert len(asked) == 2
