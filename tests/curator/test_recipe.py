"""A recipe is data: YAML 1.2, all mistakes at once, an identity that knows no file."""

from __future__ import annotations

import pytest

from curator.errors import RecipeError
from curator.recipe import Recipe, arrange, override, read_yaml, shape_problems
from curator.section import is_name


def test_no_is_a_word_and_1e_3_a_number(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("a: no\nb: 1e-3\nc: 1_000\n")

    assert read_yaml(path) == {"a": "no", "b": 1e-3, "c": 1000}


def test_a_key_given_twice_is_an_error_with_its_line(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("a: 1\na: 2\n")

    with pytest.raises(RecipeError, match=r"r\.yaml, line 2.*duplicate key"):
        read_yaml(path)


def test_a_file_that_is_not_there_or_no_mapping_is_said_so(tmp_path):
    (tmp_path / "list.yaml").write_text("- 1\n")

    with pytest.raises(RecipeError, match="there is no file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(RecipeError, match="holds list; wanted a mapping"):
        read_yaml(tmp_path / "list.yaml")


def test_every_mistake_in_the_shape_is_told_with_a_suggestion():
    recipe, problems = shape_problems(
        {
            "name": "bad name",
            "corpse": {},
            "train": {"proxi": "d2", "tokens": "many"},
            "corpus": {"dedup": {"minhash": {"treshold": 0.8}}},
        }
    )

    assert recipe is None
    told = "\n".join(problems)
    assert "name: found 'bad name'" in told
    assert "corpse: unknown key; did you mean 'corpus'?" in told
    assert "train.proxi: unknown key; did you mean 'proxy'?" in told
    assert "train.tokens: found 'many'" in told
    assert "corpus.dedup.minhash.treshold: unknown key; did you mean 'threshold'?" in told


def test_sections_that_contradict_themselves_are_told_with_all_else():
    _, problems = shape_problems(
        {
            "name": "x",
            "seed": -1,
            "corpus": {
                "ingest": [],
                "tokenizer": {},
                "benchmarks": {"b": {"source": "web", "test": "a.jsonl"}},
            },
            "models": {"none": {}, "two": {"path": "p", "gguf": "g"}},
            "train": {"proxy": "d2", "tokens": 5, "seeds": [1, 2, 1]},
        }
    )

    told = "\n".join(problems)
    assert "corpus.tokenizer: gives nothing; give one of 'bpe', 'path'" in told
    assert "corpus.benchmarks.b: gives a source and files of items" in told
    assert "models.none: gives nothing; give one of 'train', 'path', 'gguf'" in told
    assert "models.two: gives 'path' and 'gguf'" in told
    assert "train.seeds: seeds [1] are there twice" in told
    assert "seed: found -1" in told
    assert "corpus.ingest: found []" in told
    assert len(problems) == 7


@pytest.mark.parametrize("tokenizer", [{"bpe": 300, "path": "t.json"}, {"bpe": None}])
def test_a_tokenizer_is_trained_or_read_not_both_and_not_neither(tokenizer):
    _, problems = shape_problems({"name": "x", "corpus": {"tokenizer": tokenizer}})

    assert problems[0].startswith("corpus.tokenizer: gives")


def test_a_single_arm_may_stand_at_the_top():
    arranged = arrange({"name": "x", "select": {"method": "random"}}, folder=None)

    assert arranged["arms"] == {"main": {"select": {"method": "random"}}}


def test_a_corpus_can_stand_in_a_file_of_its_own(tmp_path):
    (tmp_path / "pool.yaml").write_text("tokenizer: {bpe: 512}\n")

    beside = arrange({"name": "x", "corpus": "pool.yaml"}, tmp_path)
    given = arrange({"name": "x"}, tmp_path, tmp_path / "pool.yaml")

    assert beside == given == {"name": "x", "corpus": {"tokenizer": {"bpe": 512}}}


def test_overrides_are_yaml_and_make_the_mappings_they_need():
    content = override({"train": {"tokens": 1}}, ["train.tokens=2_000", "corpus.clean.language=no"])

    assert content == {"train": {"tokens": 2000}, "corpus": {"clean": {"language": "no"}}}


def test_an_override_reaches_into_lists():
    content = override({"score": [{"use": "letters"}, 5]}, ["score.0.use=ngrams", "score.1=[6]"])

    assert content == {"score": [{"use": "ngrams"}, [6]]}


@pytest.mark.parametrize(
    "assignment",
    [
        "train.tokens", "name.x=1", "name.x.y=1", "train.tokens=[", "train.tokens=\x01",
        "score.1.use=x", "score.1=x", "score.-1=x", "score.use=x", "score.0.use.x=1", "score.²=1",
    ],
)  # fmt: skip
def test_an_override_that_leads_nowhere_is_an_error(assignment):
    with pytest.raises(RecipeError, match="--set"):
        override({"name": "x", "score": [{"use": "letters"}]}, [assignment])


def test_an_alias_is_a_copy_so_that_an_override_changes_one_place(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("a: &x {k: 1}\nb: *x\n")

    assert override(read_yaml(path), ["a.k=2"]) == {"a": {"k": 2}, "b": {"k": 1}}


@pytest.mark.parametrize("word", ["zz\n", "", "-a", "a b", "a/b", "é", "a" * 101, 5, None])
def test_what_may_not_be_part_of_a_file_name_is_no_name(word):
    assert not is_name(word)
    assert shape_problems({"name": word})[0] is None


def test_a_hundred_letters_are_a_name():
    assert is_name("a" * 100)
    assert shape_problems({"name": "a" * 100})[1] == []


def test_what_was_found_is_told_in_short():
    _, problems = shape_problems({"name": "x", "seed": ["word" * 1000] * 1000})

    assert len(problems[0]) < 1000


@pytest.mark.parametrize("arms", [5, [1], "words"])
def test_arms_that_are_no_mapping_are_told_also_beside_a_single_arm(arms):
    arranged = arrange({"name": "x", "arms": arms, "select": {}}, folder=None)

    assert "arms: found" in shape_problems(arranged)[1][0]


def test_a_path_no_system_accepts_is_an_error(tmp_path):
    for word in ("x" * 10_000, "a\0b"):
        with pytest.raises(RecipeError):
            arrange({"corpus": word}, tmp_path)


def test_the_digest_is_of_content_with_defaults_filled_in():
    short, _ = shape_problems({"name": "x"})
    long, _ = shape_problems({"name": "x", "seed": 17, "models": {}})

    assert isinstance(short, Recipe)
    assert short.digest == long.digest
