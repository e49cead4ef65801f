"""Packing: every text placed once, rows never too long, and the same bits as one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import RecipeError
from curator.evaluate import prepack
from curator.evaluate.windows import cut_windows, only_scored
from curator.train.model import Gpt
from curator.train.proxy import Shape

LENGTHS = st.lists(st.integers(1, 16), max_size=40).map(np.array).map(lambda a: a.astype(np.int64))


@pytest.fixture(scope="module")
def model():
    """Return a model whose matrices all differ from zero: a fresh one sees no context."""
    made = Gpt(Shape(vocab_size=90, context=16, depth=2, width=16, heads=2), seed=3)
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in made.parameters():
            weight.normal_(0, 0.3, generator=random)
    return made.eval()


def texts(lengths):
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    ids = np.random.default_rng(5).integers(1, 90, offsets[-1]).astype(np.uint16)
    ids[offsets[:-1]] = 0
    return offsets, ids


def one_by_one(model, offsets, ids):
    """Return the bits of each token from one plain pass over each document of at most 17."""
    found = np.zeros(len(ids), np.float32)
    for begin, end in itertools.pairwise(offsets):
        tokens = torch.from_numpy(ids[begin:end].astype(np.int64))[None]
        if end - begin > 1:
            found[begin + 1 : end] = model.bits(tokens[:, :-1], tokens[:, 1:])[0].numpy()
    return found


@given(LENGTHS)
def test_every_length_gets_room_of_its_own(lengths):
    rows, columns = prepack.first_fit(lengths, 16)

    cells = {
        (row, column + step)
        for row, column, length in zip(rows, columns, lengths, strict=True)
        for step in range(length)
    }
    assert len(cells) == lengths.sum()
    assert all(0 <= column < 16 for _, column in cells)


@given(LENGTHS)
def test_rows_are_those_of_first_fit_decreasing_one_at_a_time(lengths):
    room, expected = [], np.zeros_like(lengths)
    for place in np.argsort(-lengths, kind="stable"):
        row = next((n for n, left in enumerate(room) if left >= lengths[place]), len(room))
        room += [16] * (row == len(room))
        room[row] -= lengths[place]
        expected[place] = row

    assert prepack.first_fit(lengths, 16)[0].tolist() == expected.tolist()


def test_a_length_that_no_row_holds_is_refused():
    with pytest.raises(RecipeError, match="wanted 1 to 16"):
        prepack.first_fit(np.array([3, 17]), 16)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 17), min_size=1, max_size=20), st.booleans())
def test_bits_packed_and_padded_equal_those_of_one_text_at_a_time(model, lengths, packed):
    offsets, ids = texts(lengths)

    found = prepack.bits_of_tokens(model, offsets, ids, packed=packed)

    # 1e-4 of themselves is what the module promises.
    np.testing.assert_allclose(found, one_by_one(model, offsets, ids), rtol=1e-4, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 9), st.booleans())
def test_wanted_tokens_have_the_bits_they_have_among_all(model, lengths, seed, packed):
    offsets, ids = texts(lengths)
    wanted = np.random.default_rng(seed).random(len(ids)) < 0.2

    found = prepack.bits_of_tokens(model, offsets, ids, wanted=wanted, packed=packed)

    every = prepack.bits_of_tokens(model, offsets, ids)
    np.testing.assert_allclose(found, np.where(wanted, every, 0), rtol=1e-4, atol=1e-4)


def test_windows_end_at_the_last_wanted_token_and_those_without_are_left_out():
    windows = cut_windows(np.array([0, 5, 9, 49]), 16)
    wanted = np.zeros(49, np.bool_)
    wanted[[2, 3, 47]] = True

    cut = only_scored(windows, wanted)

    assert cut.document.tolist() == [0, 2]
    assert cut.stop.tolist() == [4, 48]
    assert only_scored(windows, np.zeros(49, np.bool_)).inputs.tolist() == []


def test_progress_counts_windows_to_the_end(model):
    seen = []

    prepack.bits_of_tokens(
        model, *texts([3, 9, 40]), packed=True, progress=lambda *at: seen.append(at)
    )

    assert seen[-1] == (seen[-1][1], seen[-1][1])
