from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from curator.errors import BudgetError, PluginError, RecipeError
from curator.identity import id_matrix, random_bits, uniform
from curator.schema import SELECTION
from curator.select.manifest import manifest_hash
from curator.select.quota import shortfall_of
from curator.select.radix import TIES, Radix
from curator.select.selector import RANDOM, select
from curator.select.spec import SelectSpec
from tests.support.pools import ids, pool

METHODS = [
    SelectSpec("random", tokens=1500, seed=3),
    SelectSpec("topk", "score", tokens=1500, seed=3),
    SelectSpec("gumbel", "score", tokens=1500, seed=3),
    SelectSpec("threshold", "score", threshold=0.5, seed=3),
    SelectSpec("band", "score", band=(0.25, 0.75), tokens=900, seed=3),
    SelectSpec("topk", "score", tokens=1500, seed=3, quotas={"a": 0.6, "*": 0.4}),
]


def taken(selection):
    return selection.table["doc_id"].to_pylist()


def brute_force(frame, key, budget, seed):
    """Sort everything by (key descending, tie, id) and take the longest prefix in the budget."""
    import pyarrow as pa

    matrix = id_matrix(pa.array(frame["doc_id"].to_list(), pa.binary(16)))
    tie = random_bits(matrix, TIES, seed)
    rows = sorted(
        zip(-key, tie.tolist(), frame["doc_id"], frame["tokens"], strict=True),
        key=lambda row: row[:3],
    )
    chosen, spent = [], 0
    for *_, doc_id, tokens in rows:
        if spent + tokens > budget:
            break
        spent += tokens
        chosen.append(doc_id)
    return chosen


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 60),
    seed=st.integers(0, 50),
    budget=st.integers(0, 1600),
    bits=st.sampled_from([1, 4, 16]),
    limit=st.sampled_from([1, 7, 1 << 20]),
    ties=st.booleans(),
)
def test_the_radix_search_takes_exactly_what_a_full_sort_takes(n, seed, budget, bits, limit, ties):
    frame = pool(n, seed=seed, ties=ties, nulls=0)
    spec = SelectSpec("topk", "score", tokens=budget, seed=seed, shortfall="accept")
    expected = brute_force(frame, frame["score"].to_numpy(), budget, seed)
    if budget and not expected:
        with pytest.raises(BudgetError, match="larger than the budget"):
            select(frame.lazy(), spec, radix=Radix(bits, limit))
        return

    chosen = select(frame.lazy(), spec, radix=Radix(bits, limit))

    assert taken(chosen) == expected


def test_equal_scores_everywhere_are_cut_by_the_tie_hash():
    frame = pool(300, nulls=0).with_columns(score=pl.lit(1.0))
    spec = SelectSpec("topk", "score", tokens=1000, seed=5)

    chosen = select(frame.lazy(), spec, radix=Radix(8, 2))

    assert taken(chosen) == brute_force(frame, np.ones(300), 1000, 5)


@pytest.mark.parametrize("spec", METHODS, ids=lambda spec: f"{spec.method}-{len(spec.quotas)}")
def test_rows_order_and_file_cuts_do_not_change_a_selection(spec, tmp_path):
    frame = pool(500)
    frame = pl.concat([frame, frame[:40]])  # some documents twice, far apart
    whole = select(frame.lazy(), spec)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=1)
    for n_files in (1, 7, 64):
        folder = tmp_path / str(n_files)
        folder.mkdir()
        for i in range(n_files):
            shuffled[i::n_files].write_ipc(folder / f"{i}.arrow")
        cut = select(pl.scan_ipc(folder / "*.arrow"), spec, radix=Radix(4, 16))

        assert cut.table.equals(whole.table)
        assert cut.summary() == whole.summary()
        assert manifest_hash(cut.table, "t") == manifest_hash(whole.table, "t")


@pytest.mark.parametrize("spec", METHODS, ids=lambda spec: f"{spec.method}-{len(spec.quotas)}")
def test_every_document_is_taken_or_counted_as_dropped(spec):
    frame = pool(300)
    chosen = select(frame.lazy(), spec)

    assert chosen.documents + sum(chosen.dropped.values()) == chosen.documents_in == 300
    assert chosen.table.schema.equals(SELECTION)
    assert sum(chosen.table["tokens"].to_pylist()) == chosen.tokens
    assert chosen.tokens <= sum(chosen.asked.values())


def test_achieved_tokens_are_within_one_document_of_the_budget():
    frame = pool(300, nulls=0)
    chosen = select(frame.lazy(), SelectSpec("random", tokens=2000))
    assert 2000 - 50 < chosen.tokens <= 2000


def test_random_ranks_by_the_documents_own_chance():
    frame = pool(50, nulls=0)
    chosen = select(frame.lazy(), SelectSpec("random", tokens=300, seed=9))
    keys = uniform(id_matrix(chosen.table["doc_id"]), RANDOM, 9)
    assert chosen.table["key"].to_pylist() == keys.tolist() == sorted(keys, reverse=True)


def test_a_budget_of_all_tokens_takes_every_scored_document():
    frame = pool(100)
    scored = frame.filter(pl.col("score").is_not_null())
    spec = SelectSpec("topk", "score", tokens=int(scored["tokens"].sum()))
    chosen = select(frame.lazy(), spec)
    assert set(taken(chosen)) == set(scored["doc_id"])
    assert chosen.dropped == {"no_score": 100 - scored.height}


def test_lower_is_better_is_flipped_once():
    frame = pool(200)
    by_score = select(frame.lazy(), SelectSpec("gumbel", "score", tokens=900))
    by_loss = select(frame.lazy(), SelectSpec("gumbel", "loss", tokens=900), {"loss": "lower"})
    assert by_score.table.equals(by_loss.table)


def test_the_selection_can_reverse_a_columns_direction():
    frame = pool(200)
    worst = select(frame.lazy(), SelectSpec("topk", "score", tokens=300, better="lower"))
    assert max(-key for key in worst.table["key"].to_pylist()) < frame["score"].median()


def test_a_column_without_direction_is_refused_for_ranking_but_not_for_bands():
    frame = pool(50)
    with pytest.raises(RecipeError, match="neither"):
        select(frame.lazy(), SelectSpec("topk", "score", tokens=99), {"score": "neither"})
    select(frame.lazy(), SelectSpec("band", "score", band=(0, 1)), {"score": "neither"})


def test_identical_documents_are_one_row_that_costs_once():
    frame = pool(20, nulls=0)
    tripled = pl.concat([frame, frame[:5], frame[:5]])
    single = select(frame.lazy(), SelectSpec("topk", "score", tokens=200))
    chosen = select(tripled.lazy(), SelectSpec("topk", "score", tokens=200))

    assert taken(chosen) == taken(single)
    repeated = set(frame["doc_id"][:5])
    for row in chosen.table.to_pylist():
        assert row["copies"] == (3 if row["doc_id"] in repeated else 1)


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_copies_that_score_differently_are_as_good_as_the_best_of_them(better):
    sign = 1 if better == "higher" else -1
    frame = pool(20, nulls=0)
    least = frame["score"].min()
    worse = frame.with_columns(score=pl.lit(least - 1.0))
    both = [each.with_columns(score=sign * pl.col("score")) for each in (frame, worse)]
    spec = SelectSpec("topk", "score", tokens=200)
    for order in (both, both[::-1]):
        chosen = select(pl.concat(order).lazy(), spec, {"score": better})
        assert taken(chosen) == taken(select(both[0].lazy(), spec, {"score": better}))


def test_neighboring_bands_share_nothing_and_leave_nothing_out():
    frame = pool(300, nulls=0)
    edges = [(0, 0.3), (0.3, 0.6), (0.6, 1)]
    bands = [select(frame.lazy(), SelectSpec("band", "score", band=edge)) for edge in edges]

    together = [doc_id for band in bands for doc_id in taken(band)]
    assert sorted(together) == sorted(frame["doc_id"])
    scores = dict(zip(frame["doc_id"], frame["score"], strict=True))
    for low, high in itertools.pairwise(bands):
        assert max(scores[i] for i in taken(low)) <= min(scores[i] for i in taken(high))


def test_a_band_holds_its_share_of_the_tokens():
    frame = pool(500, nulls=0)
    band = select(frame.lazy(), SelectSpec("band", "score", band=(0.25, 0.75)))
    assert band.tokens == pytest.approx(frame["tokens"].sum() / 2, abs=50)


def test_a_threshold_admits_a_float32_score_equal_to_it():
    frame = pool(5, nulls=0).with_columns(score=pl.lit(0.7, dtype=pl.Float32))
    assert select(frame.lazy(), SelectSpec("threshold", "score", threshold=0.7)).documents == 5


def test_quotas_are_exact_selections_of_their_own():
    frame = pool(400, nulls=0)
    both = select(frame.lazy(), SelectSpec("topk", "score", quotas={"a": 500, "b": 700}))
    for source, budget in (("a", 500), ("b", 700)):
        alone = frame.filter(pl.col("source") == source)
        expected = brute_force(alone, alone["score"].to_numpy(), budget, 0)
        rows = both.table.to_pylist()
        assert [row["doc_id"] for row in rows if row["source"] == source] == expected
    assert both.dropped["no_quota"] == frame.filter(pl.col("source") == "c").height


def test_quotas_go_by_any_column_and_what_has_no_value_is_unknown():
    frame = pool(200, nulls=0).with_columns(
        language=pl.when(pl.col("score") > 0).then(pl.lit("en"))
    )
    quotas = {"en": 300, "unknown": 200}
    chosen = select(frame.lazy(), SelectSpec("random", quotas=quotas, quota_by="language"))
    english = set(frame.filter(pl.col("score") > 0)["doc_id"])
    costs = [(row["doc_id"] in english, row["tokens"]) for row in chosen.table.to_pylist()]
    assert 250 < sum(tokens for known, tokens in costs if known) <= 300
    assert 150 < sum(tokens for known, tokens in costs if not known) <= 200


def test_all_shortfalls_are_named_at_once():
    frame = pool(60, nulls=0)
    with pytest.raises(BudgetError) as caught:
        select(frame.lazy(), SelectSpec("topk", "score", quotas={"a": 9000, "b": 8000, "c": 5}))
    assert "a: wanted 9,000" in str(caught.value)
    assert "b: wanted 8,000" in str(caught.value)
    assert "c: wanted" not in str(caught.value)


def test_a_pool_that_is_too_small_says_what_it_has():
    with pytest.raises(BudgetError, match=r"all that is eligible: wanted 1,000,000 tokens, has"):
        select(pool(60).lazy(), SelectSpec("topk", "score", tokens=1_000_000))


def with_giant(place, n=100):
    """Return n documents of 10 tokens, ranked by number, and one of 5,000 at a place among them."""
    frame = pool(n, nulls=0, sources=("a",))
    tokens = [5_000 if i == place else 10 for i in range(n)]
    return frame.with_columns(
        tokens=pl.Series(tokens, dtype=pl.UInt32), score=pl.Series([-float(i) for i in range(n)])
    )


@pytest.mark.parametrize("radix", [Radix(), Radix(4, 2)])
def test_a_first_document_larger_than_the_budget_is_an_error_that_names_it(radix):
    frame = with_giant(0)
    with pytest.raises(BudgetError) as caught:
        select(frame.lazy(), SelectSpec("topk", "score", tokens=600), radix=radix)
    told = str(caught.value)
    assert frame["doc_id"][0].hex() in told
    assert "all that is eligible: wanted 600 tokens" in told
    assert "has 5,000" in told
    assert "max_words" in told


@pytest.mark.parametrize("radix", [Radix(), Radix(4, 2)])
def test_a_document_that_ends_a_selection_early_is_recorded(radix):
    frame = with_giant(20)
    chosen = select(frame.lazy(), SelectSpec("topk", "score", tokens=600), radix=radix)

    assert chosen.tokens == 200
    assert chosen.summary()["shortfalls"] == [
        {
            "name": "*",
            "wanted": 600,
            "available": 200,
            "doc_id": frame["doc_id"][20].hex(),
            "tokens": 5000,
        }
    ]
    (told,) = chosen.shortfalls
    assert shortfall_of(vars(told)) == told
    assert "took 200; the next document" in str(told)


def test_a_selection_that_ends_near_its_budget_has_no_shortfall():
    spec = SelectSpec("topk", "score", tokens=207)
    assert select(with_giant(20).lazy(), spec).shortfalls == ()


def test_a_quota_that_takes_nothing_is_an_error_unless_accepted():
    frame = pl.concat([with_giant(0), pool(100, nulls=0, sources=("b",), seed=1)])
    settings = {"tokens": 2000, "quotas": {"a": 0.5, "b": 0.5}}
    with pytest.raises(BudgetError, match="a: wanted 1,000 tokens"):
        select(frame.lazy(), SelectSpec("topk", "score", **settings))

    chosen = select(frame.lazy(), SelectSpec("topk", "score", shortfall="accept", **settings))

    assert set(chosen.sources) == {"b"}
    assert [(each.name, each.available) for each in chosen.shortfalls] == [("a", 0)]


def test_what_a_source_lacks_is_redistributed_and_recorded():
    frame = pool(300, nulls=0)
    has = int(frame.filter(pl.col("source") == "a")["tokens"].sum())
    quotas = {"a": 0.9, "b": 0.05, "c": 0.05}
    wanted = has + 1000
    spec = SelectSpec("random", tokens=wanted, quotas=quotas, shortfall="redistribute")
    chosen = select(frame.lazy(), spec)

    assert chosen.sources["a"]["tokens"] == has
    assert sum(chosen.asked.values()) == wanted
    assert [each.name for each in chosen.shortfalls] == ["a"]


def test_nan_scores_and_missing_columns_are_refused():
    frame = pool(60)
    broken = frame.with_columns(score=pl.lit(float("nan")))
    with pytest.raises(PluginError, match="NaN"):
        select(broken.lazy(), SelectSpec("topk", "score", tokens=9))
    with pytest.raises(RecipeError, match="did you mean 'score'"):
        select(frame.lazy(), SelectSpec("topk", "scores", tokens=9))
    with pytest.raises(RecipeError, match="only \\['a', 'b', 'c'\\]"):
        select(frame.lazy(), SelectSpec("random", quotas={"nosuch": 9}))


def test_an_empty_pool_gives_an_empty_selection_when_that_is_accepted():
    frame = pool(5).clear()
    chosen = select(frame.lazy(), SelectSpec("random", tokens=9, shortfall="accept"))
    assert chosen.documents == chosen.documents_in == 0


@pytest.mark.parametrize(("column", "better"), [("score", "higher"), ("loss", "lower")])
def test_gumbels_first_pick_follows_the_softmax(column, better):
    """Chi-square over 3,000 seeds; seeds are fixed, so the test cannot flake."""
    score = np.array([-1.0, 0.0, 0.4, 1.2, 2.0])
    frame = pl.DataFrame(
        {
            "doc_id": pl.Series(ids("abcde"), dtype=pl.Binary),
            "source": ["s"] * 5,
            "tokens": pl.Series([1] * 5, dtype=pl.UInt32),
            "score": score,
            "loss": -score,
        }
    )
    from curator.select.gumbel import GumbelKey
    from curator.select.pool import Pool

    (rows,) = Pool(frame.lazy(), by=column).batches()
    sign = SelectSpec("gumbel", column, tokens=1).direction({column: better})
    picks = [
        int(np.argmax(GumbelKey(0.7, seed)(rows.doc_id, sign * rows.score))) for seed in range(3000)
    ]
    expected = np.exp(sign * rows.score / 0.7)
    observed = np.bincount(picks, minlength=5)
    result = stats.chisquare(observed, expected / expected.sum() * len(picks))
    assert result.pvalue > 0.01


def test_a_tiny_temperature_is_topk_and_a_huge_one_is_not():
    frame = pool(300, nulls=0)
    top = set(taken(select(frame.lazy(), SelectSpec("topk", "score", tokens=900))))
    cold = select(frame.lazy(), SelectSpec("gumbel", "score", tokens=900, temperature=1e-9))
    hot = select(frame.lazy(), SelectSpec("gumbel", "score", tokens=900, temperature=1e9))
    assert set(taken(cold)) == top
    assert len(set(taken(hot)) & top) < 0.6 * len(top)


def test_standardized_keys_do_not_depend_on_the_scale_of_the_score():
    frame = pool(300, nulls=0)
    scaled = frame.with_columns(score=pl.col("score") * 8 + 16)  # exact in binary
    spec = SelectSpec("gumbel", "score", tokens=900, seed=2)
    one, other = select(frame.lazy(), spec), select(scaled.lazy(), spec)
    # The scaled scores are rounded once more, which a key's grid of 2**-24 hides but for chance.
    assert len(set(taken(one)) ^ set(taken(other))) <= 2


def test_a_larger_random_selection_contains_a_smaller_one():
    frame = pool(300).lazy()
    small, large = (select(frame, SelectSpec("random", tokens=n)) for n in (900, 2000))
    assert taken(large)[: small.documents] == taken(small)


def test_one_constant_score_makes_gumbel_uniform_instead_of_dividing_by_zero():
    frame = pool(100, nulls=0).with_columns(score=pl.lit(3.5))
    assert select(frame.lazy(), SelectSpec("gumbel", "score", tokens=500)).tokens > 450
    endless = frame.with_columns(score=pl.lit(float("inf")))
    with pytest.raises(PluginError, match="infinite"):
        select(endless.lazy(), SelectSpec("gumbel", "score", tokens=500))


@pytest.mark.parametrize("temperature", [0.2, 1.0, 5.0])
def test_the_effective_share_is_kishs_at_the_chosen_temperature(temperature):
    frame = pool(300)
    spec = SelectSpec("gumbel", "score", tokens=900, temperature=temperature)
    score = frame["score"].drop_nulls().to_numpy()
    weights = np.exp((score - score.mean()) / score.std() / temperature)
    expected = weights.sum() ** 2 / (weights**2).sum() / len(weights)

    chosen = select(frame.lazy(), spec)

    assert chosen.effective_share == pytest.approx(expected, rel=1e-3)
    assert chosen.summary()["effective_share"] == chosen.effective_share


def test_even_weights_are_all_effective_and_one_endless_weight_is_alone():
    frame = pool(50, nulls=0).with_columns(score=pl.lit(2.0))
    spec = SelectSpec("gumbel", "score", tokens=300)
    assert select(frame.lazy(), spec).effective_share == 1.0

    endless = frame.with_columns(score=pl.Series([float("inf")] + [0.0] * 49))
    spec = SelectSpec("gumbel", "score", tokens=300, standardize=False)
    assert select(endless.lazy(), spec).effective_share == 0.02


def test_only_a_draw_by_score_has_an_effective_share():
    for spec in METHODS:
        chosen = select(pool(300).lazy(), spec)
        assert ("effective_share" in chosen.summary()) == (spec.method == "gumbel")
