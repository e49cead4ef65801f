from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from curator.errors import RecipeError
from curator.stage import Site
from curator.testing import corpus, example_texts, tiny_language_model
from scorers.concordance import Concordance
from tests.support.planted_losses import loss_table, pool

FOUR = ("a", "b", "c", "d")
ABLE = (1.0, 2.0, 3.0, 4.0)


def planted(count=400, *, models=4, slope=0.5, seed=0):
    """Return (N, K) bits that fall with ability, with noise of one bit."""
    random = np.random.default_rng(seed)
    return 200 + random.normal(size=(count, models)) - slope * np.arange(models)


def fitted(scorer: Concordance, raw, folder: Path, target=None) -> Site:
    out = folder / "fit"
    out.mkdir()
    scorer.fit({"raw": raw, "target": target}, out, Site())
    return Site(fitted=out)


def test_the_abler_models_must_need_fewer_bits(tmp_path: Path):
    scorer = Concordance(FOUR, abilities=ABLE)
    raw, _ = pool(tmp_path, planted(), shards=3)
    model = scorer.load(fitted(scorer, raw, tmp_path))
    found = scorer.process(model, loss_table([[4, 3, 2, 1], [1, 2, 3, 4], [4, 3, 1, 2], None]))

    assert found["concordance"].to_pylist() == [6, 0, 5, None]


def test_normalized_is_the_share_of_pairs(tmp_path: Path):
    scorer = Concordance(FOUR, abilities=ABLE, normalized=True)
    found = scorer.process(np.array(ABLE), loss_table([[4, 3, 2, 1], [4, 3, 1, 2]]))

    assert found["concordance"].to_pylist() == [1, pytest.approx(5 / 6)]


def test_documents_of_few_tokens_have_no_score():
    scorer = Concordance(FOUR, abilities=ABLE)
    found = scorer.process(np.array(ABLE), loss_table([[4, 3, 2, 1]] * 2, tokens=[31, 32]))

    assert found["concordance"].to_pylist() == [None, 6]


def test_the_report_says_what_chance_would_explain(tmp_path: Path):
    scorer = Concordance(FOUR, abilities=ABLE)
    raw, _ = pool(tmp_path, planted())
    site = fitted(scorer, raw, tmp_path)
    report = json.loads((site.fitted / "report.json").read_text())

    assert report["documents"] == 400
    assert report["at_top"]["enrichment"] > 2
    assert report["mean"]["p"] < 0.1


def test_the_placebo_deals_abilities_to_other_models(tmp_path: Path):
    scorer = Concordance(FOUR, abilities=ABLE, permuted=2, least_enrichment=0.0)
    raw, _ = pool(tmp_path, planted())
    dealt = scorer.load(fitted(scorer, raw, tmp_path)).tolist()

    assert sorted(dealt) == list(ABLE)
    assert dealt != list(ABLE)


def test_abilities_are_what_models_need_for_the_target(tmp_path: Path):
    models = [tiny_language_model(tmp_path / f"m{n}", seed=n) for n in range(3)]
    models.append(tiny_language_model(tmp_path / "even", uniform=True))
    scorer = Concordance(tuple(map(str, models)), context=64, least_enrichment=0.0)
    raw, _ = pool(tmp_path, planted())
    target = corpus(tmp_path / "target", example_texts("target", 6))
    site = fitted(scorer, raw, tmp_path, target)
    abilities = scorer.load(site)
    losses = scorer.losses.measured(
        scorer.open_models(Site()), next(target.tables(("text",)))["text"]
    )

    np.testing.assert_allclose(abilities, -losses.bits.sum(0) / losses.size.sum())
    assert len(set(abilities.tolist())) == 4


@pytest.mark.parametrize(
    ("settings", "bits", "message"),
    [
        ({"models": ("a", "b", "c")}, planted(models=3), "3 models; wanted 4 or more"),
        ({"abilities": (1.0, 2.0, 2.0, 3.0)}, planted(), "have ties"),
        ({"abilities": (1.0, 2.0)}, planted(), "2 abilities for 4 models"),
        ({"abilities": ABLE}, planted(models=5), r"of \[5\] models, 4 are named"),
        ({"abilities": ABLE}, planted(slope=-3.0), "wanted at least 1.0 times as many"),
        ({"abilities": ABLE}, planted(slope=30.0), "wanted at most 50%"),
        ({"abilities": ABLE}, [None] * 9, "no document has 32 tokens"),
        (
            {"abilities": ABLE},
            [[1, 2, 3, np.nan], [1, 2, 3, 4]],
            r"\{'d': 1\} documents have no loss under these models",
        ),
    ],
)
def test_what_tells_nothing_is_refused(settings, bits, message, tmp_path: Path):
    scorer = Concordance(**({"models": FOUR} | settings))
    raw, _ = pool(tmp_path, bits)
    with pytest.raises(RecipeError, match=message):
        fitted(scorer, raw, tmp_path)


def test_losses_of_short_windows_are_refused(tmp_path: Path):
    models = tuple(str(tiny_language_model(tmp_path / f"m{n}", seed=n)) for n in range(4))
    scorer = Concordance(models, context=256)
    with pytest.raises(RecipeError, match="reads 64 tokens at a time, context is 256"):
        scorer.open_models(Site())


def test_where_hardly_a_document_is_expected_at_the_top_all_pairs_decide():
    # One document in 5,040 would have seven models in order by chance: of a hundred, none.
    few = {"documents": 100, "at_top": {"documents": 0, "expected": 0.02}}
    scorer = Concordance(("a", "b", "c", "d"))

    scorer._require({**few, "mean": {"share": 0.56, "expected": 0.5}})
    with pytest.raises(RecipeError, match=r"0\.480 of the pairs of models are in order of ability"):
        scorer._require({**few, "mean": {"share": 0.48, "expected": 0.5}})
