"""Copied lines against counting in plain Python, under any cut and order of rows."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.dedup.paragraphs import (
    COPIED,
    CopiedSpans,
    CopiedUnits,
    check_text_loss,
    copied_spans,
)
from curator.dedup.survivors import Survivors
from curator.errors import BudgetError
from curator.rewrite import CutSpans
from tests.support.copies import documents_of
from tests.support.wide import beside, cut, run_inline

CUT = CutSpans("dedup.paragraphs", "surplus", ((COPIED, ""),))


def spans_in(table, stage=CopiedUnits(), *, shards=1, partitions=1):  # noqa: B008 - frozen
    """What `CopiedSpans` says of the documents of a table, in their order."""
    tables = cut(table, shards)
    found = run_inline(stage, tables, partitions)
    copied = beside(tables, found, copied_spans)
    return pa.concat_tables([CopiedSpans().process(None, one) for one in copied])


def left_of(table, *given, **options):
    found = spans_in(table, *given, **options)
    cut_texts = CUT.rewrite(None, table.append_column("surplus", found["surplus"]))["text"]
    pairs = zip(table["text"].to_pylist(), cut_texts.to_pylist(), strict=True)
    return [text if new is None else new for text, new in pairs]


def kept_lines(texts, ids, copies, least):
    """The lines of each text that stay: those of the longest texts, then of the smallest ids."""
    order = sorted(range(len(texts)), key=lambda n: (-len(texts[n].encode()), ids[n], n))
    seen, kept = defaultdict(int), {}
    for number in order:
        lines = texts[number].split("\n")
        kept[number] = []
        for line in lines:
            said = " ".join(line.lower().replace("!", "").replace("2", "0").split())
            words = sum(any(c.isalpha() for c in word) for word in line.split())
            if not said or words < least:
                kept[number] += [line] if line.strip() else []
                continue
            seen[said] += 1
            if seen[said] <= copies:
                kept[number].append(line)
    return [kept[number] for number in range(len(texts))]


LINE = st.sampled_from(
    ["Home", "home!", "about us", " About  us", "", "0", "2", "page 2", "one x y"]
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(LINE, max_size=8).map("\n".join), min_size=1, max_size=6),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_lines_that_stay_are_those_of_counting(texts, copies, least):
    table = documents_of(texts)
    stage = CopiedUnits(least_words=least, max_copies=copies)

    left = left_of(table, stage, shards=2, partitions=3)

    wanted = kept_lines(texts, table["doc_id"].to_pylist(), copies, least)
    assert [[line.strip() for line in text.split("\n") if line.strip()] for text in left] == [
        [line.strip() for line in lines] for lines in wanted
    ]


def test_a_banner_stays_in_the_best_document_and_the_text_around_it_in_all():
    banner = "We use cookies. Accept all?"
    texts = [f"Title {n}\n{banner}\nThe text of {'page ' * n}is here.\n" for n in (1, 2, 3)]
    texts[0] = texts[0].replace("Title", "Cover")

    left = left_of(documents_of(texts, ["web", "web", "books"]))

    assert left == [
        "Cover 1\nThe text of page is here.\n",
        "The text of page page is here.\n",
        texts[2],
    ]


def test_paragraphs_are_compared_whole():
    same = "first line\nsecond line"
    texts = [f"{same}\n\nonly here\n", f"and there\n\nfirst line second\nline\n\n{same} x"]

    left = left_of(documents_of(texts), CopiedUnits(unit="paragraph"))

    assert left == ["only here\n", texts[1]]


def test_other_sources_are_left_alone():
    table = documents_of(["a = 1\nreturn None", "return None"], ["code", "web"])

    assert left_of(table, CopiedUnits(sources=("web",))) == table["text"].to_pylist()
    assert left_of(table)[1] == ""


def test_neither_cuts_nor_order_nor_partitions_change_what_is_found():
    rng = np.random.default_rng(1)
    texts = ["\n".join(f"line {'x' * n}" for n in rng.integers(0, 30, 12)) for _ in range(20)]
    table = documents_of([f"{text}\n{n} ends" for n, text in enumerate(texts)])
    order = pa.array(rng.permutation(20))
    policy = CopiedUnits(survivors=Survivors(length="shortest"))

    whole = spans_in(table, policy)
    again = spans_in(table.take(order), policy, shards=4, partitions=3)

    assert again.equals(whole.take(order).combine_chunks())
    assert sum(whole["copied_units"].to_pylist()) > 100


def test_empty_documents_have_no_lines():
    assert spans_in(documents_of(["", "\n \n", "x"]))["copied_units"].to_pylist() == [0, 0, 0]


def test_a_source_that_would_lose_most_of_its_text_stops():
    total = {"web": 100_000, "code": 50_000}

    check_text_loss({"web": 80_000, "code": 0}, total, 0.9, where="corpus.dedup.paragraphs")
    check_text_loss({"web": 99_000}, total, None, where="corpus.dedup.paragraphs")
    check_text_loss({"web": 5_000}, {"web": 5_000}, 0.9, where="corpus.dedup.paragraphs")
    with pytest.raises(BudgetError, match=r"'code' would lose 49,000 of 50,000 bytes \(98.0%\)"):
        check_text_loss({"code": 49_000, "web": 1}, total, 0.9, where="corpus.dedup.paragraphs")
