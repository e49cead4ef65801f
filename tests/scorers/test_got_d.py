from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.embed.costs import Distances
from curator.embed.transport import transport
from curator.embed.vectors import Embed
from curator.errors import RecipeError
from curator.schema import vector_matrix
from curator.stage import Site
from curator.testing import corpus, documents, tiny_encoder
from scorers.got_d import GotD
from tests.support.vectors import by_id, corpus_of, shuffled


def kind(letters: str, count: int, seed: int) -> list[str]:
    """Texts of words of some letters: another kind has no words in common."""
    chance = np.random.default_rng(seed)
    return ["".join(chance.choice([*letters, " "], 60)) for _ in range(count)]


# A model trained on much of the one kind and little of the other is to become good at both.
POOL = kind("abcdefg", 190, 1) + kind("qrstuvw", 10, 2)
TARGET = kind("abcdefg", 30, 3) + kind("qrstuvw", 30, 4)


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> GotD:
    return GotD(encoder=str(tiny_encoder(tmp_path_factory.mktemp("encoder"))))


def pool(scorer: GotD, texts: list[str] = POOL) -> pa.Table:
    table = documents(texts)
    embed = Embed(scorer.encoder)
    return table.append_column("vector", embed.process(embed.load(Site()), table)["vector"])


def fitted(
    scorer: GotD,
    table: pa.Table,
    folder: Path,
    *,
    targets: list[str] = TARGET,
    shards: int = 1,
    final: list[str] | None = None,
) -> Site:
    folder.mkdir(exist_ok=True)
    corpora = {
        "raw": corpus_of(table, folder / "raw", shards),
        "target": corpus(folder / "target", targets),
    }
    if final is not None:
        corpora["final_target"] = corpus(folder / "final", final)
    scorer.fit(corpora, folder, Site())
    return Site(fitted=folder)


def scores(scorer: GotD, table: pa.Table, site: Site) -> pa.ChunkedArray:
    return scorer.process(scorer.load(site), table)["transport_gain"]


def report(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text())


def test_scores_are_minus_the_calibrated_gradients(scorer: GotD, tmp_path: Path):
    table = pool(scorer)
    found = scores(scorer, table, fitted(scorer, table, tmp_path)).to_numpy()
    embed = Embed(scorer.encoder)
    targets = embed.process(embed.load(Site()), documents(TARGET))["vector"]
    both = [vector_matrix(column) for column in (table["vector"], targets)]
    x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in both)
    f = transport(Distances(x, y)).f.astype(np.float64)
    wanted = [-(one - np.delete(f, row).mean()) for row, one in enumerate(f)]
    np.testing.assert_allclose(found, wanted, atol=1e-3)  # examples come in another order


def test_what_the_model_lacks_comes_first(scorer: GotD, tmp_path: Path):
    table = pool(scorer)
    gain = scores(scorer, table, fitted(scorer, table, tmp_path)).to_numpy()
    assert (np.argsort(-gain)[:8] >= 190).all()  # 5 % of the pool


def test_contrast_takes_what_is_farthest_from_what_is_to_be_avoided(scorer: GotD, tmp_path: Path):
    table, away = pool(scorer), replace(scorer, mode="contrast")
    found = scores(away, table, fitted(away, table, tmp_path / "away")).to_numpy()
    towards = scores(scorer, table, fitted(scorer, table, tmp_path / "towards")).to_numpy()
    np.testing.assert_allclose(found, -towards, atol=1e-6)


@pytest.mark.parametrize("iterate", [False, True])
def test_neither_order_nor_shards_change_a_score(scorer: GotD, tmp_path: Path, iterate: bool):
    asked, table = replace(scorer, iterate=iterate, documents=80), pool(scorer)
    one = scores(asked, table, fitted(asked, table, tmp_path / "one"))
    other = shuffled(table)
    two = scores(asked, other, fitted(asked, other, tmp_path / "two", shards=3))
    assert by_id(table, one) == by_id(other, two)


def test_a_document_of_no_tokens_has_no_score(scorer: GotD, tmp_path: Path):
    table = pool(scorer, [*POOL, ""])
    found = scores(scorer, table, fitted(scorer, table, tmp_path))
    assert found[-1].as_py() is None
    assert len(found.drop_null()) == len(POOL)


def test_chunks_are_as_large_as_asked_and_above_each_other(scorer: GotD, tmp_path: Path):
    table = pool(scorer)
    asked = replace(scorer, iterate=True, share=0.2, chunks=3)
    gain = scores(asked, table, fitted(asked, table, tmp_path)).to_numpy()
    assert np.bincount(np.rint(gain / 8).astype(int)).tolist() == [160, 12, 14, 14]
    assert report(tmp_path)["taken"] == 40


def test_every_chunk_lowers_the_cost_and_does_not_collapse_on_one_mode(
    scorer: GotD, tmp_path: Path
):
    texts = kind("abcdefg", 160, 1) + kind("qrstuvw", 40, 2)
    table = pool(scorer, texts)
    asked = replace(scorer, iterate=True, share=0.4, chunks=8)
    gain = scores(asked, table, fitted(asked, table, tmp_path)).to_numpy()
    costs = [plan["cost"] for plan in report(tmp_path)["plans"]]
    assert costs[-1] < costs[0]
    first, last = (np.flatnonzero(np.rint(gain / 8) == chunk) for chunk in (8, 1))
    assert (first >= 160).mean() > (last >= 160).mean()


def test_fewer_than_fifty_targets_are_refused(scorer: GotD, tmp_path: Path):
    with pytest.raises(RecipeError, match="49 targets have vectors; wanted 50 or more"):
        fitted(scorer, pool(scorer), tmp_path, targets=TARGET[:49])


def test_a_few_long_examples_are_a_cloud_of_pieces(scorer: GotD, tmp_path: Path):
    table, long = pool(scorer), [" ".join(TARGET[:30]), " ".join(TARGET[30:])]
    asked = replace(scorer, piece_characters=30)  # of 2 x 1,829 characters
    gain = scores(asked, table, fitted(asked, table, tmp_path, targets=long)).to_numpy()
    assert report(tmp_path)["targets"] == 122
    assert (np.argsort(-gain)[:8] >= 190).all()
    few = replace(asked, targets=60)
    fitted(few, table, tmp_path / "few", targets=long)
    assert report(tmp_path / "few")["targets"] == 60


def test_targets_that_repeat_the_final_target_are_refused(scorer: GotD, tmp_path: Path):
    with pytest.raises(RecipeError, match="final target"):
        fitted(scorer, pool(scorer), tmp_path, final=TARGET[:3])


def test_a_plan_whose_marginals_are_off_is_refused(scorer: GotD, tmp_path: Path):
    with pytest.raises(RecipeError, match="marginals are off"):
        fitted(replace(scorer, tolerance=1e-9), pool(scorer), tmp_path)


def test_more_than_a_tenth_is_refused_unless_the_plan_is_made_anew(scorer: GotD):
    with pytest.raises(RecipeError, match=r"wanted at most 0.1, or iterate: true"):
        replace(scorer, share=0.2)
    assert replace(scorer, share=0.2, iterate=True).most_share == 0.2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"mode": "both"}, "mode is 'both'"),
        ({"documents": 1}, "documents is 1"),
        ({"targets": 49}, "targets is 49"),
        ({"eps": 0.0}, "eps is 0.0"),
        ({"eps": 1e300}, r"eps is 1e\+300.* wanted 0.0001 to 1"),
        ({"eps": float("nan")}, "eps is nan"),
        ({"tolerance": float("inf")}, "tolerance inf"),
    ],
)
def test_settings_that_mean_nothing_are_refused(scorer: GotD, settings: dict, said: str):
    with pytest.raises(RecipeError, match=said):
        replace(scorer, **settings)


def test_a_pool_without_vectors_is_refused(scorer: GotD, tmp_path: Path):
    with pytest.raises(RecipeError, match="0 documents of the sample have vectors"):
        fitted(scorer, pool(scorer, ["", " "][:1]), tmp_path)
