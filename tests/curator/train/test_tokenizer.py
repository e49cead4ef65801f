"""What the tokenizer promises: the same file for the same documents, and one cost rule."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from curator.corpus_spec import TokenizerSpec
from curator.errors import LedgerError, RecipeError
from curator.stage import Site
from curator.train import tokenizer as bpe
from curator.train.tokenizer import encode, load_tokenizer, tag_ids, tag_text, train_bpe

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "In 2026 there were 1234 foxes, the quick ones.",
    "naïve café 日本語 🦊",
    "",
    "a literal <|bos|> in text",
]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    out = tmp_path_factory.mktemp("bpe")
    return bpe.train_bpe([pa.array(TEXTS * 3)], 320, out)


@pytest.fixture(scope="module")
def tokenizer(path):
    return bpe.load_tokenizer(path)


def test_the_file_does_not_depend_on_the_order_or_cut_of_documents(path, tmp_path):
    shuffled = [pa.array(TEXTS[::-1]), pa.array(TEXTS), pa.array(TEXTS[2:] + TEXTS[:2])]

    other = bpe.train_bpe(shuffled, 320, tmp_path / "other")

    assert bpe.digest(other) == bpe.digest(path)


def test_encoding_loses_nothing(tokenizer):
    offsets, ids = bpe.encode(tokenizer, pa.array(TEXTS))

    decoded = [
        tokenizer.decode(ids[a + 1 : b].tolist(), skip_special_tokens=False)
        for a, b in itertools.pairwise(offsets)
    ]

    assert decoded == TEXTS


def test_every_document_starts_with_bos_and_no_text_can_spell_it(tokenizer):
    offsets, ids = bpe.encode(tokenizer, pa.array(TEXTS))

    assert np.flatnonzero(ids == bpe.bos_id(tokenizer)).tolist() == offsets[:-1].tolist()


def test_a_cost_is_the_tokens_and_the_first_one(tokenizer):
    texts = pa.array(TEXTS, pa.large_string())
    offsets, _ = bpe.encode(tokenizer, texts)

    counts = bpe.count_tokens(tokenizer, texts)

    assert counts.dtype == np.uint32
    assert counts.tolist() == np.diff(offsets).tolist()
    assert counts[3] == 1


def test_digits_stand_alone(tokenizer):
    assert tokenizer.encode("1234", add_special_tokens=False).tokens == ["1", "2", "3", "4"]


def test_the_type_of_ids_follows_the_vocabulary():
    assert bpe.token_dtype(65_536) is np.uint16
    assert bpe.token_dtype(65_537) is np.uint32


def test_the_stage_counts_under_the_tokenizer_it_names_and_no_other(path):
    table = pa.table({"text": pa.array(TEXTS, pa.large_string())})
    stage = bpe.TokenCount(digest=bpe.digest(path), path=str(path))

    counted = stage.process(stage.load(Site()), table)

    assert (
        counted["n_tokens"].to_pylist()
        == bpe.count_tokens(bpe.load_tokenizer(path), table["text"]).tolist()
    )
    with pytest.raises(LedgerError, match="wanted 00"):
        bpe.TokenCount(digest="00", path=str(path)).load(Site())


def test_the_path_of_a_tokenizer_is_not_identity(path):
    assert (
        bpe.TokenCount(digest="d", path="a").identity()
        == bpe.TokenCount(digest="d", path="b").identity()
    )


@pytest.mark.parametrize("content", ["not json", "[]", "{}", '{"model": {}}'])
def test_a_file_that_is_no_tokenizer_is_named(tmp_path, content):
    bad = tmp_path / "tokenizer.json"
    bad.write_text(content)

    with pytest.raises(RecipeError, match="tokenizer"):
        bpe.load_tokenizer(bad)


def test_too_small_a_vocabulary_and_no_text_are_refused(tmp_path):
    with pytest.raises(RecipeError, match="at least 257"):
        bpe.train_bpe([pa.array(TEXTS)], 100, tmp_path)
    with pytest.raises(RecipeError, match="no documents"):
        bpe.train_bpe([pa.array(["", None])], 300, tmp_path)


def tagged(tmp_path, tags=("good", "bad"), size=400):
    texts = pa.array(["the cat sat on the mat. Then a dog came!\n\n12 apples"] * 5)
    return load_tokenizer(train_bpe([texts], size, tmp_path, tags))


def ids_of(tokenizer, text):
    return encode(tokenizer, pa.array([text]))[1].tolist()


def test_a_tag_is_one_id_and_the_last_of_the_vocabulary(tmp_path):
    tokenizer = tagged(tmp_path)
    good, bad = tag_ids(tokenizer).values()

    assert (good, bad) == (tokenizer.get_vocab_size() - 2, tokenizer.get_vocab_size() - 1)
    found = ids_of(tokenizer, f"{tag_text('good')}the cat.{tag_text('bad')} Then")
    assert found[1] == good
    assert [found.count(one) for one in (good, bad)] == [1, 1]


def test_tags_are_among_the_entries_and_change_no_other_id(tmp_path):
    with_tags = tagged(tmp_path / "tags", size=302)
    without = tagged(tmp_path / "none", (), 300)

    assert with_tags.get_vocab_size() == 302 - (300 - without.get_vocab_size())
    text = "the cat sat on a mat."
    assert ids_of(with_tags, text) == ids_of(without, text)


def test_what_is_no_tag_of_the_tokenizer_is_ordinary_text(tmp_path):
    tokenizer = tagged(tmp_path)

    for text in ("<|tag:other|>", "<|good|>", "<|bos|>", "<|tag:good"):
        assert max(ids_of(tokenizer, text)) < min(tag_ids(tokenizer).values())
        assert ids_of(tokenizer, text).count(0) == 1


def test_tags_need_room_beside_all_bytes(tmp_path):
    with pytest.raises(RecipeError, match="at least 259"):
        train_bpe([pa.array(["text"])], 258, tmp_path, ("a", "b"))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"path": "x.json", "tags": ["a"]}, "only a BPE trained here"),
        ({"bpe": 400, "tags": ["a", "a"]}, "twice"),
        ({"bpe": 301, "tags": ["a", "b"]}, "at least 300"),
        ({"bpe": 400, "tags": ["a|>b"]}, "match pattern"),
    ],
)
def test_a_recipe_names_tags_that_a_tokenizer_can_keep(wrong, told):
    with pytest.raises(ValidationError, match=told):
        TokenizerSpec(**wrong)


def test_a_tokenizer_without_tags_is_named_as_it_was():
    assert TokenizerSpec(bpe=4096).model_dump() == {"bpe": 4096, "path": None}
