from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.select.quota import divide
from curator.shards import write_shard
from curator.stage import Corpus, Site
from curator.testing import documents
from scorers.paser import Paser

N = 60
RNG = np.random.default_rng(3)
TOKENS = RNG.integers(2, 400, size=N)
GROUP = np.arange(N) % 3
DIVERGENCE = np.round(RNG.uniform(0, 0.2, size=N) * (1 + GROUP), 5)


def pool(**changes: object) -> pa.Table:
    table = documents([f"text {n}" for n in range(N)])
    columns = {
        "jsd": pa.array(DIVERGENCE, pa.float32()),
        "jsd.tokens": pa.array(TOKENS, pa.uint32()),
        "jsd.characters": pa.array(4 * TOKENS, pa.uint32()),
        "like": pa.array(GROUP, pa.int32()),
    }
    for name, values in (columns | changes).items():
        table = table.append_column(name, values)
    return table


def scored(folder: Path, table: pa.Table, **settings: object) -> tuple[pa.Table, dict]:
    scorer = Paser(divergence="jsd", group="like", **settings)
    half = table.num_rows // 2
    shards = [
        write_shard(part, folder / f"{name}.arrow", name=name)
        for name, part in (("a", table.slice(0, half)), ("b", table.slice(half)))
    ]
    scorer.fit({"raw": Corpus(tuple(shards))}, folder, Site())
    found = scorer.process(scorer.load(Site(fitted=folder)), table)
    return found, json.loads((folder / "report.json").read_text())


def test_recovery_is_divergence_for_the_logarithm_of_length(tmp_path: Path):
    found, report = scored(tmp_path, pool())
    means = [DIVERGENCE[group == GROUP].mean() for group in range(3)]

    expected = DIVERGENCE / np.log(TOKENS.astype(float) ** 2)
    assert found["recovery"].to_numpy() == pytest.approx(expected, rel=1e-5)
    assert found["degradation"].to_numpy() == pytest.approx(np.array(means)[GROUP], rel=1e-5)
    shares = [report["groups"][str(group)]["share_of_the_budget"] for group in range(3)]
    assert shares == pytest.approx(np.array(means) / sum(means), abs=1e-4)
    assert sum(shares) == pytest.approx(1, abs=2e-4)


def test_the_release_lets_long_documents_lead(tmp_path: Path):
    right, _ = scored(tmp_path, pool())
    release, _ = scored(tmp_path, pool(), compat="paper_repo")
    summed = DIVERGENCE * TOKENS

    expected = summed / np.log((5.0 * TOKENS) ** 2)
    assert release["recovery"].to_numpy() == pytest.approx(expected, rel=1e-5)
    means = np.array([summed[group == GROUP].mean() for group in range(3)])
    assert release["degradation"].to_numpy() == pytest.approx(means[GROUP], rel=1e-5)
    length = [np.corrcoef(one["recovery"].to_numpy(), TOKENS)[0, 1] for one in (right, release)]
    assert length[0] < 0 < 0.5 < length[1]


def test_a_document_that_was_not_read_has_no_recovery_and_its_groups_number(tmp_path: Path):
    absent = np.arange(N) < 6
    unread = pa.array(DIVERGENCE, pa.float32(), mask=absent)
    like = pa.array(GROUP, pa.int32(), mask=np.arange(N) == 7)
    found, report = scored(tmp_path, pool(**{"jsd": unread, "like": like}))

    assert found["recovery"].null_count == 7
    assert found["degradation"].null_count == 1
    assert report["documents"] == N - 7


def test_a_text_of_one_token_is_finite(tmp_path: Path):
    tokens = pa.array(np.ones(N), pa.uint32())
    found, _ = scored(tmp_path, pool(**{"jsd.tokens": tokens}))

    assert np.isfinite(found["recovery"].to_numpy()).all()


def test_quotas_of_the_column_sum_exactly_to_the_budget(tmp_path: Path):
    found, _ = scored(tmp_path, pool())
    weight = dict(zip(GROUP.tolist(), found["degradation"].to_pylist(), strict=True))
    parts = divide(20_000, {str(group): weight[group] for group in range(3)})

    assert sum(parts.values()) == 20_000
    for group in range(3):
        exact = 20_000 * weight[group] / sum(weight.values())
        assert abs(parts[str(group)] - exact) < 1


def test_a_model_without_damage_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match="divergence of all 3 groups is 0"):
        scored(tmp_path, pool(jsd=pa.array(np.zeros(N), pa.float32())))


def test_no_document_read_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match="no document has both"):
        scored(tmp_path, pool(jsd=pa.nulls(N, pa.float32())))


def test_what_is_no_divergence_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match="30 values below 0 or infinite, such as -1"):
        scored(tmp_path, pool(jsd=pa.array(-1 - DIVERGENCE, pa.float32())))
    with pytest.raises(RecipeError, match="30 values below 0 or infinite, such as inf"):
        scored(tmp_path, pool(jsd=pa.array(np.full(N, np.inf), pa.float32())))


@pytest.mark.parametrize("group", [0.5, np.inf, 1e300])
def test_what_numbers_no_group_is_refused(tmp_path: Path, group: float):
    with pytest.raises(RecipeError, match="30 values that number no group"):
        scored(tmp_path, pool(like=pa.array(np.full(N, group))))


def test_neither_cut_nor_order_of_the_pool_changes_a_bit(tmp_path: Path):
    lost = RNG.uniform(0, 1, N) * 10.0 ** RNG.integers(-9, 0, N)  # sums of these do depend on it
    table = pool(jsd=pa.array(lost))
    kept = []
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        scored(folder, table.take(pa.array(np.random.default_rng(seed).permutation(N))))
        kept.append((folder / "groups.json").read_bytes())
    assert kept == [kept[0]] * 3


def test_documents_that_join_concepts_apart_are_left_out_if_asked(tmp_path: Path):
    fruit = np.array(["apples", "pears", "plums", "figs", "dates", "limes"])
    texts = [" and ".join(RNG.choice(fruit, 2, replace=False)) for _ in range(N)]
    at = pool().column_names.index("text")
    table = pool().set_column(at, "text", pa.array(texts, pa.large_string()))
    found, report = scored(tmp_path, table, concepts=True)
    plain, _ = scored(tmp_path, table)

    told = report["concepts"]
    assert told["visited"] == N
    assert 0 < told["rejected"] == found["recovery"].null_count < N
    assert len(told["rejected_share_by_tenth"]) == 10
    assert plain["recovery"].null_count == 0
    assert found["degradation"] == plain["degradation"]
