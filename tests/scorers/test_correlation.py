from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from curator.errors import RecipeError
from curator.stage import Site
from curator.testing import corpus, example_texts, tiny_language_model
from scorers.concordance import Concordance
from scorers.correlation import Correlation
from tests.support.planted_losses import pool

EIGHT = tuple("abcdefgh")
ERRORS = tuple(np.linspace(0.2, 0.9, 8).tolist())


def planted(count=300, *, models=8, seed=0):
    """Return (N, K) bits; in every third document they rise with the models' errors."""
    random = np.random.default_rng(seed)
    bits = 400 + random.normal(size=(count, models))
    bits[::3] += 6 * np.linspace(0, 1, models)
    return bits


def fitted(scorer: Correlation, raw, folder: Path, target=None) -> Site:
    out = folder / "fit"
    out.mkdir()
    scorer.fit({"raw": raw, "target": target}, out, Site())
    return Site(fitted=out)


def scored(scorer: Correlation, folder: Path, bits, **told) -> pa.Table:
    raw, table = pool(folder, bits, **told)
    return scorer.process(scorer.load(fitted(scorer, raw, folder)), table)


def test_each_document_has_the_correlation_of_its_loss_with_the_errors(tmp_path: Path):
    bits = planted(30)
    found = scored(Correlation(EIGHT, errors=ERRORS), tmp_path, bits, shards=3)

    expected = [stats.spearmanr(row, ERRORS).statistic for row in bits]
    np.testing.assert_allclose(found["correlation"], expected, atol=1e-6)


@pytest.mark.parametrize("projection", ["linear", "l2"])
def test_the_budget_takes_its_share_of_the_bytes_from_the_top(projection, tmp_path: Path):
    size = np.random.default_rng(1).integers(200, 600, 300)
    scorer = Correlation(EIGHT, errors=ERRORS, rate=0.2, projection=projection)
    found = scored(scorer, tmp_path, planted(), shards=4, size=size)
    taken, estimates = (np.array(found[name]) for name in ("taken", "correlation"))

    assert (taken * size).sum() / size.sum() == pytest.approx(0.2, abs=1e-4)
    assert estimates[taken == 1].min() >= estimates[taken == 0].max()
    assert (taken[::3] > 0).mean() > 0.5  # what was planted


def test_only_the_last_one_taken_is_taken_in_part(tmp_path: Path):
    found = scored(Correlation(EIGHT, errors=ERRORS, rate=0.11), tmp_path, planted(100))
    taken = np.array(found["taken"])

    assert ((taken > 0) & (taken < 1)).sum() <= 1
    assert (taken == 1).sum() in (10, 11)


def test_the_choice_among_ties_does_not_depend_on_shards(tmp_path: Path):
    bits = np.tile(np.arange(8.0), (50, 1)) + 300
    (tmp_path / "one").mkdir()
    (tmp_path / "many").mkdir()
    scorer = Correlation(EIGHT, errors=ERRORS, rate=0.3)

    assert scored(scorer, tmp_path / "one", bits) == scored(
        scorer, tmp_path / "many", bits, shards=5
    )


def test_sources_share_the_estimate_of_all_their_bits_over_all_their_bytes(tmp_path: Path):
    bits = planted(90)
    sources = ["good", "plain", "plain"] * 30
    scorer = Correlation(EIGHT, errors=ERRORS, group="source", rate=0.4)
    found = scored(scorer, tmp_path, bits, sources=sources, shards=2)
    good = stats.spearmanr(bits[::3].mean(axis=0), ERRORS).statistic
    taken = np.array(found["taken"])

    np.testing.assert_allclose(np.array(found["correlation"])[::3], good, atol=1e-6)
    np.testing.assert_allclose(taken[::3], 1)
    np.testing.assert_allclose(taken[1::3], (0.4 - 1 / 3) / (2 / 3), atol=1e-6)


def test_small_sources_have_no_estimate(tmp_path: Path):
    scorer = Correlation(EIGHT, errors=ERRORS, group="source", rate=0.4)
    found = scored(scorer, tmp_path, planted(50), sources=["few"] * 20 + ["many"] * 30)

    assert found["correlation"].is_valid().to_pylist() == [False] * 20 + [True] * 30


def test_documents_of_few_tokens_or_without_losses_have_none(tmp_path: Path):
    tokens = np.array([31, 32, *[100] * 28])
    found = scored(
        Correlation(EIGHT, errors=ERRORS, rate=0.3), tmp_path, [*planted(29), None], tokens=tokens
    )

    assert found["taken"].is_valid().to_pylist() == [False, *[True] * 28, False]


def test_the_report_has_a_permutation_null_where_models_are_few(tmp_path: Path):
    scorer = Correlation(EIGHT, errors=ERRORS)
    raw, _ = pool(tmp_path, planted())
    report = json.loads((fitted(scorer, raw, tmp_path).fitted / "report.json").read_text())

    assert report["documents"] == report["permuted"]["documents"] == 300
    assert report["taken"] == 30
    assert report["permuted"]["p"] < 0.2


def test_errors_are_the_chance_that_models_miss_a_byte_of_the_target(tmp_path: Path):
    models = [tiny_language_model(tmp_path / f"m{n}", seed=n) for n in range(7)]
    models.append(tiny_language_model(tmp_path / "even", uniform=True))
    scorer = Correlation(tuple(map(str, models)), context=64)
    raw, _ = pool(tmp_path, planted())
    target = corpus(tmp_path / "target", example_texts("target", 6))
    errors = scorer.load(fitted(scorer, raw, tmp_path, target))["errors"]
    texts = next(target.tables(("text",)))["text"]
    losses = scorer.losses.measured(scorer.open_models(Site()), texts)

    np.testing.assert_allclose(errors, 1 - 2 ** -(losses.bits.sum(0) / losses.size.sum()))


@pytest.mark.parametrize(
    ("told", "bits", "message"),
    [
        ({"models": EIGHT[:7]}, planted(models=7), "7 models; wanted 8 or more"),
        ({"errors": (*ERRORS[:7], 1.1)}, planted(), r"wanted shares in \[0, 1\]"),
        ({"errors": ERRORS[:5]}, planted(), "5 errors for 8 models"),
        ({"errors": ERRORS, "rate": 1.0}, planted(), "rate=1.0; wanted a share"),
        ({"errors": ERRORS}, [None] * 9, "no document has losses enough"),
        ({"errors": ERRORS, "group": "source"}, planted(20), "no source has losses enough"),
        ({"errors": ERRORS}, planted(models=9), r"of \[9\] models, 8 are named"),
        (
            {"errors": ERRORS},
            [[np.nan, *range(7)], list(range(8))],
            r"\{'a': 1\} documents have no loss",
        ),
    ],
)
def test_what_cannot_be_correlated_is_refused(told, bits, message, tmp_path: Path):
    scorer = Correlation(**({"models": EIGHT} | told))
    raw, _ = pool(tmp_path, bits)
    with pytest.raises(RecipeError, match=message):
        fitted(scorer, raw, tmp_path)


def test_losses_are_made_once_for_all_that_compare_the_same_models(tmp_path: Path):
    models = tuple(str(tiny_language_model(tmp_path / f"m{n}", seed=n)) for n in range(2))
    told = {"documents": 7, "max_characters": 500, "context": 64, "stride": 48}
    both = [kind(models, **told).losses.identity() for kind in (Correlation, Concordance)]

    assert both[0] == both[1]
    assert both[0] != Correlation(models, documents=8).losses.identity()
