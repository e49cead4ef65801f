"""Whatever columns a scorer writes, the commands on its run can read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bench.trial import made_up, write_files
from curator.schema import score_field
from curator.shards import read_shard
from curator.stage import Scorer
from pipelines.explaining import explain_document
from pipelines.running import read_run
from tests.support.runs import small_run
from tests.support.terminal import on_terminal


@dataclass(frozen=True)
class Odd(Scorer):
    """A score, endless for one document; beside it a list, a word, and a flag."""

    name: ClassVar[str] = "odd"
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field("odd", unit="bytes"),
            score_field("list", unit="bytes", better="neither", kind=pa.list_(pa.float64())),
            score_field("word", unit="word", better="neither", kind=pa.string()),
            score_field("flag", unit="long or not", better="neither", kind=pa.bool_()),
        ]
    )

    def score(self, model, table):
        sizes = pc.binary_length(table["text"]).to_pylist()
        odd = [float("inf") if size == max(sizes) else float(size) for size in sizes]
        lists = [[float(size)] * 2 if size % 3 else None for size in sizes]
        words = [str(size) if size % 2 else None for size in sizes]
        return pa.table([odd, lists, words, [s > 500 for s in sizes]], schema=self.writes)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_files(made_up(60), folder / "in", 1)
    arms = {"some": {"select": {"method": "random", "tokens": 2000}}}
    use = {"use": "tests.pipelines.test_scores:Odd", "as": "odd"}
    return small_run(folder / "in", folder / "store", folder / "out", score=[use], arms=arms)


def test_columns_that_are_no_numbers_are_not_drawn_in_the_report(run):
    page = (run / "report.html").read_text()

    assert "odd.flag" in page
    assert "odd.list" not in page
    assert "odd.word" not in page


def test_a_document_is_explained_whatever_stands_beside_its_score(run):
    taken = read_shard(read_run(run)["arms"]["some"]["selection"]["path"], ("doc_id",))["doc_id"]
    shown = [on_terminal(explain_document(one.as_py().hex(), run).shown) for one in taken]

    assert all("odd.list" in told and "odd.word" in told for told in shown)
