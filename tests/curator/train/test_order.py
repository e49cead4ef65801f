"""The order log: it holds every trained token in order, and says how often it came before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import LedgerError
from curator.identity import id_matrix
from curator.train.checkpoint import read_record
from curator.train.loader import Batches, open_mixture
from curator.train.loop import train
from curator.train.order import ORDER, _pieces, first_pieces, read_order
from curator.train.proxy import Proxy
from tests.support.mixtures import counting_documents, write_mixture

PROXY = Proxy(
    name="tiny", depth=1, width=16, heads=2, context=16, batch_tokens=64, precision="fp32"
)


def trained(tmp_path, tokens, documents=40, **more):
    mixture = write_mixture(tmp_path / "mixture", counting_documents(documents))
    train(mixture, PROXY, tokens=tokens, seed=1, order_seed=2, out=tmp_path / "run", **more)
    return open_mixture(mixture), tmp_path / "run"


@pytest.mark.parametrize("steps", [3, 15, 40])  # a window, nearly a lap, more than two laps
def test_batches_are_made_again_from_the_log(tmp_path, steps):
    mixture, run = trained(tmp_path, 64 * steps)
    batches = Batches(mixture, rows=4, context=16, order_seed=2, steps=steps)

    order = read_order(run)

    begins = mixture.offsets[order["row"].to_numpy()] + order["offset"].to_numpy()
    lengths = order["length"].to_numpy()
    parts = [mixture.tokens[b : b + n] for b, n in zip(begins, lengths, strict=True)]
    stream = np.concatenate(parts).astype(np.int64)
    inputs = np.concatenate([batches.batch(step)[0].ravel() for step in range(steps)])
    assert (stream == inputs).all()
    assert (order["step"].to_numpy() == order["position"].to_numpy() // 64).all()
    assert (order["offset"].to_numpy() + lengths <= mixture.lengths[order["row"].to_numpy()]).all()


def test_epochs_count_the_laps_of_a_document(tmp_path):
    mixture, run = trained(tmp_path, 64 * 60, documents=10)
    laps = 64 * 60 // mixture.n_tokens

    order = read_order(run)

    starts = order.filter(order["offset"].to_numpy() == 0)
    for row in range(10):
        epochs = starts.filter(starts["row"].to_numpy() == row)["epoch"].to_pylist()
        assert epochs == list(range(len(epochs)))
        assert len(epochs) in (laps, laps + 1)
    # A later piece is of the same epoch as the beginning of its document.
    latest = {}
    for row, offset, epoch in zip(
        *(order[name].to_pylist() for name in ("row", "offset", "epoch")), strict=True
    ):
        latest[row] = epoch if offset == 0 else latest[row]
        assert latest[row] == epoch


def test_a_piece_costs_fourteen_bytes(tmp_path):
    _, run = trained(tmp_path, 64 * 2000, documents=100)

    pieces = read_order(run).num_rows

    assert pieces > 5000
    assert (run / ORDER).stat().st_size < 14 * pieces + 4096


def test_first_pieces_name_each_document_once_in_the_order_it_was_first_begun(tmp_path):
    mixture, run = trained(tmp_path, 64 * 40)

    first = first_pieces(run, mixture)

    positions = first["position"].to_numpy()
    assert (np.diff(positions) > 0).all()
    assert first.num_rows == 40
    assert (id_matrix(first["doc_id"]) == mixture.doc_ids[first["row"].to_numpy()]).all()


def test_logs_of_other_mixtures_and_runs_without_one_are_refused(tmp_path):
    _, run = trained(tmp_path, 640)
    other = open_mixture(write_mixture(tmp_path / "other", counting_documents(41)))
    with pytest.raises(LedgerError, match="open the mixture"):
        first_pieces(run, other)

    (run / ORDER).unlink()
    with pytest.raises(LedgerError, match="train the proxy again"):
        read_order(run)


def test_the_log_agrees_with_the_coverage_of_the_record(tmp_path):
    mixture, run = trained(tmp_path, 64 * 9)

    order = read_order(run)

    sources = np.asarray(mixture.source_names)[mixture.sources[order["row"].to_numpy()]]
    coverage = read_record(run)["coverage"]
    for name in mixture.source_names:
        seen = order["length"].to_numpy()[sources == name].sum()
        assert seen == coverage[name]["seen"]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
    st.permutations(range(8)),
    st.integers(1, 7),
    st.integers(0, 8),
)
def test_pieces_are_the_longest_that_cross_no_border(lengths, order, batch, skip):
    lengths = np.asarray(lengths)
    begins = np.cumsum(lengths) - lengths
    order = [i for i in order if i < len(lengths)]
    places = np.concatenate([begins[i] + np.arange(lengths[i]) for i in order])[skip:]
    if len(places) == 0:
        return

    firsts, sizes = _pieces(places.astype(np.int64), begins, batch)

    joined = [first + np.arange(size) for first, size in zip(firsts, sizes, strict=True)]
    assert (np.concatenate(joined) == places).all()
    borders = {0, len(places)}
    for i in range(1, len(places)):
        if places[i] != places[i - 1] + 1 or i % batch == 0 or places[i] in begins:
            borders.add(i)
    assert [0, *np.cumsum(sizes)] == sorted(borders)
