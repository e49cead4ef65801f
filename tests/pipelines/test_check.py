"""A wrong recipe is told all that is wrong with it, and leaves the disk as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from curator.errors import RecipeError
from pipelines.check import checked, load_recipe
from pipelines.check_corpus import splits

FIVE_MISTAKES = """
name: wrong
corpus:
  ingest: [{reader: jsnol, source: web, files: web.jsonl}]
  clean: {rules: [gophr]}
  dedupe: {exact: true}
score: [{use: lettres, as: letters}]
arms:
  best: {select: {method: topk, by: letters, tokens: 1000}}
train: {proxy: demo, tokens: many}
"""


def problems(folder: Path, text: str) -> str:
    path = folder / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    return str(caught.value)


def test_every_mistake_is_told_at_once_with_the_nearest_known_word(tmp_path):
    told = problems(tmp_path, FIVE_MISTAKES)
    for place, nearest in (
        ("corpus.dedupe: unknown key", "'dedup'"),
        ("train.tokens: found 'many'", "integer"),
        ("corpus.ingest.0: there is no reader 'jsnol'", "'jsonl'"),
        ("corpus.clean.rules", "'gopher'"),
        ("no scorer 'lettres'", "'letters'"),
    ):
        line = next((line for line in told.splitlines() if place in line), f"{place} is not told")
        assert nearest in line
    assert "5 mistakes; nothing ran" in told


def test_a_wrong_recipe_leaves_the_disk_as_it_was(tmp_path, monkeypatch):
    from pipelines.running import run_recipe

    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(FIVE_MISTAKES)
    with pytest.raises(RecipeError):
        run_recipe(
            Path("recipe.yaml"), corpus=None, store=Path("store"), out=None, engine="inline",
            address=None, workers=1, assignments=[], quiet=True,
        )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("corpus: {ingest: [{source: web, files: nowhere/*.jsonl}]}", "no file matches"),
        ("corpus: {benchmarks: {gsm8k: {train: nowhere.jsonl}}}", "there is no file"),
        ("corpus: {benchmarks: {gsm8k: {}}}", "name one"),
        ("corpus: {decontaminate: {against: [gsm8k/test]}}", "no benchmark split 'gsm8k/test'"),
        ("score: [{use: similarity, learns_from: {good: pool}}]", "wanted ['target']"),
        ("score: [{use: letters}, {use: letters}]", "name one with `as:`"),
        ("arms: {a: {select: {method: topk, by: sim, tokens: 9}}}", "no score 'sim'"),
        ("arms: {a: {select: {method: best}}}", "unknown method 'best'"),
        ("baseline: random\narms: {a: {select: {method: random, tokens: 9}}}", "no arm 'random'"),
        ("train: {proxy: huge, tokens: 9}", "no proxy 'huge'"),
        ("train: {proxy: d2, tokens: 9999, trunk: {arm: a, tokens: 9999}}", "no arm 'a'"),
        ("train: {proxy: d2, tokens: 9999, trunk: {arm: a, tokens: 9}}", "less than one batch"),
        (
            "score: [{use: letters}]\narms: {a: {select: {method: topk, by: letters.x, share: 1}}}",
            "score 'letters' has no column 'letters.x'",
        ),
        (
            "score: [{use: letters}, {use: distill, of: letters.taken}]",
            "score 'letters' has no column 'letters.taken'",
        ),
        ("score: [{use: novelty, encoder: wordlama}]", "score.0.encoder: no model 'wordlama'"),
        (
            "models: {swarm: {train: {proxy: d2, tokens: 9999, count: 4}}}\n"
            "score: [{use: losses, models: [swarn, swarm, swarm-2]}]",
            "score.0.models: no model 'swarn'",
        ),
        (
            "arms: {a: {select: {method: random, share: 1, quota_by: language}}}",
            "quota_by: no score 'language'",
        ),
        (
            "score: [{use: letters}]\n"
            "arms: {a: {select: {method: band, by: letters, band: [0, 1], within: lengths}}}",
            "within: no score 'lengths'",
        ),
        ("corpus: {roles: {good: 1.5, bad: pool}}\nscore: [{use: classifier}]", "from 1.5; wanted"),
        ("corpus: {benchmarks: {quiz: {source: [a]}}}", "corpus.benchmarks.quiz.source"),
        ("models: {m: {train: {proxy: d2, tokens: 9999, learns_from: [1]}}}", "from [1]; wanted"),
        (f"train: {{proxy: {'a' * 300}, tokens: 9}}", "write a name or the path"),
        ("evaluate: {heldout: [web]}", "'web' has nothing held out"),
        ("refine: {}", "arms are refined one by one; write arms.NAME.refine"),
        ("seed: seventeen", "valid integer"),
        ("seed: 1\nseed: 2", "seed"),
        ("- a list", "not YAML"),
    ],
)
def test_a_mistake_says_what_was_found_and_what_was_wanted(tmp_path, line, told):
    assert told in problems(tmp_path, f"name: wrong\n{line}\n")


def asking(folder, asked, target):
    """Return a recipe with a benchmark of one item that asks `asked`."""
    (folder / "quiz.jsonl").write_text('{"c": ["a word", "other words"], "a": 0}\n')
    return f"""
name: asked
corpus:
  benchmarks: {{quiz: {{test: {folder}/quiz.jsonl, {asked}}}}}
  decontaminate: {{against: [quiz/test]}}
evaluate: {{final_target: "{target}"}}
"""


@pytest.mark.parametrize(
    ("asked", "target", "told"),
    [
        ("choices: {options: c, answer: a}", "quiz/test#marg", "no metric 'marg'; did you mean"),
        ("choices: {options: c}", "quiz/test#accuracy", "no metric 'accuracy'; known: gold_bits"),
        ("text: c", "quiz/test#margin", "'quiz/test' has no metric 'margin'"),
        ("pairs: {good: a, bad: b}", "quiz/test#margin_nats", "no field 'b'"),
        ("choices: {options: d, answer: a}", "quiz/test", "quiz.jsonl:1: item '1': no field 'd'"),
        ("choices: {option: c}", "quiz/test", "did you mean 'options'"),
    ],
)
def test_questions_and_the_metric_to_decide_by_are_checked_before_a_run(
    tmp_path, asked, target, told
):
    assert told in problems(tmp_path, asking(tmp_path, asked, target))


def test_a_metric_of_its_questions_can_be_what_a_recipe_decides_by(tmp_path):
    told = asking(tmp_path, "choices: {options: c, answer: a}", "quiz/test#margin")
    (tmp_path / "recipe.yaml").write_text(told)

    found = load_recipe(tmp_path / "recipe.yaml")

    assert found.evaluate.final_target == "quiz/test#margin"


def test_learning_from_a_test_split_is_refused(tmp_path):
    items = tmp_path / "items.jsonl"
    items.write_text('{"text": "what is the capital of France"}\n')
    told = problems(
        tmp_path,
        f"""
name: wrong
corpus: {{benchmarks: {{quiz: {{train: {items}, test: {items}, text: text}}}}}}
score:
  - {{use: similarity, as: cheat, learns_from: {{target: quiz/test}}}}
  - {{use: similarity, as: leak, learns_from: {{target: quiz/train}}}}
""",
    )
    assert "'quiz/test' is a test split; learn from quiz/train" in told
    assert "add 'quiz/test' to corpus.decontaminate.against" in told


def test_a_recipe_that_is_sound_is_returned_with_its_overrides(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("name: sound\nselect: {method: random, tokens: 1000}\n")
    recipe = load_recipe(path, assignments=["seed=3", "corpus.shard_bytes=1000000"])
    assert (recipe.seed, recipe.corpus.shard_bytes, list(recipe.arms)) == (3, 1_000_000, ["main"])


def test_an_encoder_that_is_not_here_is_told_before_anything_runs():
    content = {"name": "x", "corpus": {"dedup": {"semantic": {"encoder": "wordlama"}}}}

    with pytest.raises(RecipeError, match=r"dedup\.semantic\.encoder: .*did you mean 'wordllama'"):
        checked(content, "recipe")


def test_a_source_that_becomes_a_benchmark_has_both_splits():
    files = {"train": "a.jsonl"}
    corpus = {"benchmarks": {"reference": {"source": "reference"}, "quiz": files}}
    assert splits(corpus) == ["reference/train", "reference/test", "quiz/train"]


def test_a_placebo_of_no_arm_or_of_itself_and_a_strange_column_are_told(tmp_path):
    told = problems(
        tmp_path,
        """
name: wrong
score: [{use: letters}]
arms:
  best: {select: {method: threshold, by: letters, rate: 0.1, unseen: leters.seen}}
  lost: {select: {method: placebo, of: bset}}
  one: {select: {method: placebo, of: other}}
  other: {select: {method: placebo, of: one}}
  self: {select: {method: placebo, of: self}}
  fine: {select: {method: placebo, of: best}}
  after: {select: {method: placebo, of: one}}
""",
    )
    for line in (
        "arms.best.select.unseen: no score 'leters.seen'; did you mean 'letters'",
        "arms.lost.select.of: no arm 'bset'; did you mean 'best'",
        "arms.one.select.of: 'one' of 'other' of 'one'",
        "arms.other.select.of: 'other' of 'one' of 'other'",
        "arms.self.select.of: 'self' of 'self'",
    ):
        assert line in told
    assert "5 mistakes" in told
