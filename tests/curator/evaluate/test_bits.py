"""Bits per byte: every token once, independent of the batch, exact for a uniform model."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import BudgetError, LedgerError
from curator.evaluate import bits as measure
from curator.evaluate import prepack
from curator.evaluate.windows import cut_windows
from curator.identity import document_ids
from curator.train.loop import train
from curator.train.model import Gpt
from curator.train.proxy import Proxy, Shape
from curator.train.tokenizer import digest, encode, load_tokenizer, train_bpe
from tests.support.mixtures import write_mixture

TEXTS = ["one two three " * 9, "", "naïve", "12345 " * 40, "two one " * 3]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return train_bpe([pa.array(TEXTS)], 300, tmp_path_factory.mktemp("bpe"))


@pytest.fixture(scope="module")
def run(tokenizer, tmp_path_factory):
    """Return a finished run of a tiny proxy on TEXTS."""
    folder = tmp_path_factory.mktemp("run")
    loaded = load_tokenizer(tokenizer)
    offsets, ids = encode(loaded, pa.array(TEXTS * 4))
    documents = [("s", ids[a + 1 : b].tolist()) for a, b in itertools.pairwise(offsets)]
    mixture = write_mixture(folder / "mixture", documents, vocab_size=300)
    description = json.loads((mixture / "mixture.json").read_text())
    described = {**description, "tokenizer_digest": digest(tokenizer)}
    (mixture / "mixture.json").write_text(json.dumps(described))
    proxy = Proxy(depth=1, width=16, heads=2, context=16, batch_tokens=64)
    train(mixture, proxy, tokens=64 * 12, seed=1, order_seed=1, out=folder / "run")
    return folder / "run"


def table(texts, source="s"):
    ids = document_ids(source, pa.array(texts))
    return pa.table({"doc_id": ids, "source": [source] * len(texts), "text": pa.array(texts)})


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(1, 17))
def test_windows_score_every_token_but_the_first_exactly_once(lengths, context):
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    windows = cut_windows(offsets, context)

    scored = [
        place
        for start, stop in zip(windows.first, windows.stop, strict=True)
        for place in range(start, stop)
    ]

    expected = sorted(set(range(offsets[-1])) - set(offsets[:-1].tolist()))
    assert sorted(scored) == expected
    assert (windows.inputs <= context).all()
    assert (windows.first > windows.start).all()


def test_later_tokens_have_at_least_half_a_context_before_them():
    windows = cut_windows(np.array([0, 100]), 16)

    assert (windows.first - windows.start)[1:].min() > 8


def test_a_uniform_model_needs_log2_of_the_vocabulary_a_token(tokenizer):
    model = Gpt(Shape(vocab_size=300, context=16, depth=1, width=8, heads=1))
    with torch.no_grad():
        model.head.weight.zero_()
    offsets, ids = encode(load_tokenizer(tokenizer), pa.array(TEXTS))

    found = measure.document_bits(model, offsets, ids)

    np.testing.assert_allclose(found, (np.diff(offsets) - 1) * math.log2(300), rtol=1e-6)


def test_bits_agree_with_one_plain_pass_over_a_short_document(run, tokenizer):
    model = measure.load_model(run)
    _, ids = encode(load_tokenizer(tokenizer), pa.array(["two one"]))
    tokens = torch.from_numpy(ids.astype(np.int64))[None]

    found = measure.bits_per_byte(run, table(["two one"]), tokenizer)

    expected = model.bits(tokens[:, :-1], tokens[:, 1:]).sum().item()
    assert found["bits"][0].as_py() == pytest.approx(expected, rel=1e-5)
    assert found["bytes"][0].as_py() == 7


def test_a_documents_bits_do_not_depend_on_its_batch(run, tokenizer, monkeypatch):
    together = measure.bits_per_byte(run, table(TEXTS), tokenizer)["bits"].to_numpy()
    alone = [
        measure.bits_per_byte(run, table([text]), tokenizer)["bits"][0].as_py() for text in TEXTS
    ]
    monkeypatch.setattr(prepack, "BATCH_TOKENS", 40)
    cut = measure.bits_per_byte(run, table(TEXTS), tokenizer)["bits"].to_numpy()

    # Other batch shapes may take other float32 kernels; 1e-4 is what the module promises.
    np.testing.assert_allclose(together, alone, rtol=1e-4)
    np.testing.assert_allclose(together, cut, rtol=1e-4)


def test_rows_keep_their_order_and_bytes_are_utf8(run, tokenizer):
    texts = table(TEXTS)

    found = measure.bits_per_byte(run, texts, tokenizer)

    assert found["doc_id"].to_pylist() == texts["doc_id"].to_pylist()
    assert found["bytes"].to_pylist() == [len(text.encode()) for text in TEXTS]
    assert found["bits"][1].as_py() == 0


def test_progress_ends_at_all_windows(run, tokenizer):
    seen = []

    measure.bits_per_byte(
        run, table(TEXTS), tokenizer, progress=lambda done, total: seen.append((done, total))
    )

    assert seen[-1][0] == seen[-1][1]


def test_no_documents_give_an_empty_table(run, tokenizer):
    empty = table(["x"]).slice(0, 0)

    assert measure.bits_per_byte(run, empty, tokenizer).num_rows == 0


def test_a_source_is_all_its_bits_over_all_its_bytes():
    bits = pa.table(
        {
            "source": ["b", "a", "a"],
            "bits": [4.0, 10.0, 2.0],
            "bytes": [2, 3, 3],
        }
    )

    sources = measure.by_source(bits)

    assert sources == {"a": 2.0, "b": 2.0}
    assert list(sources) == ["a", "b"]
    assert measure.macro({"a": 1.0, "b": 3.0}) == 2.0


def test_nothing_to_measure_on_is_refused():
    with pytest.raises(BudgetError, match="no text"):
        measure.by_source(pa.table({"source": ["a"], "bits": [0.0], "bytes": [0]}))
    with pytest.raises(BudgetError, match="nothing was held out"):
        measure.macro({})


def test_another_tokenizer_is_refused(run, tmp_path):
    other = train_bpe([pa.array(TEXTS)], 262, tmp_path)

    with pytest.raises(LedgerError, match="another tokenizer"):
        measure.bits_per_byte(run, table(TEXTS), other)


def test_an_unfinished_run_is_refused(tmp_path, tokenizer):
    with pytest.raises(LedgerError, match="only a finished run"):
        measure.bits_per_byte(tmp_path, table(TEXTS), tokenizer)
