"""Lines and passages through the real steps: what is left, what is noted, on any engine."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curator.corpus_spec import DedupSpec, ParagraphsSpec
from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.errors import BudgetError, RecipeError
from curator.ledger import Store
from curator.shards import read_shard
from pipelines.deduplicating import dedup
from pipelines.pool import Pool
from tests.support.copies import random_words
from tests.support.corpus import corpus_of

BANNER = "We use cookies on this site. Accept?"
PASSAGE = " ".join(random_words(np.random.default_rng(9), 60))


def texts():
    """Twelve texts under a banner, every third with the passage; and one that is nothing else."""
    rng = np.random.default_rng(4)
    made = []
    for number in range(12):
        body = " ".join(random_words(rng, 20 + number))
        quoted = f"\n\nQuote {'x' * (number + 1)} {PASSAGE}" if number % 3 == 0 else ""
        made.append(f"{BANNER}\n{body}{quoted}\n\n{'x' * number} ends here\n")
    return [*made, f"{BANNER}\n{PASSAGE.replace(' ', chr(10), 20)}\n"]


def both(**changes):
    spec = {"exact": False, "paragraphs": {"least_words": 3}, "substring": {"k": 50}}
    return DedupSpec.model_validate({**spec, **changes})


def deduplicated(folder, spec, engine, shards=3):
    driver = Driver(Store(folder), engine, quiet=True)
    made = dedup(spec, Pool(corpus_of(driver.store, texts(), shards)), driver)
    engine.close()
    return driver, made


def living(pool):
    tables = pool.learning().tables(("text", "parent_id"))
    return pa.concat_tables(tables).to_pydict()


def test_what_better_documents_have_is_cut_and_the_rest_reads_on(tmp_path):
    _, pool = deduplicated(tmp_path, both(), Inline(1))

    left, before = living(pool)["text"], texts()[:12]
    longest = before.index(max(before, key=len))
    assert longest % 3 == 0
    wanted = [text.replace(f"{BANNER}\n", "").replace(f" {PASSAGE}", "") for text in before]
    wanted[longest] = before[longest]
    assert left == wanted


def test_a_document_of_which_nothing_is_left_is_dropped_with_a_reason(tmp_path):
    driver, pool = deduplicated(tmp_path, both(), Inline(1))

    reasons = [
        read_shard(shard)["reason"].to_pylist()[-1]
        for decision in pool.decisions
        for shard in decision.shards[-1:]
    ]
    assert "dedup.substring.empty" in reasons
    assert {step.artifact.name for step in driver.steps} >= {"dedup.paragraphs", "dedup.substring"}


def test_changed_documents_name_their_parent(tmp_path):
    _, pool = deduplicated(tmp_path, both(substring=None), Inline(1))

    found = living(pool)
    parents = {
        text: one
        for shard in pool.ingested.shards
        for text, one in zip(
            *(read_shard(shard)[c].to_pylist() for c in ("text", "doc_id")), strict=True
        )
    }
    changed = [parent for parent in found["parent_id"] if parent is not None]
    assert len(changed) == 12
    assert set(changed) <= set(parents.values())


def test_annotation_changes_no_text(tmp_path):
    spec = both(paragraphs=None, substring={"k": 50, "action": "annotate"})
    _, pool = deduplicated(tmp_path, spec, Inline(1))

    assert living(pool)["text"] == texts()
    spans = pool.sidecar("dedup.substring.spans")
    noted = pa.concat_tables([read_shard(shard) for shard in spans.shards])
    has_passage = [PASSAGE in " ".join(text.split()) for text in texts()]
    assert [bool(spans) for spans in noted["repeated"].to_pylist()] == has_passage
    assert sum(size > 0 for size in noted["surplus_bytes"].to_pylist()) == sum(has_passage) - 1
    first = noted["repeated"].to_pylist()[0][0]
    assert texts()[0].encode()[first["start"] : first["end"]].decode() == PASSAGE
    assert first["kind"] == "repeated"


def test_a_source_that_would_lose_too_much_text_stops_the_run(tmp_path):
    driver = Driver(Store(tmp_path), Inline(1), quiet=True)
    words = random_words(np.random.default_rng(1), 300)
    page = "\n".join(f"{word} is one line of many" for word in words)
    pool = Pool(corpus_of(driver.store, [f"{page}\n{n}" for n in range(20)], 2))
    spec = DedupSpec(exact=False, paragraphs=ParagraphsSpec())

    with pytest.raises(BudgetError, match=r"'toy' would lose [\d,]+ of [\d,]+ bytes"):
        dedup(spec, pool, driver)


def test_a_source_without_documents_is_a_mistake(tmp_path):
    spec = both(substring={"k": 50, "sources": ["toys"]}, paragraphs=None)

    with pytest.raises(RecipeError, match=r"'toys'.*'toy'") as error:
        deduplicated(tmp_path, spec, Inline(1))

    assert error.value.where == "corpus.dedup.substring.sources"


@pytest.mark.parametrize("kind", ["inline-2", pytest.param("ray-2", marks=pytest.mark.ray)])
def test_all_engines_write_the_same_bytes(kind, tmp_path, request):
    if kind.startswith("ray"):
        from curator.engine.on_ray import OnRay

        request.getfixturevalue("ray_session")
        engine = OnRay(2)
    else:
        engine = Inline(2)
    alone, _ = deduplicated(tmp_path / "alone", both(), Inline(1))
    other, _ = deduplicated(tmp_path / "other", both(), engine)

    digests = [
        {a.name: (a.id, a.digest) for _, a in driver.store.artifacts()} for driver in (alone, other)
    ]
    assert digests[0] == digests[1]


def test_how_the_corpus_is_cut_into_shards_changes_no_text(tmp_path):
    _, one = deduplicated(tmp_path / "one", both(), Inline(1), shards=1)
    _, many = deduplicated(tmp_path / "many", both(), Inline(1), shards=5)

    assert living(one)["text"] == living(many)["text"]
