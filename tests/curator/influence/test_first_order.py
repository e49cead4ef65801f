"""First order against autograd, a JVP and the exact step: part E of selection.md, test 7."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.func import functional_call, jvp
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from curator.errors import RecipeError
from curator.influence.first_order import (
    direction,
    document_losses,
    first_order,
    reference_gradient,
    step_slopes,
)
from curator.influence.one_step import OneStep
from curator.influence.rows import document_tokens, item_tokens, reference_rows
from curator.influence.state import open_state
from curator.score.heldout import spearman
from curator.testing import example_texts
from curator.train.tokenizer import load_tokenizer
from tests.support.trained import trained_run

LONGEST = 32


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    texts = [text for role in ("raw", "good", "bad") for text in example_texts(role)]
    return trained_run(texts, tmp_path_factory.mktemp("run"), arch="lexical", steps=80)


@pytest.fixture(scope="module")
def tokenizer(run):
    return load_tokenizer(run / "tokenizer.json")


@pytest.fixture
def state(run):
    return open_state(run)


@pytest.fixture(scope="module")
def rows(tokenizer):
    return reference_rows(item_tokens(tokenizer, pa.chunked_array([example_texts("good", 12)])), 32)


@pytest.fixture(scope="module")
def documents(tokenizer):
    texts = [t for role in ("raw", "good", "bad", "other") for t in example_texts(role)]
    return document_tokens(tokenizer, pa.chunked_array([texts]), LONGEST)


@pytest.fixture(scope="module")
def pilot(tokenizer):
    texts = [t for role in ("raw", "good", "bad", "other") for t in example_texts(role, 48)[40:]]
    return document_tokens(tokenizer, pa.chunked_array([texts]), LONGEST)


@pytest.fixture(scope="module")
def exact(run, rows, documents):
    return OneStep(open_state(run), [rows], scale=0.1)(documents)[:, 0]


def one_document(documents, row):
    return torch.from_numpy(documents.ids[documents.offsets[row] : documents.offsets[row + 1]])[
        None
    ]


def plain_loss(model, weights, ids):
    """Return the mean loss of a row by torch's own operations, which have forward derivatives."""
    with sdpa_kernel(SDPBackend.MATH):
        hidden = functional_call(model, weights, (ids[:, :-1],)).flatten(0, 1)
    raw = hidden @ weights["head.weight"].T
    return functional.cross_entropy(15 * raw / (raw**2 + 225).sqrt(), ids[0, 1:])


def test_it_is_the_dot_with_autograds_gradient(state, rows, documents):
    u = direction(state, reference_gradient(state.model, rows))
    found = first_order(state.model, [u], documents, LONGEST)[:, 0]
    names, weights = zip(*state.model.named_parameters(), strict=True)
    expected = []
    for row in range(20):
        ids = one_document(documents, row)
        parts = torch.autograd.grad(state.model.loss(ids[:, :-1], ids[:, 1:]), weights)
        pairs = zip(names, parts, strict=True)
        expected.append(sum(float((u.weights[n] * part).sum()) for n, part in pairs))

    # Differences of losses in float32, a finite step apart: within a hundredth of the spread.
    np.testing.assert_allclose(found[:20], expected, rtol=0, atol=1e-2 * np.std(expected))


# torch.func.jvp compiles rules of its own by torch.jit, which warns of its age.
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_it_is_the_jvp(state, rows, documents):
    u = direction(state, reference_gradient(state.model, rows))
    found = first_order(state.model, [u], documents, LONGEST)[:, 0]
    weights = {name: weight.detach() for name, weight in state.model.named_parameters()}
    ids = [one_document(documents, row) for row in range(6)]
    expected = [
        jvp(lambda moved, one=one: plain_loss(state.model, moved, one), (weights,), (u.weights,))[1]
        for one in ids
    ]

    np.testing.assert_allclose(found[:6], expected, rtol=0, atol=1e-2 * np.std(found))


def test_it_ranks_as_the_exact_step_at_a_tenth_of_the_rate(state, rows, documents, pilot, exact):
    gradient = reference_gradient(state.model, rows)
    slopes = step_slopes(state, pilot)
    found = {
        name: spearman(first_order(state.model, [u], documents, LONGEST)[:, 0], exact)
        for name, u in {
            "adam": direction(state, gradient, scale=0.1, slopes=slopes),
            "plain": direction(state, gradient, precondition=False),
        }.items()
    }

    assert found["adam"] > 0.95
    assert found["plain"] < found["adam"] - 0.01


def test_it_predicts_the_size_of_the_step_less_momentum(state, rows, documents, pilot, exact):
    u = direction(
        state, reference_gradient(state.model, rows), scale=0.1, slopes=step_slopes(state, pilot)
    )
    found = first_order(state.model, [u], documents, LONGEST)[:, 0]

    assert found.std() == pytest.approx(exact.std(), rel=0.35)


def test_a_document_gets_the_same_alone_in_any_batch_and_at_any_place(state, rows, tokenizer):
    texts = [*example_texts("raw", 70), "short", "a b c"]
    u = direction(state, reference_gradient(state.model, rows))

    def found(some):
        tokens = document_tokens(tokenizer, pa.chunked_array([some]), LONGEST)
        return first_order(state.model, [u], tokens, LONGEST)[:, 0]

    together = found(texts)
    np.testing.assert_array_equal(found(texts[::-1])[::-1], together)
    np.testing.assert_array_equal(
        [found([texts[row]])[0] for row in (0, 69, 70)], together[[0, 69, 70]]
    )


def test_padding_does_not_enter_a_loss(state, tokenizer):
    texts = ["short", *example_texts("raw", 3)]
    tokens = document_tokens(tokenizer, pa.chunked_array([texts]), LONGEST)
    found = document_losses(state.model, tokens, LONGEST)
    for row in range(4):
        ids = one_document(tokens, row)
        with torch.no_grad():
            bits = state.model.bits(ids[:, :-1], ids[:, 1:]).mean().item()
        assert found[row] == pytest.approx(bits * math.log(2), rel=1e-5)


def test_the_reference_loss_is_a_mean_over_tokens(state, tokenizer):
    texts = ["one two", example_texts("good", 1)[0], "a much longer text than the first one is"]
    tokens = item_tokens(tokenizer, pa.chunked_array([texts]))
    gradient = reference_gradient(state.model, reference_rows(tokens, 32))
    weight, total, counted = state.model.head.weight, 0.0, 0
    for row in range(3):
        ids = one_document(tokens, row)
        for at in range(0, ids.shape[1] - 1, 32):
            part = ids[:, at : at + 33]
            (each,) = torch.autograd.grad(state.model.loss(part[:, :-1], part[:, 1:]), weight)
            total, counted = total + each * (part.shape[1] - 1), counted + part.shape[1] - 1

    torch.testing.assert_close(gradient["head.weight"], total / counted, rtol=1e-4, atol=1e-6)


def test_weights_are_what_they_were(state, rows, documents):
    before = {name: weight.clone() for name, weight in state.model.state_dict().items()}
    u = direction(state, reference_gradient(state.model, rows))
    first_order(state.model, [u, u], documents, LONGEST)

    for name, weight in state.model.state_dict().items():
        assert torch.equal(weight, before[name])


def test_a_text_without_tokens_has_no_influence(state, rows, tokenizer):
    tokens = document_tokens(tokenizer, pa.chunked_array([["", "words are here"]]), LONGEST)
    u = direction(state, reference_gradient(state.model, rows))

    assert np.isnan(first_order(state.model, [u], tokens, LONGEST)[:, 0]).tolist() == [True, False]


def test_a_reference_without_tokens_that_count_is_refused(state, tokenizer):
    tokens = item_tokens(tokenizer, pa.chunked_array([["", ""]], pa.large_string()))

    with pytest.raises(RecipeError, match="Q without unmasked tokens"):
        reference_gradient(state.model, reference_rows(tokens, 32))


def test_a_model_that_has_overflowed_is_refused(state, rows):
    with torch.no_grad():
        state.model.head.weight.fill_(float("nan"))

    with pytest.raises(RecipeError, match="slope"):
        direction(state, reference_gradient(state.model, rows))


@pytest.mark.gpu
def test_a_gpu_finds_what_the_cpu_finds(run, tokenizer, documents):
    found = []
    for device in ("cpu", "cuda"):
        state = open_state(run, device)
        tokens = item_tokens(tokenizer, pa.chunked_array([example_texts("good")]))
        rows = reference_rows(tokens, 32, device)
        u = direction(state, reference_gradient(state.model, rows))
        found.append(first_order(state.model, [u], documents, LONGEST)[:, 0])

    # Differences of float32 losses, summed in another order.
    np.testing.assert_allclose(found[1], found[0], atol=1e-2 * found[0].std())
