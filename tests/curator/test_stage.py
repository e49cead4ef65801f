"""The contract that every scorer is held to, and corpora that are read shard by shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pytest

from curator.errors import PluginError
from curator.ledger import Store
from curator.schema import DOCUMENT, conform, field_note, score_field
from curator.shards import read_shard, write_shard
from curator.stage import Corpus, Scorer
from tests.support.corpus import corpus_of, documents, made_up_texts
from tests.support.stages import Length, LosesARow


@dataclass(frozen=True)
class GivesNan(Scorer):
    name: ClassVar[str] = "nan"
    writes: ClassVar[pa.Schema] = pa.schema([score_field("s", unit="none")])

    def score(self, model, table):
        return pa.table({"s": [float("nan")] * table.num_rows})


def test_a_scorer_that_keeps_its_contract_passes():
    table = documents(made_up_texts(5))

    assert Length().process(None, table).num_rows == 5


def test_a_lost_row_and_a_nan_are_faults_of_the_plugin():
    table = documents(made_up_texts(5))

    with pytest.raises(PluginError, match="returned 4 rows for 5 documents"):
        LosesARow().process(None, table)
    with pytest.raises(PluginError, match="has 5 NaN; return null"):
        GivesNan().process(None, table)


def test_conform_names_all_faults_at_once():
    table = pa.table({"doc_id": [b"short"], "extra_column": [1]})

    with pytest.raises(PluginError) as caught:
        conform(table, DOCUMENT)

    assert "unknown columns ['extra_column']" in caught.value.message
    assert "'doc_id' is binary" in caught.value.message
    assert "'text' (large_string) is missing" in caught.value.message


def test_a_score_field_says_unit_and_direction():
    field = score_field("bpb", unit="bits/byte", better="lower", about="Loss.")

    assert [field_note(field, k) for k in ("unit", "better", "about")] == [
        "bits/byte",
        "lower",
        "Loss.",
    ]
    with pytest.raises(PluginError, match="better='up'"):
        score_field("x", unit="", better="up")


def test_a_corpus_yields_living_rows_of_its_sources(tmp_path):
    store = Store(tmp_path)
    made = corpus_of(store, made_up_texts(10), 2)
    decisions = tuple(
        write_shard(
            pa.table({"keep": [True, None, False, True, True]}), tmp_path / f"{n}", name="d"
        )
        for n in range(2)
    )

    corpus = Corpus(made.shards, decisions)
    texts = [t for table in corpus.tables(("text",)) for t in table["text"].to_pylist()]

    expected = [
        text
        for shard in made.shards
        for i, text in enumerate(read_shard(shard)["text"].to_pylist())
        if i in (0, 3, 4)
    ]
    assert texts == expected
    assert corpus.rows == 6
    assert Corpus(made.shards, decisions, ("other",)).rows == 0
    assert corpus.digest != Corpus(made.shards).digest
