"""Each method against brute force over lists of words."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.dedup.benchmark_index import BenchmarkIndex, build_index
from curator.dedup.benchmarks import ITEMS, read_benchmark
from curator.dedup.coverage import coverage
from curator.dedup.overlap import find_overlap
from curator.errors import RecipeError
from tests.support.jsonl import write_lines

NO_TEMPLATE = 10**6
WORDS = st.sampled_from(["a", "bee", "Über", "漢", "7"])
TEXTS = st.lists(st.lists(WORDS, max_size=24), min_size=1, max_size=4)


def items_of(*texts: str, benchmark: str = "quiz") -> pa.Table:
    rows = {"benchmark": [benchmark] * len(texts), "item_id": list(map(str, range(len(texts))))}
    parts = pa.nulls(len(texts), ITEMS.field("parts").type)
    return pa.table({**rows, "text": list(texts), "parts": parts}, schema=ITEMS)


def column(*texts: str) -> pa.Array:
    return pa.array(texts, pa.large_string())


def joined(texts: list[list[str]]) -> list[str]:
    return [" ".join(words) for words in texts]


def found(index: BenchmarkIndex, *texts: str, above: float = 0.0) -> set[tuple[int, int]]:
    pairs = find_overlap(index, column(*texts)).above(above).pairs
    return set(zip(pairs["document"].to_list(), pairs["item"].to_list(), strict=True))


def grams(words: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]


def stands_in(item: list[str], words: list[str], shortest: int) -> bool:
    """Whether the whole item stands in a text; a short one must be all of it."""
    return tuple(item) in grams(words, len(item)) if len(item) >= shortest else item == words


def covered(item: list[str], words: list[str], n: int, shortest: int) -> float:
    """The share of the item's words that stand in an n-gram in common."""
    if len(item) < n:
        return float(stands_in(item, words, shortest))
    known, inside = set(grams(words, n)), set()
    for at, gram in enumerate(grams(item, n)):
        inside |= set(range(at, at + n)) if gram in known else set()
    return len(inside) / len(item)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS)
def test_any_ngram_in_common_counts_for_gpt3_and_its_share_is_of_words(items, documents):
    items = [item for item in items if item] or [["a"]]
    index = build_index(items_of(*joined(items)), ngram=5, shortest=3, template_items=NO_TEMPLATE)
    pairs = find_overlap(index, column(*joined(documents))).pairs
    shares = {(d, i): share for d, i, _, share in pairs.iter_rows()}
    expected = {
        (d, i): pytest.approx(share)
        for d, words in enumerate(documents)
        for i, item in enumerate(items)
        if (share := covered(item, words, 5, 3)) > 0
    }

    assert shares == expected


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS)
def test_more_than_half_of_an_items_words_must_stand_in_one_document_for_tulu3(items, documents):
    items = [item for item in items if item] or [["a"]]
    index = build_index(
        items_of(*joined(items)), method="tulu3", ngram=5, shortest=3, template_items=NO_TEMPLATE
    )
    expected = {
        (d, i)
        for d, words in enumerate(documents)
        for i, item in enumerate(items)
        if covered(item, words, 5, 3) > 0.5
    }

    assert found(index, *joined(documents), above=0.5) == expected


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS)
def test_the_whole_item_must_stand_in_a_row_for_exact(items, documents):
    items = [item for item in items if item] or [["a"]]
    index = build_index(items_of(*joined(items)), method="exact", shortest=3)
    documents += [[*documents[0], *item, "end"] for item in items]
    expected = {
        (d, i)
        for d, words in enumerate(documents)
        for i, item in enumerate(items)
        if stands_in(item, words, 3)
    }

    assert found(index, *joined(documents)) == expected


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS)
def test_spans_are_the_words_in_common_and_break_where_no_ngram_crosses(items, documents):
    items = [item for item in items if len(item) >= 5] or [["a"] * 5]
    index = build_index(items_of(*joined(items)), ngram=5, template_items=NO_TEMPLATE)
    texts = joined(documents)
    spans = find_overlap(index, column(*texts)).spans
    expected = []
    for d, words in enumerate(documents):
        for i, item in enumerate(items):
            stretches: list[list[int]] = []
            for at, gram in enumerate(grams(words, 5)):
                if gram in grams(item, 5):
                    if not stretches or at >= stretches[-1][1]:
                        stretches.append([at, at])
                    stretches[-1][1] = at + 5
            expected += [(d, i, " ".join(words[a:b]), b - a) for a, b in stretches]
    told = [
        (d, i, texts[d].encode()[start:end].decode(), words)
        for d, i, start, end, words in spans.iter_rows()
    ]

    assert told == expected


def test_an_item_that_is_a_prompt_plus_options_is_found_by_its_question_alone(tmp_path):
    question = "which of these nine words is the longest one"
    line = {"q": question, "options": ["wordy", "short", "long enough to make thirteen words"]}
    items = read_benchmark("quiz", write_lines(tmp_path / "b.jsonl", line), ["q", "options"])

    assert found(build_index(items), f"He asked {question}. She left.") == {(0, 0)}
    assert found(build_index(items), "It is long enough to make thirteen words.") == set()


def test_tulu3_looks_for_what_asks_and_not_for_answers(tmp_path):
    words = [f"w{number}" for number in range(60)]
    line = {"q": " ".join(words[:20]), "a": " ".join(words[20:])}
    path = write_lines(tmp_path / "b.jsonl", line)
    index = build_index(read_benchmark("quiz", path, ["q", "a"], prompt=["q"]), method="tulu3")

    assert found(index, line["q"], line["a"], above=0.5) == {(0, 0)}
    assert index.items["text"].to_pylist() == [line["q"]]
    whole = build_index(read_benchmark("quiz", path, ["q", "a"]), method="tulu3")
    assert found(whole, line["q"], line["a"], above=0.5) == {(1, 0)}


@pytest.mark.parametrize("prompt", ["", "  ", "???"])
def test_tulu3_looks_for_all_of_an_item_whose_prompt_says_nothing(tmp_path, prompt):
    answer = " ".join(f"w{n}" for n in range(12))
    lines = write_lines(tmp_path / "quiz.jsonl", {"question": prompt, "answer": answer})
    items = read_benchmark("quiz", lines, ["question", "answer"], prompt=["question"])

    assert found(build_index(items, method="tulu3"), answer) == {(0, 0)}


def test_a_field_that_most_items_share_is_a_prompt_and_no_run_of_its_own(tmp_path):
    asked = "please answer with one of the options given below"
    lines = [
        {"say": asked, "q": " ".join(f"q{number}w{word}" for word in range(20))}
        for number in range(12)
    ]
    items = read_benchmark("quiz", write_lines(tmp_path / "b.jsonl", *lines), ["say", "q"])

    assert found(build_index(items), f"He said: {asked}!", f"Well: {lines[3]['q']}") == {(1, 3)}


def test_words_that_every_item_begins_or_ends_with_need_not_be_in_a_copy(tmp_path):
    asked = [" ".join(f"q{number}w{word}" for word in range(8 + number)) for number in range(8)]
    lines = [{"q": f"Question: {question}?\nAnswer:"} for question in asked]
    lines.append({"q": "Question: too short without it, is it not?\nAnswer:"})
    index = build_index(read_benchmark("quiz", write_lines(tmp_path / "b.jsonl", *lines), ["q"]))

    assert found(index, *(f"He wrote: {question}" for question in asked)) == {
        (number, number) for number in range(8)
    }
    assert found(index, "too short without it, is it not", lines[8]["q"]) == {(1, 8)}


@pytest.mark.parametrize("method", ["gpt3", "tulu3", "exact"])
def test_an_item_that_is_mostly_a_prompt_is_found_where_all_of_it_stands(method):
    prompt = [f"prompt{n}" for n in range(40)]
    items = items_of(*(" ".join([*prompt, *(f"q{n}x{m}" for m in range(20))]) for n in range(20)))
    index = build_index(items, method=method)
    whole = items["text"][3].as_py()

    assert found(index, f"before {whole} after", above=0.5) == {(0, 3)}
    assert found(index, " ".join(prompt)) == set()  # nobody's copy
    assert find_overlap(index, column(whole)).pairs["item_share"].to_list() == [1.0]


def test_an_item_that_a_benchmark_repeats_is_no_prompt():
    question = " ".join(f"w{n}" for n in range(20))
    others = [" ".join(f"o{n}x{m}" for m in range(20)) for n in range(3)]
    index = build_index(items_of(*[question] * 6, question.upper(), *others))

    assert found(index, question) == {(0, item) for item in range(7)}
    assert not index.items["exempt"].to_numpy().any()


def test_what_is_too_frequent_to_count_is_not_missed_in_a_copy():
    words = [f"w{n}" for n in range(60)]
    index = build_index(items_of(" ".join(words)), method="tulu3")
    first = index.runs[0].word[index.runs[0].first[:-1]]

    less = index.without(first < 32)

    assert less.items["guarded"].to_pylist() == [28]
    assert found(less, " ".join(words[:50]), above=0.5) == {(0, 0)}
    assert found(less, " ".join(words[:45]), above=0.5) == set()


def test_ngrams_are_as_long_as_the_shortest_items_of_a_benchmark():
    sizes = {"brief": 4, "middle": 10, "long": 30}
    tables = [
        items_of(
            *(" ".join(f"{name}{i}x{w}" for w in range(size)) for i in range(20)), benchmark=name
        )
        for name, size in sizes.items()
    ]
    index = build_index(pa.concat_tables(tables), ngram="by_benchmark")
    ngrams = {row["benchmark"]: row["ngram"] for row in coverage(index).to_pylist()}
    ten = index.items["text"][20].as_py().split()

    assert ngrams == {"brief": 8, "long": 13, "middle": 10}
    assert found(index, " ".join(ten[:9]), "so: " + " ".join(ten)) == {(1, 20)}


def test_ngrams_shorter_than_a_short_item_are_found_inside_documents():
    index = build_index(items_of("one two three four five six seven eight nine"), ngram=5)

    assert found(index, "he said three four five six seven to me") == {(0, 0)}


def test_a_short_ngram_is_refused():
    with pytest.raises(RecipeError, match="ngram 4"):
        build_index(items_of("some words"), method="tulu3", ngram=4)
