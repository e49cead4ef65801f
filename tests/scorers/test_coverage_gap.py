from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.embed.vectors import Embed
from curator.errors import LedgerError, RecipeError
from curator.score.heldout import auc
from curator.stage import Corpus, Site
from scorers.coverage_gap import CoverageGap
from tests.support.vectors import corpus_of, embedded

DOMAINS = 6


class Known:
    """An encoder whose texts are rows of a matrix: "text 12 x x" is row 12."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors
        self.dimensions = vectors.shape[1]

    def encode(self, texts: list[str]) -> np.ndarray:
        return self.vectors[[int(text.split()[1]) for text in texts]]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[pa.Table, np.ndarray]:
    """Six domains of documents with vectors, and which domain each is of."""
    rng = np.random.default_rng(5)
    middles = rng.normal(size=(DOMAINS, 24))
    domain = rng.integers(DOMAINS, size=3000)
    vectors = middles[domain] + rng.normal(size=(3000, 24)) * 0.6
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    monkeypatch.setattr("scorers.coverage_gap.encoder_digest", lambda _: "known")
    monkeypatch.setattr(Embed, "load", lambda *_: Known(vectors))
    return embedded(vectors), domain


def fitted(scorer: CoverageGap, table: pa.Table, known: np.ndarray, folder: Path) -> Site:
    reference = table.filter(pa.array(known))
    corpora: dict[str, Corpus] = {
        "reference": corpus_of(reference, folder / "reference", 2),
        "raw": corpus_of(table, folder / "raw", 3),
    }
    scorer.fit(corpora, folder, Site())
    return Site(fitted=folder)


@pytest.mark.parametrize("estimator", ["kernels", "nearest"])
def test_a_domain_that_the_reference_lacks_is_recovered(
    estimator: str, world: tuple[pa.Table, np.ndarray], tmp_path: Path
):
    table, domain = world
    half = np.arange(len(domain)) % 2 == 0
    scorer = CoverageGap(estimator=estimator, dimensions=10)
    site = fitted(scorer, table, (domain != 0) & half, tmp_path)

    gaps = scorer.process(scorer.load(site), table)["gap"].to_numpy()[~half]

    missing = domain[~half] == 0
    assert auc(gaps[missing], gaps[~missing]) > 0.9  # the claim's bar (R9)
    # A tenth of what the reference covers is as rare as its own rarest tenth, by definition.
    assert 0.05 < np.mean(gaps[~missing] > 0) < 0.2
    assert np.mean(gaps[missing] > 0) > 0.5


def test_what_is_outside_is_what_is_above_zero(world: tuple[pa.Table, np.ndarray], tmp_path: Path):
    table, domain = world
    scorer = CoverageGap(dimensions=5)
    scores = scorer.process(scorer.load(fitted(scorer, table, domain != 0, tmp_path)), table)

    outside = np.array(scores["side"].to_pylist()) == "outside"
    np.testing.assert_array_equal(outside, scores["gap"].to_numpy() > 0)


def test_the_report_says_how_much_of_the_pool_is_outside(
    world: tuple[pa.Table, np.ndarray], tmp_path: Path
):
    table, domain = world
    fitted(CoverageGap(dimensions=10), table, domain > 2, tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())

    assert report["references"] == int((domain > 2).sum())
    assert report["dimensions"] == 10
    assert 0.3 < report["pool_outside_share"] < 0.7


def test_a_text_without_tokens_has_no_gap(world: tuple[pa.Table, np.ndarray], tmp_path: Path):
    table, domain = world
    scorer = CoverageGap(dimensions=5)
    site = fitted(scorer, table, domain != 0, tmp_path)
    bare = embedded(np.zeros((2, 24), np.float32))

    scores = scorer.process(scorer.load(site), bare)
    assert scores["gap"].to_pylist() == scores["side"].to_pylist() == [None, None]


def test_vectors_that_are_not_finite_are_refused(
    world: tuple[pa.Table, np.ndarray], tmp_path: Path
):
    table, domain = world
    scorer = CoverageGap(dimensions=5)
    site = fitted(scorer, table, domain != 0, tmp_path)
    broken = embedded(np.full((2, 24), np.nan, np.float32))

    with pytest.raises(RecipeError, match="not finite"):
        scorer.process(scorer.load(site), broken)


def test_a_density_of_another_encoder_is_refused(
    world: tuple[pa.Table, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    table, domain = world
    scorer = CoverageGap(dimensions=5)
    site = fitted(scorer, table, domain != 0, tmp_path)
    monkeypatch.setattr("scorers.coverage_gap.encoder_digest", lambda _: "another")

    with pytest.raises(RecipeError, match="vectors of one encoder"):
        scorer.load(site)
    with pytest.raises(LedgerError, match="wanted the folder of its fit"):
        scorer.load(Site())


def test_too_few_references_are_refused(world: tuple[pa.Table, np.ndarray], tmp_path: Path):
    table, _ = world
    few = np.arange(table.num_rows) < 40

    with pytest.raises(RecipeError, match="40 vectors in 5 dimensions"):
        fitted(CoverageGap(dimensions=5), table, few, tmp_path)
    with pytest.raises(RecipeError, match="wanted fewer"):
        fitted(
            CoverageGap(dimensions=2, estimator="nearest", k=40), table, few, tmp_path / "nearest"
        )


@pytest.mark.parametrize(
    "setting",
    [{"dimensions": 0}, {"k": 0}, {"estimator": "guess"}, {"percentile": 101.0},
     {"least_variance": 0.0}],
)  # fmt: skip
def test_settings_that_mean_nothing_are_refused(setting: dict):
    with pytest.raises(RecipeError, match="wanted"):
        replace(CoverageGap(), **setting)
