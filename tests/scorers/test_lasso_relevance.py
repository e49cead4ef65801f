from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.identity import document_ids
from curator.stage import Site
from curator.testing import tiny_encoder
from scorers.lasso_relevance import LassoRelevance
from tests.support.vectors import by_id, corpus_of, shuffled

WORDS = {"law": "court judge plea", "sea": "ship wave salt", "bread": "flour oven yeast"}


@dataclass(frozen=True)
class Counted(LassoRelevance):
    """Features are counts of each source's own words: a gradient's place, without a model."""

    @property
    def _stage(self):
        return self

    def identity(self):
        return {}

    def load(self, site):
        return super().load(site) if site.fitted else None

    def process(self, model, table):
        if isinstance(model, dict):
            return super().process(model, table)
        vocabulary = " ".join(WORDS.values()).split()
        counts = [[text.split().count(word) for word in vocabulary] for text in column(table)]
        rows = [np.array(each, np.float16) if any(each) else None for each in counts]
        return pa.table({"gradient": pa.array(rows, pa.list_(pa.float16()))})


def column(table):
    return table["text"].to_pylist()


def texts(seed, shares, n=120):
    """Return n texts, each of words of one topic."""
    rng = np.random.default_rng(seed)
    topics = rng.choice(list(WORDS), n, p=shares)
    return [" ".join(rng.choice(WORDS[topic].split(), 12)) for topic in topics]


def documents(source, found):
    values = pa.array(found, pa.large_string())
    return pa.table(
        {
            "doc_id": document_ids(source, values),
            "source": pa.array([source] * len(found)),
            "text": values,
        }
    )


def pool():
    tables = [documents(name, texts(n, np.eye(3)[n])) for n, name in enumerate(WORDS)]
    return pa.concat_tables(tables)


SCORER = Counted(model="m", least_targets=100)
TARGET = documents("t", texts(9, [0.6, 0.4, 0.0], 200))


def fitted(scorer, target, table, folder, shards=2):
    folder.mkdir(exist_ok=True)
    corpora = {
        "target": corpus_of(target, folder / "target"),
        "raw": corpus_of(table, folder / "pool", shards),
    }
    scorer.fit(corpora, folder, Site())
    report = json.loads((folder / "report.json").read_text())
    return scorer.process(scorer.load(Site(fitted=folder)), table)["relevance"], report


def test_all_documents_of_a_source_get_its_share_of_the_target(tmp_path):
    table = pool()
    found, report = fitted(SCORER, TARGET, table, tmp_path)

    of = dict(zip(table["source"].to_pylist(), found.to_pylist(), strict=True))
    assert of == pytest.approx({"law": 0.6, "sea": 0.4, "bread": 0.0}, abs=0.1)
    assert set(zip(table["source"].to_pylist(), found.to_pylist(), strict=True)) == set(of.items())
    assert report["weights"] == pytest.approx(of)
    assert report["documents"] == {"bread": 120, "law": 120, "sea": 120}


def test_neither_cut_nor_order_of_the_pool_matters(tmp_path):
    table = pool()
    one, _ = fitted(SCORER, TARGET, table, tmp_path / "one", 1)
    other, _ = fitted(SCORER, shuffled(TARGET), shuffled(table), tmp_path / "other", 4)

    assert by_id(table, one) == by_id(shuffled(table), other)


def test_ridge_spreads_and_uniform_asks_nothing(tmp_path):
    ridge, _ = fitted(replace(SCORER, kind="ridge"), TARGET, pool(), tmp_path / "ridge")
    even, report = fitted(replace(SCORER, kind="uniform"), TARGET, pool(), tmp_path / "even")

    assert max(ridge.to_pylist()) < 1
    assert even.to_numpy() == pytest.approx(1 / 3, abs=1e-4)
    assert "targets" not in report


def test_a_target_like_no_source_falls_back_to_the_bytes_of_sources_and_says_so(tmp_path):
    class Turned(Counted):
        def _rows(self, stage, model, corpus, limit, what):
            rows = super()._rows(stage, model, corpus, limit, what)
            return -rows if what == "target" else rows

    _, report = fitted(Turned(model="m", least_targets=100), TARGET, pool(), tmp_path)

    assert report["fallback"] == "no source helps: all by their bytes"
    assert sum(report["weights"].values()) == pytest.approx(1, abs=1e-3)
    assert min(report["weights"].values()) > 0.25


def test_few_examples_of_a_target_are_refused(tmp_path):
    few = TARGET.slice(0, 150)
    with pytest.raises(RecipeError, match="target has 150 examples; wanted 200 or more"):
        fitted(replace(SCORER, least_targets=200), few, pool(), tmp_path)


def test_a_source_of_a_document_or_two_has_no_weight_and_is_named(tmp_path):
    table = pa.concat_tables([pool(), documents("tiny", ["court judge"])])
    _, report = fitted(SCORER, TARGET, table, tmp_path)

    assert report["left_out"] == ["tiny"]
    assert report["weights"]["tiny"] == 0


def test_vectors_serve_as_well(tmp_path):
    encoder = str(tiny_encoder(tmp_path / "encoder"))
    scorer = LassoRelevance(features="vectors", encoder=encoder, least_targets=100)
    found, _ = fitted(scorer, TARGET, pool(), tmp_path / "fit")

    assert sum(set(found.to_pylist())) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "elastic"}, "kind is 'elastic'"),
        ({"features": "letters"}, "features is 'letters'"),
        ({"model": ""}, "model is missing"),
        ({"folds": 1}, "two folds"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, said):
    with pytest.raises(RecipeError, match=said):
        LassoRelevance(**{"model": "m", **settings})
