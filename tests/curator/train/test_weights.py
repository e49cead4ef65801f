"""Weights of documents: from the index to the loss, unbiased, and never halfway."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from curator.errors import LedgerError, RecipeError
from curator.identity import document_ids, id_matrix
from curator.mix.draw import draw
from curator.mix.spec import MixSpec
from curator.mix.tokens import Encoded, write_tokens
from curator.train.conduct import Conduct
from curator.train.loader import Batches, open_mixture
from curator.train.loop import train
from curator.train.model import Gpt
from curator.train.pick import Pick
from curator.train.proxy import Proxy
from curator.train.prune import Prune
from curator.train.reweight import Reweight
from tests.support.mixtures import counting_documents, write_mixture

PROXY = Proxy(
    name="tiny", depth=1, width=16, heads=2, context=16, batch_tokens=64, precision="fp32"
)
COUNT = 60
HEAVY = np.random.default_rng(0).uniform(1, 5, COUNT)


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    return write_mixture(folder / "mixture", counting_documents(COUNT), weights=HEAVY)


def test_a_target_counts_by_the_document_it_is_of(mixture):
    opened = open_mixture(mixture)
    batches = Batches(opened, rows=4, context=16, order_seed=1, steps=10)
    places = batches.positions(64, 129)[1:]
    document = np.searchsorted(opened.offsets, places, side="right") - 1

    found = batches.weights(1)

    assert np.array_equal(found.ravel(), opened.weights[document])
    assert Batches(open_mixture(mixture), rows=4, context=16, order_seed=1).weights(1) is not None


def test_a_step_minimizes_the_weighted_mean(mixture, tmp_path):
    plain = write_mixture(tmp_path / "plain", counting_documents(COUNT))
    even = write_mixture(tmp_path / "even", counting_documents(COUNT), weights=[3.0] * COUNT)
    budget = {"tokens": 64 * 12, "seed": 1, "order_seed": 2}
    runs = {
        name: train(folder, PROXY, **budget, out=tmp_path / f"run-{name}")
        for name, folder in (("plain", plain), ("even", even), ("heavy", mixture))
    }
    batches = Batches(open_mixture(mixture), rows=4, context=16, order_seed=2, steps=12)
    inputs, targets = (torch.from_numpy(part) for part in batches.batch(0))
    bits = Gpt(PROXY.shape(64), seed=1).bits(inputs, targets).double().numpy() * np.log(2)
    weights = batches.weights(0)

    assert runs["heavy"].first_loss == pytest.approx(
        (bits * weights).sum() / weights.sum(), rel=1e-5
    )
    assert runs["even"].final_loss == pytest.approx(runs["plain"].final_loss, rel=1e-4)
    assert runs["heavy"].final_loss != runs["plain"].final_loss


def test_a_weighted_sum_over_what_was_drawn_is_on_average_that_over_the_pool():
    """Losses of a model by document; 3 standard errors over 3,000 Poisson draws."""
    model = Gpt(PROXY.shape(64), seed=3)
    sums = []
    for _, ids in counting_documents(COUNT):
        row = torch.tensor([[0, *ids[:15]]])
        sums.append(float(model.bits(row[:, :-1], row[:, 1:]).sum()))
    losses, chance = np.array(sums), 1 / HEAVY
    drawn = np.random.default_rng(1).random((3000, COUNT)) < chance

    found = (drawn * HEAVY * losses).sum(1)

    assert abs(found.mean() - losses.sum()) < 3 * found.std() / np.sqrt(3000)


def test_weights_go_from_a_selection_through_a_draw_to_the_index_and_name_it(tmp_path):
    texts = [f"document {n}" for n in range(8)]
    ids = document_ids("web", pa.array(texts))
    rows = pa.table(
        {
            "doc_id": ids,
            "source": ["web"] * 8,
            "tokens": pa.array([3] * 8, pa.uint32()),
            "copies": pa.array([1] * 8, pa.uint32()),
            "key": [0.0] * 8,
        }
    )
    content = np.tile([0, 5, 6], 8).astype(np.uint32)
    encoded = Encoded(id_matrix(ids), np.arange(9) * 3, content)
    weights = np.linspace(1, 4, 8).astype(np.float32)
    hashes = []
    for name, chosen in (
        ("plain", rows),
        ("weighed", rows.append_column("weight", pa.array(weights))),
        ("heavier", rows.append_column("weight", pa.array(weights * 2))),
    ):
        notes = write_tokens(
            draw(chosen, MixSpec(), 48), [encoded], tmp_path / name,
            tokenizer_digest="0" * 32, vocab_size=64, bos_id=0,
        )  # fmt: skip
        hashes.append(notes["draw_hash"])
        assert notes.get("weighted", False) == (name != "plain")

    opened = open_mixture(tmp_path / "weighed")
    known = dict(zip(map(bytes, id_matrix(ids)), weights.tolist(), strict=True))
    assert len(opened.weights) == 16  # each drawn twice
    assert [known[bytes(one)] for one in opened.doc_ids] == opened.weights.tolist()
    assert open_mixture(tmp_path / "plain").weights is None
    assert len(set(hashes)) == 3


def test_weights_that_are_no_weights_are_refused(tmp_path):
    folder = write_mixture(tmp_path / "m", counting_documents(3), weights=[1.0, 0.0, 2.0])

    with pytest.raises(LedgerError, match=r"from 0\.0 to 2\.0; wanted numbers above 0"):
        open_mixture(folder)


@pytest.mark.parametrize(
    "conduct",
    [
        Conduct(pick=Pick(method="uniform", keep=0.5)),
        Conduct(prune=Prune(method="full", epochs=4)),
        Conduct(reweight=Reweight()),
    ],
    ids=["pick", "prune", "reweight"],
)
def test_weights_and_another_choice_of_rows_are_refused(mixture, tmp_path, conduct):
    with pytest.raises(RecipeError, match=r"documents have weights.* leave out `pick`"):
        train(
            mixture, PROXY, tokens=64 * 100 if conduct.pick else 64 * 16, seed=1, order_seed=2,
            out=tmp_path / "run", conduct=conduct,
        )  # fmt: skip
