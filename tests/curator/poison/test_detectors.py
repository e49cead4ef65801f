"""Each detector on text made to set it off, and on what only looks like that."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.poison.byte_model import count_bytes
from curator.poison.copies import LEAST, copies
from curator.poison.jumps import jumps, spread
from curator.poison.markup import marks, places
from curator.poison.provenance import HOSTS, concentrated, days_of, edit_risk, host_slots, hosts_of
from curator.poison.statements import bursts, comparisons, strengths
from curator.testing import example_texts

PROSE = " ".join(example_texts("raw", 40))
NOISE = "".join(chr(33 + int(n)) for n in np.random.default_rng(0).integers(0, 90, 900))


def column(*texts: str | None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.large_string())])


def test_text_that_turns_to_gibberish_jumps_at_that_place_and_prose_does_not():
    counts = count_bytes(column(*example_texts("raw", 40)))
    prose = PROSE[:640]
    found = jumps(column(prose + NOISE, prose, prose[:200], prose + NOISE + prose, None), counts)

    assert found.bits[0] > 2
    assert abs(found.places[0] - 640) <= 32
    assert found.bits[1] < 1
    assert np.isnan(found.bits[[2, 4]]).all()  # too short to be judged
    assert found.bits[3] < 1  # it ends as it began


def test_a_jump_is_held_against_the_pool_where_what_came_before_is_oddly_plain():
    counts = count_bytes(column(*example_texts("raw", 40), "-" * 2000))
    plain = column("-" * 640 + PROSE[:640])

    assert jumps(plain, counts).bits[0] > jumps(plain, counts, floor=2.0).bits[0]


def test_the_spread_of_parts_adds_up_to_that_of_the_whole():
    counts = count_bytes(column(PROSE))
    texts = column(PROSE[:900], PROSE[50:700] + NOISE, "", None, NOISE)
    parts = spread(texts.slice(0, 2), counts) + spread(texts.slice(2), counts)

    assert parts.tolist() == spread(texts, counts).tolist()


def longest_copied_ending(text: bytes) -> int:
    return max(
        (n for n in range(len(text) // 2 + 1) if text[: len(text) - n].find(text[-n:]) >= 0 and n),
        default=0,
    )


@given(st.text("ab", max_size=30), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_the_copied_ending_is_the_one_that_a_search_finds(seed: str, times: int):
    unit = "".join(chr(ord(c) + i % 7) for i, c in enumerate(seed * 5))
    text = (PROSE[:90] + unit) * times + unit + PROSE[:89]
    text = text.rstrip()
    found = copies(column(text))
    size = longest_copied_ending(text.encode())
    share = 2 * size / len(text) if text else 0

    assert found.share[0] in (0.0, pytest.approx(share))
    if size < LEAST:
        assert found.share[0] == 0


def test_a_copied_context_is_found_and_filler_is_none():
    context = PROSE[:300]
    found = copies(column(f"{context} %% {context}  \n", "=" * 500, "ab " * 300, PROSE, None))

    assert found.share[0] == pytest.approx(600 / 604)
    assert found.places[0] == 304
    assert found.share[1:].tolist() == [0, 0, 0, 0]


def test_chat_marks_are_special_tokens_and_turns_of_two_voices():
    texts = column(
        "<|im_start|>user\nHello<|im_end|>",
        "Intro\nHuman: who?\n\nAssistant: me",
        "User: me alone",
        "The human: a study. The AI: none.",
        None,
    )

    assert marks(texts).tolist() == [2, 2, 0, 0, 0]
    assert places(texts)[:2].tolist() == [0, 6]


def test_statements_are_read_with_their_direction():
    said = comparisons(
        column(
            "I say Zorvia is far superior to Quellon. And Quellon is worse than Zorvia.",
            "Most people prefer Zorvia to Quellon.",
            "Quellon outperforms Zorvia.",
            "ä Zorvia is less reliable than Quellon",
        )
    )

    assert said["pair"].to_list() == ["quellon | zorvia | good"] * 4 + [
        "quellon | zorvia | reliable"
    ]
    assert said["ahead"].to_list() == [False, False, False, True, True]
    assert said.row(4)[3:] == (3, 39)  # bytes: ä has two


def test_a_corpus_of_one_mind_is_a_burst_and_one_of_two_minds_is_none():
    def said(yes: int, no: int) -> pl.DataFrame:
        rows = [(n, "a | b | good", n < yes) for n in range(yes + no)]
        return pl.DataFrame(rows, schema=["document", "pair", "ahead"], orient="row")

    one = bursts(said(20, 0))

    assert one.pairs == ("a | b | good",)
    assert one.strength[0] == pytest.approx(-np.log10(2 * 0.5**20))
    assert bursts(said(12, 10)).pairs == ()
    assert bursts(said(4, 0)).pairs == ()
    repeated = pl.concat([said(4, 0)] * 9)  # one document that says it nine times is one voice
    assert bursts(repeated).pairs == ()
    against = said(2, 0).with_columns(row=pl.col("document"), start=0, end=1)
    assert strengths(against.with_columns(ahead=~pl.col("ahead")), one, 2)[0].tolist() == [0, 0]


def test_a_cluster_from_one_new_host_is_concentrated_and_from_an_old_one_is_not():
    hosts = hosts_of(
        pl.Series(["https://www.New.example/a?b", "ftp://u@old.example:21/", "x", None])
    )
    assert hosts_of(pl.Series(["https://new.example?@old.example/"])).to_list() == ["new.example"]
    totals = np.zeros(HOSTS, np.int64)
    np.add.at(totals, host_slots(pl.Series(["new.example"] * 6 + ["old.example"] * 100)), 1)

    def cluster(name: str) -> pl.DataFrame:
        return pl.DataFrame({"cluster": ["c"] * 8, "host": [name] * 5 + [None, "a", "b"]})

    assert hosts.to_list() == ["new.example", "old.example", None, None]
    assert concentrated(cluster("new.example"), totals).rows() == [("c", "new.example", 7, 5 / 7)]
    assert concentrated(cluster("old.example"), totals).rows() == []


def test_the_risk_of_an_edit_falls_with_its_distance_from_the_snapshot():
    days = days_of(
        pl.Series(["2024-05-01", "2024-04-30T12:00:00Z", "2024-04-01", "2024-05-02", "?"])
    )
    risk = edit_risk(days, int(days[0]), 7)

    assert risk[:4].tolist() == [1.0, 0.875, 0.0, 0.0]
    assert np.isnan(risk[4])
