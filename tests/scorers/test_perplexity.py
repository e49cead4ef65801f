from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.identity import fingerprint, settings_of
from curator.stage import Site
from curator.testing import check_scorer, documents, example_texts, tiny_language_model
from scorers.perplexity import Perplexity


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Perplexity:
    return Perplexity(model=str(tiny_language_model(tmp_path_factory.mktemp("model"))))


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained proxy in the folder that a finished run leaves."""
    from curator.train.checkpoint import save_weights
    from curator.train.model import Gpt
    from curator.train.proxy import proxy_of_depth
    from curator.train.tokenizer import train_bpe

    folder = tmp_path_factory.mktemp("proxy")
    train_bpe([pa.array(example_texts("target"))], 300, folder)
    settings = proxy_of_depth(1)
    save_weights(folder, Gpt(settings.shape(300), seed=1))
    record = {"status": "finished", "proxy": settings_of(settings), "vocab_size": 300}
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def scores(scorer: Perplexity, texts: list[str]) -> pa.Table:
    return scorer.process(scorer.load(Site()), documents(texts))


def test_bits_per_byte_of_a_uniform_model_are_tokens_times_log_vocabulary(tmp_path: Path):
    uniform = Perplexity(model=str(tiny_language_model(tmp_path, uniform=True)))
    text = "Jürgen misst Höhen."
    found = scores(uniform, [text])
    size = uniform.load(Site()).tokenizer.get_vocab_size()
    expected = found["scored_tokens"][0].as_py() * np.log2(size) / len(text.encode())

    assert found["bits_per_byte"][0].as_py() == pytest.approx(expected, abs=0.00006)  # the grid


def test_a_text_without_tokens_has_no_score(scorer: Perplexity):
    assert scores(scorer, [""]).to_pylist() == [{"bits_per_byte": None, "scored_tokens": None}]


def test_lower_is_better(scorer: Perplexity):
    assert scorer.writes.field(0).metadata[b"better"] == b"lower"
    assert scorer.writes.names[0] == "bits_per_byte"


def test_only_the_beginning_is_scored_and_divided_by_its_own_bytes(scorer: Perplexity):
    short = replace(scorer, max_characters=12)

    assert scores(short, ["twelve chars and more"]) == scores(scorer, ["twelve chars"])


def test_our_own_proxy_keeps_the_contract(proxy: Path):
    scored = check_scorer(Perplexity(model=str(proxy), context=128, stride=64))

    # An untrained proxy is nearly uniform over its 300 tokens.
    tokens = np.array(scored["scored_tokens"].to_pylist()[:8])
    sizes = documents_bytes()
    expected = tokens * np.log2(300) / sizes
    np.testing.assert_allclose(scored["bits_per_byte"].to_pylist()[:8], expected, rtol=0.01)


def documents_bytes() -> np.ndarray:
    from curator.testing import awkward_documents

    return np.array([len(text.encode()) for text in awkward_documents()["text"].to_pylist()[:8]])


def test_where_a_model_lies_is_not_identity_but_what_it_is(
    scorer: Perplexity, proxy: Path, tmp_path: Path
):
    shutil.copytree(scorer.model, tmp_path / "moved")
    moved = replace(scorer, model=str(tmp_path / "moved"))
    other = replace(scorer, model=str(tiny_language_model(tmp_path / "other", seed=1)))

    assert fingerprint(moved.identity()) == fingerprint(scorer.identity())
    assert fingerprint(other.identity()) != fingerprint(scorer.identity())


def test_how_long_a_proxy_trained_is_not_identity(proxy: Path, tmp_path: Path):
    shutil.copytree(proxy, tmp_path / "slow")
    record = json.loads((proxy / "run.json").read_text())
    (tmp_path / "slow" / "run.json").write_text(json.dumps({**record, "seconds": 9}))
    before, after = (Perplexity(model=str(path)).identity() for path in (proxy, tmp_path / "slow"))

    assert before == after


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "model is missing"),
        ({"model": "x", "stride": 0}, "wanted 1 <= stride <= context"),
        ({"model": "x", "stride": 65, "context": 64}, "wanted 1 <= stride <= context"),
        ({"model": "x", "max_characters": 0}, "wanted 1 or more"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict, message: str):
    with pytest.raises(RecipeError, match=message):
        Perplexity(**settings)
