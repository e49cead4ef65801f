from __future__ import annotations

import hashlib
import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from curator.errors import RecipeError
from curator.stage import Site
from curator.testing import corpus, documents, example_texts
from curator.text.buckets import bucket_counts
from scorers.ngrams import Ngrams, effective_share, log_ratios

TARGET = example_texts("target", 60)
RAW = [*example_texts("raw", 300), *TARGET[:10]]
SUM = Ngrams(normalize="sum", buckets=500)
MEAN = Ngrams(normalize="per_ngram", buckets=500)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ngrams")
    corpora = {"target": corpus(folder / "t", TARGET), "raw": corpus(folder / "r", RAW, shards=3)}
    SUM.fit(corpora, folder, Site())
    return folder


def scores(scorer: Ngrams, fitted: Path, texts: list[str]) -> np.ndarray:
    model = scorer.load(Site(fitted=fitted))
    column = scorer.process(model, documents(texts))["log_ratio"]
    return np.array(column.to_pylist(), dtype=float)


def test_text_like_the_target_scores_above_text_like_the_rest(fitted: Path):
    like_target = scores(MEAN, fitted, example_texts("target", 90)[60:])
    like_raw = scores(MEAN, fitted, example_texts("raw", 330)[300:])

    assert like_target.min() > like_raw.max()


def test_the_score_is_counts_times_log_ratios(fitted: Path):
    texts = documents([*TARGET[:5], *RAW[:5]])["text"]
    indptr, indices, counts = bucket_counts(texts, 500, 2)
    dense = csr_matrix((counts, indices, indptr), shape=(10, 500)).toarray()
    expected = dense @ np.load(fitted / "log_ratio.npy")

    np.testing.assert_allclose(scores(SUM, fitted, texts.to_pylist()), expected, rtol=1e-5)


# Weights are by bucket, so those fitted on bigrams serve unigrams as well. Unigrams, because two
# copies of a text meet at one bigram more than twice the bigrams.
def test_repeating_a_text_doubles_the_sum(fitted: Path):
    scorer = Ngrams(buckets=500, max_n=1, normalize="sum")
    once, twice = scores(scorer, fitted, [TARGET[0], f"{TARGET[0]} {TARGET[0]}"])

    assert twice == pytest.approx(2 * once, rel=1e-6)


def test_repeating_a_text_leaves_the_mean_alone(fitted: Path):
    scorer = Ngrams(buckets=500, max_n=1)
    once, twice = scores(scorer, fitted, [TARGET[0], f"{TARGET[0]} {TARGET[0]}"])

    assert twice == pytest.approx(once, rel=1e-6)


def test_a_text_without_tokens_has_no_score(fitted: Path):
    assert np.isnan(scores(MEAN, fitted, ["", " \n"])).all()


def test_short_documents_can_be_left_out(fitted: Path):
    found = scores(
        Ngrams(buckets=500, min_tokens=4), fitted, ["one two three", "one two three four"]
    )

    assert np.isnan(found).tolist() == [True, False]


def test_a_bucket_that_nothing_fills_has_a_finite_weight():
    ratios = log_ratios(np.array([5.0, 0.0, 0.0]), np.array([5.0, 100.0, 0.0]), 10.0)

    assert np.isfinite(ratios).all()
    assert ratios[1] == pytest.approx(np.log(10 / 15))  # only the prior speaks


def test_log_ratios_follow_the_dirichlet_prior_formula():
    target, raw = np.array([3.0, 1.0]), np.array([10.0, 30.0])
    p_raw = np.array([11, 31]) / 42
    expected = np.log((target + 2 * p_raw) / 6 / p_raw)

    np.testing.assert_allclose(log_ratios(target, raw, 2.0), expected)


def test_a_target_that_is_the_raw_text_weighs_nothing():
    raw = np.array([10_000.0, 30_000.0, 20_000.0])

    np.testing.assert_allclose(log_ratios(raw, raw, 1.0), 0.0, atol=1e-3)  # Laplace's one


def test_the_report_says_how_even_the_weights_are(fitted: Path):
    report = json.loads((fitted / "report.json").read_text())

    assert report["documents_measured"] == 310
    assert 0 < report["effective_share_sum"] < report["effective_share_per_ngram"] <= 1


def test_effective_share_is_kishs():
    assert effective_share(np.zeros(7)) == 1.0
    assert effective_share(np.array([0.0, -800.0, -800.0, -800.0])) == 0.25


def test_an_empty_target_is_refused(tmp_path: Path):
    corpora = {"target": corpus(tmp_path / "t", [" "]), "raw": corpus(tmp_path / "r", RAW)}

    with pytest.raises(RecipeError, match="role 'target' has no n-grams"):
        MEAN.fit(corpora, tmp_path, Site())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"smoothing": -1.0}, "or 0 for the floor"),
        ({"smoothing": float("inf")}, "or 0 for the floor"),
        ({"buckets": 1}, "wanted at least 2"),
        ({"max_n": 0}, "wanted at least 2 and 1"),
        ({"hash": "md5"}, "'own' or 'sha256'"),
        ({"normalize": "mean"}, "'per_ngram' or 'sum'"),
        ({"hash": "sha256", "buckets": 1 << 21}, "at most 1,048,576"),
    ],
)
def test_settings_that_no_weights_can_follow_are_refused(settings: dict, said: str):
    with pytest.raises(RecipeError, match=said):
        Ngrams(**settings)


def reference_weights(target: list[str], raw: list[str]) -> list[float]:
    """The log importance weight of each raw text, written after the paper's code, in Python."""

    def counts(text: str) -> np.ndarray:
        words = re.findall(r"\w+|[^\w\s]+", text.lower())
        found = np.zeros(10_000, int)
        for gram in [*words, *(" ".join(pair) for pair in pairwise(words))]:
            found[int(hashlib.sha256(gram.encode()).hexdigest(), 16) % 10_000] += 1
        return found

    p_target, p_raw = (sum(counts(text) for text in texts) for texts in (target, raw))
    weights = np.log(p_target / p_target.sum() + 1e-8) - np.log(p_raw / p_raw.sum() + 1e-8)
    return [float(weights @ counts(text)) for text in raw]


def test_the_papers_settings_give_the_papers_weights(tmp_path: Path):
    target = [*example_texts("target", 800), "İstanbul ΟΔΥΣΣΕΥΣ, don't 3.14 — ½!"]
    raw = [*RAW, "ΟΔΥΣΣΕΥΣ 漢字 a_b", " ".join(target[:3])]
    scorer = Ngrams(normalize="sum", smoothing=0, hash="sha256")
    corpora = {"target": corpus(tmp_path / "t", target), "raw": corpus(tmp_path / "r", raw)}
    scorer.fit(corpora, tmp_path, Site(threads=2))

    assert scores(scorer, tmp_path, raw).tolist() == pytest.approx(
        reference_weights(target, raw), rel=1e-6
    )


def test_without_smoothing_a_small_target_is_refused_with_what_to_do(tmp_path: Path):
    corpora = {"target": corpus(tmp_path / "t", TARGET), "raw": corpus(tmp_path / "r", RAW)}

    with pytest.raises(RecipeError, match=r"wanted 10,000.*set `smoothing: 10_000`"):
        Ngrams(smoothing=0).fit(corpora, tmp_path, Site())


@pytest.mark.parametrize("other", [{"buckets": 400}, {"buckets": 500, "hash": "sha256"}])
def test_buckets_that_differ_between_fit_and_score_are_refused(fitted: Path, other: dict):
    with pytest.raises(RecipeError, match="the weight of one bucket says nothing of another"):
        Ngrams(**other).load(Site(fitted=fitted))


def test_threads_and_shards_do_not_change_what_is_fitted(fitted: Path, tmp_path: Path):
    corpora = {"target": corpus(tmp_path / "t", TARGET), "raw": corpus(tmp_path / "r", RAW)}
    SUM.fit(corpora, tmp_path, Site(threads=3))

    for name in ("log_ratio.npy", "report.json"):
        assert (tmp_path / name).read_bytes() == (fitted / name).read_bytes()
