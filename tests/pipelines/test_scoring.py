"""What scorers may read: sidecars of stages, earlier scores, corpora by role; wide ones go home."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest

from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.errors import RecipeError
from curator.ledger import Store
from curator.recipe import Recipe, arrange, find_recipe
from curator.schema import score_field
from curator.shards import read_shard
from curator.stage import Corpus, FittedScorer, Site, Stage, WideScorer
from pipelines.check import checked
from pipelines.curate import Curated, curate
from pipelines.pricing import Scoring, scoring_of
from pipelines.scoring import folders_of, learned_from, needed
from scorers.classifier import Classifier
from tests.support.jsonl import write_lines
from tests.support.judges import recorded

HERE = "tests.pipelines.test_scoring"


@dataclass(frozen=True)
class Lengths(FittedScorer):
    """A sidecar that another scorer wants: characters over the longest of the pool."""

    name: ClassVar[str] = "lengths"
    learns_from: ClassVar[tuple[str, ...]] = ("raw",)
    writes: ClassVar[pa.Schema] = pa.schema([score_field("length", unit="share")])

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        longest = max(
            len(t) for c in corpora["raw"].tables(("text",)) for t in c["text"].to_pylist()
        )
        (out / "longest").write_text(str(longest))

    def load(self, site: Site) -> int:
        assert site.fitted is not None
        return int((site.fitted / "longest").read_text())

    def score(self, model: int, table: pa.Table) -> pa.Table:
        return pa.table({"length": [len(text) / model for text in table["text"].to_pylist()]})


@dataclass(frozen=True)
class Reading(FittedScorer):
    """Reads a stage's sidecar and an earlier score, when it learns and when it scores."""

    of: str = "letters"

    name: ClassVar[str] = "reading"
    learns_from: ClassVar[tuple[str, ...]] = ("raw", "target")
    writes: ClassVar[pa.Schema] = pa.schema([score_field("sum", unit="shares")])

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("length", self.of)

    @property
    def beside(self) -> tuple[Stage, ...]:
        return (Lengths(),)

    @property
    def scores(self) -> tuple[str, ...]:
        return (self.of,)

    def fit(self, corpora: Mapping[str, Corpus], out: Path, site: Site) -> None:
        tables = list(corpora["raw"].tables(("doc_id", "length", self.of)))
        rows = sum(table.num_rows for table in tables)
        target = sum(table.num_rows for table in corpora["target"].tables(("text",)))
        (out / "rows").write_text(f"{rows} {target} {site.cache is not None}")

    def load(self, site: Site) -> str:
        assert site.fitted is not None
        return (site.fitted / "rows").read_text()

    def score(self, model: str, table: pa.Table) -> pa.Table:
        assert model.endswith("True")
        lengths, others = (table[name].to_numpy() for name in self.reads)
        return pa.table({"sum": pa.array(lengths + others, pa.float32())})


@dataclass(frozen=True)
class Untaught(Reading):
    """Wants a sidecar of a stage whose role nothing fills."""

    @property
    def beside(self) -> tuple[Stage, ...]:
        return (Classifier(),)


@dataclass(frozen=True)
class Place(WideScorer):
    """A document's place among all by length, in one key range; nothing is said of the last."""

    name: ClassVar[str] = "place"
    writes: ClassVar[pa.Schema] = pa.schema(  # type: ignore[misc]
        [score_field("place", unit="rank"), score_field("among", unit="documents")]
    )

    def emit(self, model: Any, table: pa.Table) -> pa.Table:
        sizes = [len(text) for text in table["text"].to_pylist()]
        return pa.table(
            {
                "key": pa.array(np.zeros(len(sizes), np.uint64)),
                "size": pa.array(sizes, pa.uint64()),
                "row": table["row"],
            }
        )

    def reduce(self, partition: pa.Table) -> pa.Table:
        n = partition.num_rows
        said = partition.slice(0, n - 1)
        places = np.arange(n - 1, dtype=np.float32)
        return pa.table(
            {"row": said["row"], "place": places, "among": np.full(n - 1, n, np.float32)}
        )


def run(folder: Path, *, files: int = 1, **more: Any) -> Curated:
    texts = [f"{'word ' * n}{n}" for n in range(1, 25)]
    paths = [
        write_lines(folder / f"{f}.jsonl", *({"text": text} for text in texts[f::files]))
        for f in range(files)
    ]
    corpus = {
        "ingest": [{"reader": "jsonl", "source": "web", "files": [str(p) for p in paths]}],
        "roles": {"target": "source:web"},
        "tokenizer": {"bpe": 300},
    }
    recipe = Recipe.model_validate({"name": "t", "corpus": corpus, "arms": {}, **more})
    return curate(recipe, Driver(Store(folder / "store"), Inline(1), quiet=True))


def column(made: Curated, score: str, name: str) -> list[Any]:
    sidecar = made.pool.sidecar(f"score.{score}")
    assert sidecar is not None
    return [v for shard in sidecar.shards for v in read_shard(shard)[name].to_pylist()]


def test_a_scorer_reads_sidecars_and_earlier_scores_in_its_fit_and_after(tmp_path):
    made = run(tmp_path, score=[{"use": "letters"}, {"use": f"{HERE}:Reading", "as": "sum"}])

    lengths = [s for s in made.steps if s.artifact.name == "lengths"]
    length = [
        v for shard in lengths[0].artifact.shards for v in read_shard(shard)["length"].to_pylist()
    ]
    letters = column(made, "letters", "letters")
    assert column(made, "sum", "sum") == pytest.approx(np.add(length, letters))


def test_a_role_that_nothing_fills_of_a_stage_beside_is_told(tmp_path):
    score = [{"use": "letters"}, {"use": f"{HERE}:Untaught"}]
    with pytest.raises(RecipeError, match=r"classifier: learns_from has roles .*wanted \['good'"):
        run(tmp_path, score=score)


def test_what_two_scorers_want_is_made_once(tmp_path):
    entries = [
        {"use": "letters"},
        {"use": f"{HERE}:Reading", "as": "a"},
        {"use": f"{HERE}:Reading", "as": "b"},
    ]
    made = run(tmp_path, score=entries)

    assert [s.cached for s in made.steps if s.artifact.name == "lengths"] == [False, True]


@pytest.mark.parametrize("files", [1, 5])
def test_a_wide_scorer_s_rows_come_home_wherever_the_corpus_is_cut(tmp_path, files):
    made = run(tmp_path, files=files, score=[{"use": f"{HERE}:Place", "as": "p"}])
    texts = [t for shard in made.pool.corpus.shards for t in read_shard(shard)["text"].to_pylist()]
    order = sorted(range(24), key=lambda row: len(texts[row]))

    assert [column(made, "p", "p")[row] for row in order] == [*range(23), None]
    assert column(made, "p", "p.among").count(24.0) == 23


def test_a_score_is_expected_to_take_what_all_steps_of_an_equal_one_took(tmp_path):
    made = run(tmp_path, score=[{"use": f"{HERE}:Place", "as": "one"}])
    store = Store(tmp_path / "store")
    steps = [artifact for _, artifact in store.artifacts() if artifact.name.startswith("score.one")]
    other = [{"use": f"{HERE}:Place", "as": "other"}]
    told = scoring_of(Recipe(name="t", score=other), made, store).scores[0]

    assert {step.name for step in steps} == {"score.one", "score.one.emit", "score.one.reduce"}
    assert not told.made
    assert told.seconds == pytest.approx(sum(step.seconds for step in steps))


def test_an_entry_that_reads_a_later_score_is_refused():
    entries = [{"use": f"{HERE}:Reading", "as": "sum"}, {"use": "letters"}]
    content = {"name": "t", "corpus": {"roles": {"target": "pool"}}, "score": entries}

    with pytest.raises(RecipeError, match=r"score\.0: no earlier score 'letters'"):
        checked(content, "here")


def test_a_role_comes_from_the_entry_the_corpus_or_its_default():
    known = {"target": ["a/train", "b/train"], "good": "source:wiki"}

    assert learned_from({"use": "x"}, ("target", "raw"), known) == [
        ("target", ("a/train", "b/train")),
        ("raw", ("pool",)),
    ]
    assert learned_from({"use": "x", "learns_from": {"target": "good"}}, ("target",), known) == [
        ("target", ("source:wiki",))
    ]
    with pytest.raises(RecipeError, match=r"corpus.roles has \[\]; wanted \['target'\]"):
        learned_from({"use": "x"}, ("target",), {})
    with pytest.raises(RecipeError, match=r"learns_from has roles \['bad'\]"):
        learned_from({"use": "x", "learns_from": {"bad": "pool"}}, ("target",), known)
    with pytest.raises(RecipeError, match=r"learns_from is 'pool'; wanted a mapping of \['target'"):
        learned_from({"use": "x", "learns_from": "pool"}, ("target",), known)


def test_an_arm_takes_its_scores_and_what_they_read():
    entries = [{"use": "letters"}, {"use": "letters", "as": "other"}, {"use": f"{HERE}:Reading"}]

    assert [e.get("as", e["use"]) for e in needed(entries, ["reading"])] == [
        "letters",
        f"{HERE}:Reading",
    ]


def test_the_name_of_a_swarm_stands_for_its_models():
    models = {"swarm-10": Path("j"), "swarm-2": Path("b"), "swarm": Path("s"), "other": Path("o")}

    assert folders_of("other", models) == [Path("o")]
    assert folders_of("swarm", models) == [Path("s")]
    del models["swarm"]
    assert folders_of("swarm", models) == [Path("b"), Path("j")]
    assert folders_of("/some/model", models) == ["/some/model"]


def test_recipes_and_corpora_are_found_by_name(tmp_path):
    assert find_recipe(Path("demo")).name == "demo.yaml"
    assert find_recipe(Path("no-such-recipe")) == Path("no-such-recipe")
    (tmp_path / "c.yaml").write_text("ingest: []\nevaluate: {heldout: [web]}\n")
    arranged = arrange({"corpus": "c.yaml"}, tmp_path)

    assert arranged == {"corpus": {"ingest": []}, "evaluate": {"heldout": ["web"]}}
    told = arrange({"corpus": "c.yaml", "evaluate": None}, tmp_path)
    assert told["evaluate"] is None


def test_examples_that_repeat_the_final_target_are_refused_or_left_out(tmp_path):
    shared = "thirteen words in a row that stand in both of them and nowhere else at all"
    train = [f"A question of its own, number {n}, about nothing much." for n in range(5)]
    texts = {"train": [*train, f"Look: {shared}."], "test": [f"Here {shared}.", "Another."]}
    files = {
        split: str(write_lines(tmp_path / f"{split}.jsonl", *({"text": t} for t in contents)))
        for split, contents in texts.items()
    }

    ref = {"ref": {"train": {"proxy": "demo", "tokens": 2048, "learns_from": "target"}}}

    def curated(models: Any = None, **benchmark: Any) -> Curated:
        pool = write_lines(tmp_path / "p.jsonl", *({"text": f"{'word ' * n}{n}"} for n in range(9)))
        corpus = {
            "ingest": [{"reader": "jsonl", "source": "web", "files": str(pool)}],
            "benchmarks": {"b": {**files, **benchmark}},
            "decontaminate": {"against": ["b/test"]},
            "roles": {"target": "b/train"},
            "tokenizer": {"bpe": 300},
        }
        score = [] if models else [{"use": "ngrams", "as": "n"}]
        content = {"name": "t", "corpus": corpus, "score": score, "models": models or {}}
        content["evaluate"] = {"final_target": "b/test"}
        recipe = Recipe.model_validate(content)
        return curate(recipe, Driver(Store(tmp_path / "store"), Inline(1), quiet=True))

    with pytest.raises(RecipeError, match=r"1 of 6 examples share 13 words.*`apart: 13`"):
        curated()
    with pytest.raises(RecipeError, match=r"models.ref, learns_from b/train: 1 of 6 examples"):
        curated(ref)
    made = curated(apart=13)
    assert read_shard(made.benchmarks["b/train"].items)["text"].to_pylist() == train


def test_a_document_of_the_final_target_is_not_judged(tmp_path):
    item = "a question of thirteen words and more that the judge has perhaps seen before today"
    test = write_lines(tmp_path / "test.jsonl", {"text": item})
    texts = ["short", "shorter"]
    said = recorded(tmp_path / "t.jsonl", texts, lambda _: {1.0: 0.7, 0.0: 0.2}, source="web")
    store = Store(tmp_path / "store")

    def judged(*more: str) -> Scoring:
        pool = write_lines(tmp_path / "p.jsonl", *({"text": text} for text in (*texts, *more)))
        corpus = {
            "ingest": [{"reader": "jsonl", "source": "web", "files": str(pool)}],
            "benchmarks": {"b": {"test": str(test)}},
            "tokenizer": {"bpe": 300},
        }
        score = [{"use": "judge", "prompt": "quality", "transcript": str(said)}]
        evaluate = {"final_target": "b/test"}
        content = {"name": "t", "corpus": corpus, "score": score, "evaluate": evaluate}
        recipe = Recipe.model_validate(content)
        return scoring_of(recipe, curate(recipe, Driver(store, Inline(1), quiet=True)), store)

    assert [score.made for score in judged().scores] == [True]
    with pytest.raises(RecipeError, match="1 of the documents to judge are in the final target"):
        judged(f"Quoted: {item}")
