"""Text from a proxy: the model's own probabilities, chance by document, nothing forbidden."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import torch

from curator.errors import RecipeError
from curator.identity import document_ids, id_matrix
from curator.train.growing import Grown
from curator.train.loss import cap_
from curator.train.sample import Sampling, sample_texts, sample_tokens
from tests.curator.train.test_model import LEXICAL, SHAPE, tokens, trained_like
from tests.support.trained import trained_run

LLAMA = dataclasses.replace(SHAPE, arch="llama")
STOP = 0


def ids(count, source="drawn"):
    return id_matrix(document_ids(source, pa.array([str(n) for n in range(count)])))


def prompts(count, length=1, seed=3):
    random = np.random.default_rng(seed)
    return [np.r_[STOP, random.integers(1, 50, length - 1)] for _ in range(count)]


@pytest.mark.parametrize("shape", [SHAPE, LLAMA, LEXICAL])
def test_reading_on_gives_the_log_odds_of_reading_all(shape):
    model, text = trained_like(shape), tokens()
    grown = Grown(model)
    with torch.inference_mode():
        read = [
            grown.logits(text[:, :5]),
            *(grown.logits(text[:, n : n + 1]) for n in range(5, 16)),
        ]
        whole = model.head(model(text))

    torch.testing.assert_close(torch.stack(read, 1), whole[:, 4:], rtol=1e-4, atol=1e-4)


def test_documents_that_are_forgotten_leave_the_others_as_they_were():
    model, text = trained_like(), tokens()
    all_of_them, some = Grown(model), Grown(model)
    with torch.inference_mode():
        for grown in (all_of_them, some):
            grown.logits(text[:, :5])
        some.keep(torch.tensor([0, 2]))
        wanted, found = all_of_them.logits(text[:, 5:6]), some.logits(text[[0, 2], 5:6])

    torch.testing.assert_close(found, wanted[[0, 2]], rtol=1e-4, atol=1e-4)


def test_past_the_context_the_model_reads_the_later_half():
    model, text = trained_like(), tokens(length=17)
    grown = Grown(model)
    with torch.inference_mode():
        grown.logits(text[:, :16])
        found, wanted = grown.logits(text[:, 16:]), model.head(model(text[:, -8:]))[:, -1]

    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_at_temperature_0_the_likeliest_token_is_taken():
    model, starts = trained_like(), prompts(5, 4)
    greedy = Sampling(max_tokens=6, temperature=0, forbidden=(STOP,))

    drawn = sample_tokens(model, starts, ids(5), greedy, stop=STOP)

    for start, text in zip(starts, drawn.tokens, strict=True):
        read = start
        for token in text:
            logits = model.head(model(torch.from_numpy(read)[None]))[0, -1].detach()
            logits[STOP] = -np.inf
            assert token == logits.argmax()
            read = np.r_[read, token]
    assert drawn.finish == ["length"] * 5


def test_tokens_come_as_often_as_the_model_says():
    model, count = trained_like(), 4000
    wanted = model.head(model(torch.tensor([[STOP, 7]])))[0, -1].detach().float()
    cap_(wanted)
    shares = torch.softmax(wanted * np.log(2), 0).numpy()

    one = Sampling(max_tokens=1)
    drawn = sample_tokens(model, [np.array([STOP, 7])] * count, ids(count), one, stop=-1)

    found = np.bincount([int(text[0]) for text in drawn.tokens], minlength=50)
    # 50 deviates of about one standard deviation each; 4.5 of them in one is 1 in 3,000.
    deviates = (found - count * shares) / np.sqrt(count * shares * (1 - shares))
    assert np.abs(deviates).max() < 4.5


def test_chance_belongs_to_the_document():
    model, starts, order = trained_like(), prompts(90), np.random.default_rng(0).permutation(90)
    how = Sampling(max_tokens=12, temperature=0.9, top_p=0.9, seed=5)

    one = sample_tokens(model, starts, ids(90), how, stop=STOP)
    other = sample_tokens(model, [starts[n] for n in order], ids(90)[order], how, stop=STOP)

    assert [one.tokens[n].tolist() for n in order] == [text.tolist() for text in other.tokens]
    assert [one.finish[n] for n in order] == other.finish
    again = sample_tokens(model, starts, ids(90), dataclasses.replace(how, seed=6), stop=STOP)
    assert [t.tolist() for t in again.tokens] != [t.tolist() for t in one.tokens]


def test_prompts_of_other_lengths_beside_it_do_not_change_what_follows_one():
    model, how = trained_like(), Sampling(max_tokens=9, seed=2)
    beyond = [prompts(1, length)[0] for length in (20, 25, 33, 40)]  # the context is 16
    starts = [*prompts(4, 2), *prompts(4, 5), *prompts(4, 3), *beyond]

    together = sample_tokens(model, starts, ids(16), how, stop=STOP)
    alone = [
        sample_tokens(model, [starts[n]], ids(16)[n : n + 1], how, stop=STOP) for n in range(16)
    ]

    assert [t.tolist() for t in together.tokens] == [one.tokens[0].tolist() for one in alone]


def test_a_document_ends_where_the_next_would_begin():
    model = trained_like()
    with torch.no_grad():
        model.head.weight[STOP] *= 3  # so that it is drawn now and then

    drawn = sample_tokens(model, prompts(200), ids(200), Sampling(max_tokens=10), stop=STOP)

    assert set(drawn.finish) == {"stop", "length"}
    for text, finish in zip(drawn.tokens, drawn.finish, strict=True):
        assert STOP not in text
        assert (len(text) == 10) == (finish == "length")


def test_what_is_forbidden_is_never_drawn():
    how = Sampling(max_tokens=16, forbidden=tuple(range(25, 50)))

    drawn = sample_tokens(trained_like(), prompts(64), ids(64), how, stop=STOP)

    assert max(int(text.max(initial=0)) for text in drawn.tokens) < 25


def test_a_run_writes_texts(tmp_path):
    run = trained_run(["the cat sat on the mat. " * 20] * 20, tmp_path, steps=40)

    texts, drawn = sample_texts(
        run, ids(3), Sampling(max_tokens=8, temperature=0), prompts=["the cat"] * 3
    )

    assert len(texts) == 3
    assert texts[0].as_py().startswith(" sat")
    assert drawn.tokens_per_second > 0


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"max_tokens": 0}, "draw at least 1"),
        ({"temperature": -1.0}, "at least 0"),
        ({"temperature": float("inf")}, "at least 0"),
        ({"temperature": float("nan")}, "at least 0"),
        ({"top_p": 0.0}, "share above 0"),
        ({"top_p": 1.5}, "share above 0"),
    ],
)
def test_settings_that_draw_nothing_are_refused(wrong, told):
    with pytest.raises(RecipeError, match=told):
        Sampling(**wrong)


def test_a_prompt_needs_the_first_token():
    with pytest.raises(RecipeError, match="led by the first token"):
        sample_tokens(trained_like(), [np.zeros(0, np.int64)], ids(1), Sampling(), stop=STOP)


def test_merged_ids_are_drawn_as_the_first_of_them_with_the_chance_of_all():
    model, count = trained_like(), 4000
    together = tuple(range(10, 30))
    plain, merged = (
        sample_tokens(model, [np.array([STOP, 7])] * count, ids(count), how, stop=-1)
        for how in (Sampling(max_tokens=1), Sampling(max_tokens=1, merged=together))
    )
    all_of_them, first = (
        np.mean([int(text[0]) in wanted for text in found.tokens])
        for found, wanted in ((plain, together), (merged, together[:1]))
    )

    assert first == pytest.approx(all_of_them, abs=0.045)  # 4 standard deviations
    assert not any(int(text[0]) in together[1:] for text in merged.tokens)
