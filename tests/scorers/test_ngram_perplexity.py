from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.score.bands import Bands
from curator.score.ngram_lm import NgramModel, perplexity
from curator.shards import write_shard
from curator.stage import Corpus, Site
from curator.testing import corpus, documents, example_texts
from scorers.ngram_perplexity import NgramPerplexity

SMALL = NgramPerplexity(order=3, least_reference_words=100, min_characters=20, least_documents=10)
REFERENCE = example_texts("reference", 60)
LIKE = example_texts("reference", 90)[60:]
UNLIKE = example_texts("other", 30)
POOL = [*LIKE, *UNLIKE]


def fitted(
    folder: Path,
    *,
    reference: Corpus | None = None,
    raw: Corpus | None = None,
    scorer: NgramPerplexity = SMALL,
) -> Site:
    """The scorer's folder, learned from `REFERENCE` and `POOL` unless told otherwise."""
    corpora = {
        "reference": reference or corpus(folder / "reference", REFERENCE, shards=2),
        "raw": raw or corpus(folder / "raw", POOL, shards=3),
    }
    out = folder / "fitted"
    out.mkdir()
    scorer.fit(corpora, out, Site())
    return Site(fitted=out)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return fitted(tmp_path_factory.mktemp("ccnet"))


def scores(site: Site, table: pa.Table, scorer: NgramPerplexity = SMALL) -> dict[str, list]:
    return scorer.process(scorer.load(site), table).to_pydict()


def in_language(folder: Path, texts: list[str], languages: list[str | None]) -> Corpus:
    return Corpus((write_shard(with_language(texts, languages), folder, name="one"),))


def with_language(texts: list[str], languages: list[str | None]) -> pa.Table:
    table = documents(texts)
    place = table.schema.get_field_index("language")
    return table.set_column(place, table.schema.field(place), pa.array(languages, pa.string()))


def report_of(site: Site) -> dict:
    assert site.fitted
    return json.loads((site.fitted / "report.json").read_text())


def test_text_like_the_reference_is_the_head(site: Site):
    found = scores(site, documents(POOL))
    like, unlike = np.split(np.array(found["perplexity"]), 2)

    assert like.max() < unlike.min()
    assert max(found["perplexity_rank"][:30]) <= 0.5 <= min(found["perplexity_rank"][30:])
    assert set(found["bucket"][30:]) <= {1, 2}


def test_the_perplexity_is_the_models(site: Site):
    model = NgramModel.trained([pa.array(REFERENCE, pa.large_string())], order=3)
    expected = perplexity(model.tally(pa.array(POOL, pa.large_string())))

    np.testing.assert_allclose(scores(site, documents(POOL))["perplexity"], expected, rtol=1e-6)


def test_ranks_are_shares_of_the_pool_and_buckets_ccnets(site: Site):
    found = scores(site, documents(POOL))
    place = np.argsort(np.argsort(found["perplexity"]))

    np.testing.assert_allclose(found["perplexity_rank"], (place + 0.5) / len(POOL), atol=1e-6)
    assert [found["bucket"].count(band) for band in (0, 1, 2)] == [18, 18, 24]


def test_the_head_is_below_its_cutoff_and_ties_count_half():
    bands = Bands(np.array([1, 2, 2, 4], np.float32))
    asked = np.array([0, 1, 2, 3, 9], np.float32)

    assert bands.rank(asked).tolist() == [0, 0.125, 0.5, 0.75, 1]
    cutoffs = Bands(np.arange(11, dtype=np.float32))  # 3 and 6
    assert cutoffs.bucket(np.array([2.9, 3, 5.9, 6], np.float32)).tolist() == [0, 1, 1, 2]


def test_short_and_wordless_documents_have_no_score(site: Site):
    found = scores(site, documents(["", "too short", "\n \t" * 20, LIKE[0]]))

    for column in found.values():
        assert [value is None for value in column] == [True, True, True, False]


def test_documents_that_the_model_has_read_have_no_score(site: Site):
    copies = [f"  {text.upper()} \n" for text in REFERENCE[:5]]
    found = scores(site, documents([*REFERENCE[:5], *copies, LIKE[0]]))

    assert [value is None for value in found["perplexity_rank"]] == [True] * 10 + [False]


def test_a_source_of_the_pool_may_be_the_reference_and_leaves_the_choice(tmp_path: Path):
    raw = corpus(tmp_path / "raw", [*POOL, *REFERENCE], shards=2)
    found = fitted(tmp_path, raw=raw)

    assert report_of(found)["sample"]["without_score"]["in_reference"] == 60
    assert scores(found, documents([*POOL, *REFERENCE]))["bucket"][60:] == [None] * 60


@pytest.mark.parametrize("most", [0.0, 0.4])
def test_a_reference_that_holds_too_much_of_the_pool_is_refused(most: float, tmp_path: Path):
    raw = corpus(tmp_path / "raw", [*POOL, *REFERENCE])
    scorer = dataclasses.replace(SMALL, most_overlap=most)

    with pytest.raises(RecipeError, match="60 of 120 documents of the pool are reference"):
        fitted(tmp_path, raw=raw, scorer=scorer)


def test_each_language_has_its_own_model_and_percentiles(tmp_path: Path):
    languages: list[str | None] = ["aa", "bb"] * 30
    reference = in_language(tmp_path / "reference.arrow", REFERENCE, languages)
    raw = in_language(tmp_path / "raw.arrow", POOL, languages)
    found = fitted(tmp_path, reference=reference, raw=raw)
    told = scores(found, with_language(POOL, languages))
    model = NgramModel.trained([pa.array(REFERENCE[::2], pa.large_string())], order=3)

    expected = perplexity(model.tally(pa.array(POOL[::2], pa.large_string())))
    np.testing.assert_allclose(told["perplexity"][::2], expected, rtol=1e-6)
    assert sorted(told["perplexity_rank"][::2]) == pytest.approx((np.arange(30) + 0.5) / 30)
    assert sorted(told["perplexity_rank"][1::2]) == pytest.approx((np.arange(30) + 0.5) / 30)


def test_a_language_without_a_model_or_without_cutoffs_has_no_score_and_no_bucket(tmp_path: Path):
    known: list[str | None] = ["aa"] * 40 + ["few"] * 20
    asked: list[str | None] = ["aa"] * 30 + ["few"] * 5 + ["other"] * 20 + [None] * 5
    reference = in_language(tmp_path / "reference.arrow", REFERENCE, known)
    raw = in_language(tmp_path / "raw.arrow", POOL, asked)
    found = fitted(tmp_path, reference=reference, raw=raw)
    told = scores(found, with_language(POOL, asked))

    for column in told.values():
        assert [value is None for value in column] == [False] * 30 + [True] * 30
    assert report_of(found)["sample"]["without_score"]["no_model"] == 25


def test_no_language_with_both_is_refused(tmp_path: Path):
    raw = in_language(tmp_path / "raw.arrow", POOL, ["aa"] * 60)

    with pytest.raises(RecipeError, match=r"no language has both a model and .*'aa'"):
        fitted(tmp_path, raw=raw)


def test_one_model_for_all_languages_if_told(tmp_path: Path):
    raw = in_language(tmp_path / "raw.arrow", POOL, ["aa"] * 30 + [None] * 30)
    scorer = dataclasses.replace(SMALL, by_language=False)
    found = fitted(tmp_path, raw=raw, scorer=scorer)

    assert None not in scores(found, documents(POOL), scorer)["perplexity"]


def test_a_larger_reference_is_drawn_from_by_documents_chance(tmp_path: Path):
    scorer = dataclasses.replace(SMALL, reference_bytes=4_000)
    backwards = corpus(tmp_path / "r", [*REFERENCE[::-1], *REFERENCE[:9]], shards=4)
    one = fitted(tmp_path, scorer=scorer)
    (tmp_path / "again").mkdir()
    other = fitted(tmp_path / "again", reference=backwards, scorer=scorer)
    about = report_of(one)["languages"][""]

    assert about["reference_documents"] < about["reference_documents_offered"] == 60
    assert 3_000 < about["reference_bytes"] <= 4_000
    assert one.fitted
    assert other.fitted
    files = sorted(path.relative_to(one.fitted) for path in one.fitted.rglob("*.*"))
    assert len(files) == 8
    for path in files:
        assert (one.fitted / path).read_bytes() == (other.fitted / path).read_bytes(), path


def test_the_report_shows_where_length_decides(site: Site):
    about = report_of(site)["languages"][""]

    assert -1 <= about["spearman_with_bytes"] <= 1
    assert len(about["by_length"]) == 10
    assert about["reference"]["vocabulary"] > 40
    assert len(about["reference"]["discounts"]) == 3
    assert about["perplexity"]["0.05"] < about["perplexity"]["0.95"]
    assert 0 < about["unknown_share"] < 1
    assert about["sample_documents"] == 60


def test_an_unfitted_scorer_says_what_it_needs():
    with pytest.raises(RecipeError, match="learns_from"):
        SMALL.load(Site())


@pytest.mark.parametrize(
    "settings",
    [
        {"order": 0},
        {"order": 7},
        {"prune": (1,)},
        {"reference_bytes": 0},
        {"least_documents": 0},
        {"most_overlap": 1.0},
    ],
)
def test_settings_that_give_no_model_are_refused(settings: dict):
    (name,) = settings
    with pytest.raises(RecipeError, match=f"{name}="):
        NgramPerplexity(**settings)
