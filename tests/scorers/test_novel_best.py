from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curator.errors import RecipeError
from curator.schema import score_field
from curator.stage import Site
from curator.testing import tiny_encoder
from scorers import novel_best
from scorers.novel_best import NovelBest
from tests.support.vectors import by_id, clumped, corpus_of, embedded, shuffled

N = 700
LIMIT = 0.9


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> NovelBest:
    encoder = str(tiny_encoder(tmp_path_factory.mktemp("encoder")))
    return NovelBest(of=("good",), threshold=LIMIT, encoder=encoder)


def vectors() -> np.ndarray:
    return clumped(N, 11, clumps=60, spread=0.3)


def pool(better: str = "higher", **others: np.ndarray) -> pa.Table:
    table = embedded(vectors())
    for name, values in {"good": qualities(), **others}.items():
        field = score_field(name, unit="probability", better=better)
        table = table.append_column(field, pa.array(values, pa.float32(), mask=np.isnan(values)))
    return table


def qualities() -> np.ndarray:
    """Whole multiples of 2**-10, no two alike: products of them and orders are exact."""
    return np.random.default_rng(2).permutation(N).astype(np.float64) / 1024


def fitted(scorer: NovelBest, table: pa.Table, folder: Path, shards: int = 3) -> Site:
    folder.mkdir(exist_ok=True)
    scorer.fit({"raw": corpus_of(table, folder / "corpus", shards)}, folder, Site())
    return Site(fitted=folder)


def scores(scorer: NovelBest, table: pa.Table, site: Site) -> pa.ChunkedArray:
    return scorer.process(scorer.load(site), table)["quality"]


def kept(found: pa.ChunkedArray) -> list[int]:
    return np.flatnonzero(found.is_valid().to_numpy()).tolist()


def greedy(quality: np.ndarray, most: int, *, batch: int = 1) -> list[int]:
    """The paper's loop that stops at `most`, in its order; a batch does not see who of it stays."""
    steps = np.rint((vectors() @ vectors().T) / np.float32(1e-3)).astype(int)
    order = np.argsort(-quality, kind="stable").tolist()
    taken: list[int] = []
    for start in range(0, len(order), batch):
        here = order[start : start + batch]
        before = list(taken)
        for at, row in enumerate(here):
            seen = before + (here[:at] if batch > 1 else [])
            if not (steps[row, seen] > LIMIT * 1000).any():
                taken.append(row)
        if len(taken) >= most:
            break
    return taken[:most]


def test_who_is_kept_is_what_the_greedy_loop_keeps(scorer: NovelBest, tmp_path: Path):
    table = pool()

    found = scores(scorer, table, fitted(scorer, table, tmp_path))

    expected = sorted(greedy(qualities(), N))
    assert kept(found) == expected
    assert 50 < len(expected) < N - 50
    assert found.drop_null().to_pylist() == qualities()[expected].tolist()


@pytest.mark.parametrize("size", [1, 40, 120])
@pytest.mark.parametrize("mode", ["kept_only", "paper"])
def test_the_best_so_many_are_those_of_a_loop_that_stops_there(scorer, tmp_path, size, mode):
    """So `topk` under any budget is the paper's stop rule: its selections are prefixes."""
    scorer, table = replace(scorer, mode=mode), pool()

    found = scores(scorer, table, fitted(scorer, table, tmp_path))

    values = np.array([-1 if value is None else value for value in found.to_pylist()])
    best = np.argsort(-values, kind="stable")[:size].tolist()
    assert best == greedy(qualities(), size, batch=1 if mode == "kept_only" else 256)


def test_neither_cut_nor_order_nor_portions_matter(scorer, tmp_path, monkeypatch):
    table = pool()
    expected = by_id(table, scores(scorer, table, fitted(scorer, table, tmp_path / "one", 1)))
    monkeypatch.setattr(novel_best, "_PORTION", 256)

    again = fitted(scorer, shuffled(table), tmp_path / "other", 5)

    assert by_id(shuffled(table), scores(scorer, shuffled(table), again)) == expected
    one, other = ((tmp_path / each / "kept.npy").read_bytes() for each in ("one", "other"))
    assert one == other


def test_quality_is_the_product_of_scores(scorer, tmp_path):
    other = np.random.default_rng(3).integers(1, 4, N).astype(float)
    table = pool(depth=other)
    product = replace(scorer, of=("good", "depth"))

    found = scores(product, table, fitted(product, table, tmp_path))

    rows = kept(found)
    assert found.drop_null().to_pylist() == (qualities() * other)[rows].tolist()
    assert product.scores == ("good", "depth")


def test_a_score_that_is_named_twice_is_squared(scorer, tmp_path):
    scorer, table = replace(scorer, of=("good", "good")), pool()
    found = scorer.process(scorer.load(fitted(scorer, table, tmp_path)), table)["quality"]

    kept = found.is_valid().to_numpy()
    assert found.drop_null().to_pylist() == pytest.approx((qualities()[kept] ** 2).tolist())


def test_a_visit_can_stop_early(scorer, tmp_path):
    table, few = pool(), replace(scorer, most=20)

    found = scores(few, table, fitted(few, table, tmp_path))

    assert kept(found) == sorted(greedy(qualities(), 20))
    report = json.loads((tmp_path / "report.json").read_text())
    assert report == {"documents": N, "visited": N, "kept": 20, "threshold": LIMIT}


def test_low_qualities_can_be_the_better_ones(scorer, tmp_path):
    table, low = pool("lower"), replace(scorer, prefer="lower")

    found = scores(low, table, fitted(low, table, tmp_path))

    assert kept(found) == sorted(greedy(-qualities(), N))
    assert low.writes.field(0).metadata[b"better"] == b"lower"


def test_documents_without_a_vector_or_a_quality_are_not_kept(scorer, tmp_path):
    values = qualities()
    values[:300] = np.nan
    table = pool(good=values)
    at = table.schema.get_field_index("vector")
    lists = table["vector"].to_pylist()
    lists[300:350] = [None] * 50
    table = table.set_column(at, "vector", pa.array(lists, pa.list_(pa.float16())))

    found = scores(scorer, table, fitted(scorer, table, tmp_path))

    assert min(kept(found)) >= 350


def test_a_document_that_is_there_twice_is_kept_twice(scorer, tmp_path):
    table = pool()
    twice = pa.concat_tables([table, table])

    found = scores(scorer, twice, fitted(scorer, twice, tmp_path))

    assert kept(found) == sorted(
        [*greedy(qualities(), N), *(N + r for r in greedy(qualities(), N))]
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 1.0}, "threshold is 1.0; wanted a cosine"),
        ({"threshold": -1.0}, "threshold is -1.0; wanted a cosine"),
        ({"of": ()}, r"of is \[\]"),
        ({"most": 0}, "most 0"),
    ],
)
def test_settings_that_say_nothing_are_refused(settings, message):
    with pytest.raises(RecipeError, match=message):
        NovelBest(**{"of": ("good",), **settings})


def test_a_score_that_is_better_at_the_other_end_is_refused(scorer, tmp_path):
    with pytest.raises(RecipeError, match=r"'good' is better lower.*set `prefer: lower`"):
        fitted(scorer, pool("lower"), tmp_path)


def test_a_negative_factor_is_refused(scorer, tmp_path):
    table = pool(ratio=qualities() - 0.5)

    with pytest.raises(RecipeError, match=r"values down to -0\.5; wanted none below 0"):
        fitted(replace(scorer, of=("good", "ratio")), table, tmp_path)


def test_vectors_that_are_no_unit_vectors_are_refused(scorer, tmp_path):
    table = embedded(vectors() * 0.5, good=pa.array(qualities(), pa.float32()))

    with pytest.raises(RecipeError, match="not of length one"):
        fitted(scorer, table, tmp_path)


def test_a_pool_without_qualities_is_refused(scorer, tmp_path):
    with pytest.raises(RecipeError, match=r"no document has both a vector and the scores \['good'"):
        fitted(scorer, pool(good=np.full(N, np.nan)), tmp_path)
