"""Reading a mixture: batches are a function of the step, and damage is named."""

from __future__ import annotations

import json

import numpy as np
import pytest

from curator.errors import BudgetError, LedgerError
from curator.train.loader import Batches, open_mixture
from tests.support.mixtures import counting_documents, write_mixture


@pytest.fixture
def folder(tmp_path):
    return write_mixture(tmp_path / "mix", counting_documents(9))


def batches_of(folder, order_seed=1):
    return Batches(open_mixture(folder), rows=2, context=8, order_seed=order_seed)


def test_targets_are_the_next_tokens_and_batches_join_without_a_gap(folder):
    batches = batches_of(folder)

    inputs, targets = zip(*(batches.batch(step) for step in range(5)), strict=True)

    joined = np.concatenate([part.ravel() for part in inputs])
    following = np.concatenate([part.ravel() for part in targets])
    assert (joined[1:] == following[:-1]).all()


def test_a_lap_of_batches_holds_the_tokens_of_the_mixture(folder):
    batches = batches_of(folder)
    mixture = batches.mixture
    steps = mixture.n_tokens // batches.batch_tokens
    seen = np.concatenate([batches.batch(step)[0].ravel() for step in range(steps)])

    rest = mixture.tokens[batches.stream.positions(steps * batches.batch_tokens, mixture.n_tokens)]

    assert sorted([*seen, *rest]) == sorted(mixture.tokens)


def test_coverage_is_by_source_name(folder):
    covered = batches_of(folder).coverage(3)

    assert list(covered) == ["even", "odd"]
    assert sum(part.seen for part in covered.values()) == 3 * 16


def test_the_order_of_the_index_does_not_matter(tmp_path):
    documents = counting_documents(9)
    there = batches_of(write_mixture(tmp_path / "a", documents))
    back = batches_of(write_mixture(tmp_path / "b", documents[::-1]))

    assert (there.batch(4)[0] == back.batch(4)[0]).all()


def test_a_token_past_the_vocabulary_is_refused(tmp_path):
    folder = write_mixture(tmp_path / "mix", [("s", [70] * 40)])

    with pytest.raises(LedgerError, match="id 70, past the vocabulary of 64"):
        batches_of(folder).batch(0)


def test_an_index_beyond_the_tokens_is_refused(folder):
    tokens = (folder / "tokens.bin").read_bytes()
    (folder / "tokens.bin").write_bytes(tokens[:-4])

    with pytest.raises(LedgerError, match=r"index\.arrow reaches token"):
        open_mixture(folder)


def test_a_document_that_does_not_start_with_bos_is_refused(folder):
    path = folder / "mixture.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "bos_id": 5}))

    with pytest.raises(LedgerError, match="do not start with token 5"):
        open_mixture(folder)


@pytest.mark.parametrize("content", ["{", '{"dtype": "float64"}'])
def test_a_broken_description_is_refused(folder, content):
    (folder / "mixture.json").write_text(content)

    with pytest.raises(LedgerError, match=r"mixture\.json"):
        open_mixture(folder)


def test_a_missing_mixture_and_an_empty_one_are_told_apart(folder, tmp_path):
    with pytest.raises(LedgerError, match="is missing"):
        open_mixture(tmp_path)
    empty = write_mixture(tmp_path / "two", [("s", [1])])
    from curator.shards import read_shard, write_shard

    index = read_shard(empty / "index.arrow").slice(0, 0)
    write_shard(index, empty / "index.arrow", name="index")
    with pytest.raises(BudgetError, match="no documents"):
        open_mixture(empty)
