"""A fifth of a mixture becomes junk of three kinds, and every arm of the bench is charged alike."""

from __future__ import annotations

from argparse import Namespace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from bench.draws import Documents
from bench.learnability import COPIES, _pick, copied, spoiled
from curator.train.tokenizer import train_bpe

WORDS = [f"{a}{b}{c}" for a in "bcdfg" for b in "aeiou" for c in "lmnrst"]


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    texts = pa.array([" ".join(WORDS)] * 20)
    return SimpleNamespace(tokenizer=train_bpe([texts], 300, tmp_path_factory.mktemp("bpe")))


def clean(n=300, longest=160):
    chance = np.random.default_rng(0)
    lengths = chance.integers(40, longest, n)
    return Documents(
        chance.integers(0, 256, (n, 16), dtype=np.uint8),
        np.full(n, "web", dtype=object),
        np.cumsum(lengths) - lengths,
        lengths.astype(np.int64),
        chance.integers(1, 290, lengths.sum()).astype(np.uint16),
    )


def test_a_fifth_is_replaced_by_three_kinds_of_junk(pool):
    before = clean()

    after = spoiled(before, 1, pool)

    share = {
        kind: after.lengths[after.sources == kind].sum() / before.n_tokens
        for kind in ("web", "shuffled", "boilerplate", "copied")
    }
    assert share["web"] == pytest.approx(0.8, abs=0.01)
    assert share["boilerplate"] == pytest.approx(0.2 / 3, abs=0.02)
    assert share["copied"] == pytest.approx(0.2 / 3, abs=0.02)
    # Tokens drawn by chance are no words, so their text is encoded in other numbers.
    assert 0.02 < share["shuffled"] < 0.2


def test_copies_have_the_words_of_one_document_and_names_of_their_own():
    documents = clean(40)

    found = copied(documents, 4000)

    assert len(np.unique(found.doc_ids, axis=0)) == len(found.lengths)
    first = found.lengths.reshape(COPIES, -1)
    assert (first == first[0]).all()
    assert found.tokens[: first[0].sum()].tolist() == documents.tokens[: first[0].sum()].tolist()


def test_arms_differ_in_their_method_alone():
    asked = Namespace(keep=0.25, scored=64)

    one, other = (_pick(asked, method, "clean") for method in ("learnability", "high_loss"))

    assert (one.keep, one.scored_tokens) == (other.keep, other.scored_tokens) == (0.25, 64)
    assert (one.reference, other.reference) == ("clean", "")
