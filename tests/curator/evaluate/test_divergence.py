from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from curator.evaluate.divergence import apart, jensen_shannon
from tests.support.asked import seeing_model, small_tokenizer

LN2 = math.log(2)
TEXTS = ["the cat sat on a mat", "", "two naïve dogs barked " * 30, "it ran"]


class Asked:
    """A small model as scorers ask it."""

    def __init__(self, folder: Path, shake: float = 0.0):
        self.tokenizer = small_tokenizer(folder)
        self.first_token, self.context = 0, 64
        self.model = seeing_model()
        random = torch.Generator().manual_seed(7)
        with torch.no_grad():
            for weight in self.model.parameters():
                weight += shake * torch.randn(weight.shape, generator=random)

    def logits(self, tokens: np.ndarray) -> torch.Tensor:
        with torch.no_grad():
            return self.model.head(self.model(torch.from_numpy(tokens))).float()


@given(st.integers(0, 10_000), st.floats(0, 1), st.integers(2, 50))
def test_it_is_that_of_scipy_symmetric_and_in_range_with_zero_probabilities(
    seed: int, zeros: float, size: int
):
    rng = np.random.default_rng(seed)
    p, q = rng.uniform(size=(2, size)) ** 4 * (rng.uniform(size=(2, size)) >= zeros)
    p[0], q[-1] = 1, 1  # some mass each
    p, q = p / p.sum(), q / q.sum()
    one, other = (torch.log(torch.tensor(each, dtype=torch.float32)) for each in (p, q))
    found = float(jensen_shannon(one, other))

    assert found == pytest.approx(jensenshannon(p, q) ** 2, abs=1e-6)
    assert found == float(jensen_shannon(other, one))
    assert 0 <= found <= LN2


def test_distributions_without_a_common_token_are_log_two_apart():
    one = torch.tensor([0.0, -math.inf])

    assert float(jensen_shannon(one, one.flip(0))) == pytest.approx(LN2)
    assert float(jensen_shannon(one, one)) == 0


def test_a_model_is_not_apart_from_itself_and_more_the_more_it_is_shaken(tmp_path: Path):
    model = Asked(tmp_path / "a")
    shaken = [Asked(tmp_path / str(n), shake) for n, shake in enumerate((0.0, 0.01, 0.3))]
    far = [apart(other, model, TEXTS, context=64).divergence for other in shaken]

    assert far[0] == pytest.approx(np.zeros(4), abs=1e-6)
    assert (far[1][[0, 2, 3]] > 0).all()
    assert (far[2][[0, 2, 3]] > far[1][[0, 2, 3]]).all()
    assert max(far[2]) <= LN2


def test_the_mean_over_tokens_and_the_gap_are_those_of_one_plain_pass(tmp_path: Path):
    model, other = Asked(tmp_path / "a"), Asked(tmp_path / "b", 0.2)
    found = apart(other, model, TEXTS, context=64)
    ids = [0, *model.tokenizer.encode(TEXTS[0], add_special_tokens=False).ids]
    logs = [
        torch.log_softmax(each.logits(np.array([ids[:-1]]))[0], 1).double()
        for each in (other, model)
    ]
    wanted = torch.tensor(ids[1:])[:, None]
    nats = [-each.gather(1, wanted).mean().item() for each in logs]
    plain = [jensenshannon(*(each[at].exp() for each in logs)) ** 2 for at in range(len(wanted))]

    assert found.divergence[0] == pytest.approx(np.mean(plain), abs=1e-6)
    assert found.gap[0] == pytest.approx(nats[0] - nats[1], abs=1e-5)
    assert found.n_tokens.tolist()[:2] == [len(ids) - 1, 0]
    assert found.divergence[1] == 0


def test_a_document_is_as_far_alone_as_beside_others(tmp_path: Path):
    model, other = Asked(tmp_path / "a"), Asked(tmp_path / "b", 0.2)
    together = apart(other, model, TEXTS, context=64).divergence

    for row, text in enumerate(TEXTS):
        assert apart(other, model, [text], context=64).divergence[0] == together[row]
