"""A proxy is asked what a benchmark declares: files, metrics, names of what was measured."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from curator.corpus_spec import BenchmarkSpec
from curator.engine.driver import Driver
from curator.engine.run import Inline
from curator.errors import LedgerError, RecipeError
from curator.ledger import Store
from curator.recipe import SamplesSpec
from curator.shards import read_shard
from curator.train.proxy import Proxy
from curator.train.tokenizer import digest, encode, load_tokenizer, train_bpe
from pipelines import training
from pipelines.asking import ask_proxy
from pipelines.evaluating import (
    EvaluateJob,
    TextSet,
    at_chance,
    item_means,
    metrics_of,
    run_evaluate,
    texts_of,
)
from pipelines.splitting import benchmarks_of
from pipelines.training import TrainJob, run_train
from tests.support.asked import WORDS
from tests.support.mixtures import write_mixture

SMALL = Proxy(depth=1, width=16, heads=2, context=32, batch_tokens=64, precision="fp32")
QUIZ = [
    {"id": f"q{n}", "q": "the cat", "c": ["sat on a mat", "home 12", "naïve"][: 2 + n % 2], "a": 0}
    for n in range(12)
]
PAIRS = [
    {"g": f"two dogs barked {n}", "b": f"dogs barked two {n}", "uid": "ab"[n % 2]} for n in range(8)
]
TAILS = [{"q": "while two naïve dogs", "end": word} for word in ("barked", "ran")]
SPECS = {
    "quiz": {"choices": {"context": "q", "options": "c", "answer": "a"}},
    "pairs": {"pairs": {"good": "g", "bad": "b", "group": "uid"}},
    "tails": {"choices": {"context": "q", "options": "end"}},
    "plain": {"text": "q"},
}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    """Return the folder of a tiny proxy that was trained on WORDS."""
    folder = tmp_path_factory.mktemp("proxy")
    tokenizer = train_bpe([pa.array([WORDS * 4])], 300, folder / "bpe")
    offsets, ids = encode(load_tokenizer(tokenizer), pa.array([WORDS] * 20))
    documents = [("s", ids[a + 1 : b].tolist()) for a, b in itertools.pairwise(offsets)]
    mixture = write_mixture(folder / "mixture", documents, vocab_size=300)
    described = json.loads((mixture / "mixture.json").read_text())
    described["tokenizer_digest"] = digest(tokenizer)
    (mixture / "mixture.json").write_text(json.dumps(described))
    (mixture / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "find_proxy", lambda _: SMALL)
        return run_train(TrainJob(mixture, "small", 640, 1, Store(folder / "store")))


@pytest.fixture
def driver(tmp_path):
    return Driver(Store(tmp_path / "store"), Inline(1), quiet=True)


@pytest.fixture
def benchmarks(tmp_path, driver):
    specs = {}
    for name, records in {"quiz": QUIZ, "pairs": PAIRS, "tails": TAILS, "plain": QUIZ}.items():
        path = tmp_path / f"{name}.jsonl"
        path.write_text("\n".join(map(json.dumps, records)))
        specs[name] = BenchmarkSpec.model_validate({"test": str(path), **SPECS[name]})
    return benchmarks_of(specs, None, driver)[1]


@pytest.fixture
def job(proxy, benchmarks, driver):
    sets = tuple(TextSet(name, each.items, (), each.asked) for name, each in benchmarks.items())
    return EvaluateJob(proxy, sets, proxy / "tokenizer.json", driver.store)


def test_every_form_of_benchmark_has_its_own_metrics(job):
    found = metrics_of(run_evaluate(job), job.sets)

    answers = ("accuracy", "accuracy_raw", "correct_prob", "margin", "norm_prob", "gold_bits")
    assert list(found) == [
        "quiz/test", *(f"quiz/test#{kind}" for kind in answers),
        "pairs/test", "pairs/test#accuracy", "pairs/test#margin_nats",
        "tails/test", "tails/test#gold_bits",
        "plain/test",
    ]  # fmt: skip
    assert all(np.isfinite(value) for value in found.values())


def test_a_table_of_items_stands_behind_every_metric(job):
    folder = run_evaluate(job)

    items = read_shard(folder / "choices-0.arrow")
    options = read_shard(folder / "options-0.arrow")
    assert items["item"].to_pylist() == [record["id"] for record in QUIZ]
    assert options.num_rows == sum(len(record["c"]) for record in QUIZ)
    assert pc.mean(items["margin"]).as_py() == metrics_of(folder, job.sets)["quiz/test#margin"]
    assert read_shard(folder / "pairs-1.arrow").num_rows == len(PAIRS)


def test_the_text_of_questions_is_context_and_options_unless_named(benchmarks):
    def first(name):
        return read_shard(benchmarks[name].items)["text"][0].as_py()

    assert first("quiz/test").startswith("the cat\nsat on a mat")
    assert first("pairs/test").startswith("two dogs barked")
    assert first("plain/test") == "the cat"


def test_what_is_divided_by_names_the_metric_but_not_the_questions(job, benchmarks, driver):
    quiz = benchmarks["quiz/test"]
    asked = quiz.asked.__class__("choices", quiz.asked.shard, "option")
    other = (TextSet("quiz/test", quiz.items, (), asked),)

    ours = texts_of(job.sets, ["quiz/test", "quiz/test#margin"])
    theirs = texts_of(other, ["quiz/test", "quiz/test#margin"])

    assert ours["quiz/test"] == theirs["quiz/test"]
    assert ours["quiz/test#margin"] != theirs["quiz/test#margin"]
    assert EvaluateJob(job.run, other, job.tokenizer, job.store).folder != job.folder


def test_metrics_that_no_seed_lifts_above_chance_are_told(job):
    folder = run_evaluate(job)
    right = metrics_of(folder, job.sets)

    found = at_chance([folder, folder], job.sets)

    assert ("quiz/test#accuracy" in found) == (right["quiz/test#accuracy"] < 0.5)
    assert not {"quiz/test", "quiz/test#gold_bits", "tails/test#gold_bits"} & set(found)


def test_items_left_out_are_told_beside_the_questions(tmp_path, driver):
    path = tmp_path / "q.jsonl"
    records = [*QUIZ * 10, {"q": "x", "c": ["y", "y"], "a": 0}]
    path.write_text("\n".join(map(json.dumps, records)))
    spec = BenchmarkSpec.model_validate({"test": str(path), **SPECS["quiz"]})

    asked = benchmarks_of({"q": spec}, None, driver)[1]["q/test"].asked

    told = json.loads((Path(asked.shard.path).parent / "left_out.json").read_text())
    assert "q.jsonl:121" in told[0]


def test_one_proxy_is_asked_about_one_file(tmp_path, proxy, job):
    path = tmp_path / "quiz.jsonl"

    found = ask_proxy(
        proxy, path, text="", choices="context=q,options=c,answer=a", pairs="", id_field="id",
        items=None,
    )  # fmt: skip

    rows = {row["metric"]: row["value"] for row in found.summary["metrics"]}
    want = metrics_of(run_evaluate(job), job.sets)
    assert rows["margin"] == pytest.approx(want["quiz/test#margin"])
    assert rows["bits"] == pytest.approx(want["quiz/test"])
    assert found.summary["items"] == len(QUIZ)
    found.print()


def test_so_many_items_are_asked_as_are_wanted_and_others_are_another_metric(job):
    few = EvaluateJob(
        job.run, tuple(replace(each, items=4) for each in job.sets), job.tokenizer, job.store
    )

    folder = run_evaluate(few)

    names = ["quiz/test", "quiz/test#margin"]
    assert read_shard(folder / "choices-0.arrow")["item"].to_pylist() == ["q0", "q3", "q6", "q9"]
    assert read_shard(folder / "bits-0.arrow").num_rows == 4
    assert not set(texts_of(few.sets, names).values()) & set(texts_of(job.sets, names).values())


def test_only_some_items_are_asked_where_so_many_are_wanted(tmp_path, proxy, benchmarks):
    def items(**fields):
        given = {"text": "", "choices": "", "pairs": "", "id_field": "id", "items": 3, **fields}
        name = "quiz" if fields.get("choices") else "pairs"
        return ask_proxy(proxy, tmp_path / f"{name}.jsonl", **given).summary["items"]

    assert items(choices="context=q,options=c,answer=a") == 3
    assert items(pairs="good=g,bad=b,group=[uid]") == 3


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"choices": "options=c,key=v"}, "key: Extra inputs.*known: context, options"),
        ({"choices": "options"}, "--choices: 'options' has no '='; write KEY=FIELD"),
        ({"choices": "options=c", "pairs": "good=g,bad=b"}, "one of them"),
    ],
)
def test_fields_that_no_one_knows_are_refused(tmp_path, proxy, given, told):
    settings = {"text": "", "choices": "", "pairs": "", "id_field": "id", "items": None, **given}

    with pytest.raises(RecipeError, match=told):
        ask_proxy(proxy, tmp_path / "quiz.jsonl", **settings)


def test_what_is_no_proxy_is_refused(tmp_path):
    settings = {"text": "a", "choices": "", "pairs": "", "id_field": "id", "items": None}

    with pytest.raises(LedgerError, match=r"holds no model.safetensors; give a proxy's folder"):
        ask_proxy(tmp_path, tmp_path / "quiz.jsonl", **settings)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"test": "f", **SPECS["quiz"], **SPECS["pairs"]}, "its items are one of them"),
        ({"source": "web", **SPECS["pairs"]}, "has texts only"),
    ],
)
def test_a_benchmark_is_of_one_form_and_from_files(spec, told):
    with pytest.raises(ValueError, match=told):
        BenchmarkSpec.model_validate(spec)


def test_no_items_have_no_means():
    assert item_means(pa.table({"item": [], "options": pa.array([], pa.int64())})) == {}


def test_what_a_proxy_writes_is_measured_where_a_recipe_asks(job):
    asked = SamplesSpec(above=0.5, count=8, tokens=12)
    asking = replace(job, samples=asked, sets=())

    folder = run_evaluate(asking)

    found = metrics_of(folder, ())
    assert list(found) == ["samples#bad_rate"]
    assert 0 <= found["samples#bad_rate"] <= 1
    assert read_shard(folder / "samples.arrow").num_rows == 8
    other = asked.model_copy(update={"above": 0.6})
    ours, theirs = (texts_of((), list(found), each) for each in (asked, other))
    assert list(ours) == list(theirs) == ["samples#bad_rate"]
    assert not set(ours.values()) & set(theirs.values())


def test_an_evaluation_is_named_by_its_prefix_and_samples_and_otherwise_as_it_was(job):
    plain = job.identity

    assert set(plain) == {"version", "libraries", "run", "sets"}
    assert replace(job, prefix=("good",)).identity == {**plain, "prefix": ["good"]}
    assert replace(job, samples=SamplesSpec(above=0.5)).folder != job.folder
