from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from curator.errors import LedgerError, RecipeError
from curator.score.arpa import write_arpa
from curator.score.ngram_lm import NgramModel, bits, letter_bits, perplexity
from curator.text.lm_stream import spelled_lines
from curator.text.lm_table import Tally, empty_table
from tests.support import hostile
from tests.support.kneser_ney_reference import Arpa
from tests.support.ngram_models import sentences, trained

TEXTS = ["Ba BE bi!\n\nBu?", "ga ka unheard-of", *sentences(20, seed=3), "", " \n "]


@pytest.fixture(scope="module")
def model() -> NgramModel:
    return trained(sentences(), 3)


@pytest.fixture(scope="module")
def hostile_model() -> NgramModel:
    return NgramModel.trained([pa.array(hostile.TEXTS + tuple(TEXTS), pa.large_string())], order=5)


def column(texts: list[str]) -> pa.Array:
    return pa.array(texts, pa.large_string())


def told_of(log10: float, words: int, lines: int) -> Tally:
    one, none = np.ones(1), np.zeros(1)
    return Tally(log10 * one, words * one, lines * one, none, none)


@settings(max_examples=60, deadline=None)
@given(text=hostile.texts())
def test_any_text_is_scored_as_its_spelled_lines_are_by_the_arpa_format(
    hostile_model: NgramModel, tmp_path_factory: pytest.TempPathFactory, text: str
):
    path = tmp_path_factory.getbasetemp() / "hostile.arpa"
    if not path.exists():
        write_arpa(hostile_model, path)
    told = hostile_model.tally(column([text]))

    spelled = spelled_lines(column([text]))[0].as_py()
    assert told.log10[0] == pytest.approx(Arpa(path).of_text(spelled), rel=1e-5, abs=1e-5)
    assert told.words[0] == len(spelled.split())
    assert told.lines[0] == len(list(filter(str.strip, spelled.split("\n"))))
    assert np.isfinite(told.spelling[0])


def test_order_and_cuts_of_the_reference_make_no_difference(tmp_path: Path):
    lines = [*sentences(), *hostile.TEXTS]
    NgramModel.trained([column(lines)], order=4).save(tmp_path / "whole")
    parts = [column(lines[-10:]), column([]), column(lines[40:-10]), column(lines[:40])]
    NgramModel.trained(parts, order=4).save(tmp_path / "parts")

    for name in ("table.npy", "words.arrow", "letter_bits.npy", "model.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_a_document_has_the_same_score_alone_and_among_others(model: NgramModel):
    together = model.tally(column(TEXTS)).log10
    alone = [model.tally(column([text])).log10[0] for text in TEXTS]

    np.testing.assert_array_equal(together, alone)


def test_a_saved_model_says_the_same(model: NgramModel, tmp_path: Path):
    model.save(tmp_path)
    back = NgramModel.load(tmp_path)

    np.testing.assert_array_equal(model.tally(column(TEXTS)), back.tally(column(TEXTS)))
    assert not back.table.flags.owndata  # mapped, not read


def test_perplexity_is_ccnets_formula_in_any_base():
    told = told_of(log10=-12.0, words=5, lines=1)

    assert perplexity(told)[0] == pytest.approx(10 ** (12 / 6))
    assert perplexity(told)[0] == pytest.approx(np.exp(12 * np.log(10) / 6))
    assert perplexity(told)[0] == pytest.approx(2 ** (bits(told)[0] / 6))


def test_every_line_ends_once(model: NgramModel):
    one, two = model.tally(column(["ba be", "ba be\nba be\n\n"]))[:3], None
    log10, words, lines = one

    assert (words.tolist(), lines.tolist(), two) == ([2, 4], [1, 2], None)
    assert log10[1] == pytest.approx(2 * log10[0])


def test_a_text_without_words_has_no_perplexity(model: NgramModel):
    assert np.isnan(perplexity(model.tally(column(["", "\n \t\x00\n"])))).all()


def test_an_unknown_word_pays_for_its_letters_in_bits_only(model: NgramModel):
    short, long = model.tally(column(["ba qq be", "ba qqqqqqqqqqqqqqqq be"])).log10
    told = model.tally(column(["ba qq be", "ba qqqqqqqqqqqqqqqq be", "ba be"]))

    assert short == long
    assert told.unknown.tolist() == [1, 1, 0]
    assert told.spelling[2] == 0
    assert told.spelling[1] - told.spelling[0] == pytest.approx(14 * model.letter_bits[ord("q")])


def test_letters_and_the_end_of_a_word_share_all_of_the_probability():
    found = letter_bits(column(["ab", "b", "日"]))

    assert (2.0**-found).sum() == pytest.approx(1.0)
    assert found[256] == pytest.approx(-np.log2(4 / (257 + 6 + 3)))


@pytest.mark.parametrize("order", [0, 9])
def test_orders_out_of_range_are_refused(order: int):
    with pytest.raises(RecipeError, match="order="):
        trained(["a"], order)


def test_a_table_beyond_31_bits_is_refused():
    with pytest.raises(ValueError, match="wanted at most"):
        empty_table(1 << 31)


@pytest.mark.parametrize("harm", ["missing", "other dtype", "not a power", "other format"])
def test_a_broken_folder_is_refused(harm: str, model: NgramModel, tmp_path: Path):
    model.save(tmp_path)
    if harm == "missing":
        (tmp_path / "table.npy").unlink()
    elif harm == "other dtype":
        np.save(tmp_path / "table.npy", np.zeros(16))
    elif harm == "not a power":
        np.save(tmp_path / "table.npy", model.table[:-1])
    else:
        told = json.loads((tmp_path / "model.json").read_text()) | {"format": "other"}
        (tmp_path / "model.json").write_text(json.dumps(told))

    with pytest.raises(LedgerError, match="fit it again"):
        NgramModel.load(tmp_path)
