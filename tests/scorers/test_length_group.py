from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from curator.errors import RecipeError
from curator.shards import write_shard
from curator.stage import Corpus, Site
from curator.testing import corpus, documents
from scorers.length_group import LengthGroup


def texts(count=100, seed=0) -> list[str]:
    return ["x" * n for n in np.random.default_rng(seed).permutation(count) + 1]


def fitted(scorer: LengthGroup, raw: Corpus, folder: Path) -> Site:
    out = folder / "fit"
    out.mkdir()
    scorer.fit({"raw": raw}, out, Site())
    return Site(fitted=out)


def test_groups_have_equally_many_documents_and_rise_with_length(tmp_path: Path):
    scorer = LengthGroup(groups=5)
    site = fitted(scorer, corpus(tmp_path, texts(), shards=3), tmp_path)
    found = scorer.process(scorer.load(site), documents(texts()))["length_group"].to_pylist()

    assert Counter(found) == dict.fromkeys(range(5), 20)
    assert found == [(len(text) - 1) // 20 for text in texts()]


def test_documents_without_text_have_no_group(tmp_path: Path):
    scorer = LengthGroup(groups=2)
    site = fitted(scorer, corpus(tmp_path, ["", "a", "bb", ""]), tmp_path)

    assert scorer.process(scorer.load(site), documents(["", "a", "bb"]))[0].to_pylist() == [
        None,
        0,
        1,
    ]


def test_the_report_has_the_rank_correlation_of_scores_with_length(tmp_path: Path):
    lengths = np.array([len(text) for text in texts()])
    ppl = 5 - np.log(lengths) + np.random.default_rng(1).normal(size=100)
    ppl[3] = np.nan
    whole = corpus(tmp_path, texts())
    scores = pa.table({"ppl": pa.array(ppl, mask=np.isnan(ppl)), "flat": np.ones(100)})
    sidecar = write_shard(scores, tmp_path / "scores.arrow", name="scores")
    scorer = LengthGroup(of=("ppl", "flat"))
    site = fitted(scorer, replace(whole, beside=((sidecar,),)), tmp_path)
    report = json.loads((site.fitted / "report.json").read_text())["spearman_with_length"]
    known = ~np.isnan(ppl)

    assert report["ppl"] == pytest.approx(stats.spearmanr(lengths[known], ppl[known]).statistic)
    assert report["flat"] is None
    assert scorer.scores == ("ppl", "flat")


def test_a_pool_without_text_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match="none of 2 documents has text"):
        fitted(LengthGroup(), corpus(tmp_path, ["", ""]), tmp_path)


@pytest.mark.parametrize("groups", [1, 1001])
def test_what_makes_no_groups_is_refused(groups: int):
    with pytest.raises(RecipeError, match="wanted 2 to 1000"):
        LengthGroup(groups=groups)
