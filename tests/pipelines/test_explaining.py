"""A document is explained in the units of its scores, whichever way they are better."""

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
class Bytes(Scorer):
    """How long a text is: short ones are better."""

    name: ClassVar[str] = "bytes"
    version: ClassVar[int] = 1
    writes: ClassVar[pa.Schema] = pa.schema(
        [
            score_field("bytes", unit="bytes", better="lower", about="size"),
            score_field("first", unit="letter", better="neither", about="first character"),
        ]
    )

    def score(self, model, table):
        size = pc.binary_length(table["text"]).cast(pa.float32())
        first = pa.array([ord(text[0]) for text in table["text"].to_pylist()], pa.float32())
        return pa.table([size, first], schema=self.writes)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_files(made_up(40), folder / "in", 1)
    arms = {
        "short": {"select": {"method": "topk", "by": "size", "tokens": 2000}},
        "brief": {"select": {"method": "threshold", "by": "size", "threshold": 1200.0}},
        "long": {"select": {"method": "topk", "by": "size", "better": "higher", "tokens": 3000}},
        "any": {"select": {"method": "random", "tokens": 2000}},
    }
    use = {"use": "tests.pipelines.test_explaining:Bytes", "as": "size"}
    return small_run(folder / "in", folder / "store", folder / "out", score=[use], arms=arms)


@pytest.mark.parametrize("arm", ["short", "brief", "long"])
def test_keys_are_shown_as_the_scores_they_are(run, arm):
    taken = read_shard(read_run(run)["arms"][arm]["selection"]["path"], ("doc_id",))["doc_id"]

    told = explain_document(taken[0].as_py().hex(), run).shown

    scores = {score.name: score.value for score in told.scores}
    (choice,) = (choice for choice in told.choices if choice.arm == arm)
    assert choice.taken
    assert choice.key == scores["size"] > 0
    assert choice.cut <= choice.key if arm == "long" else choice.cut >= choice.key


def test_a_score_that_neither_way_is_better_has_no_rank_and_says_so(run):
    taken = read_shard(read_run(run)["arms"]["any"]["selection"]["path"], ("doc_id",))["doc_id"]

    told = explain_document(taken[0].as_py().hex(), run).shown

    size, first = told.scores
    assert (size.name, size.better, first.better) == ("size", "lower", "neither")
    assert size.rank is not None
    assert first.rank is None
    (line,) = (line for line in on_terminal(told).splitlines() if "letter" in line)
    assert "is better" not in line
